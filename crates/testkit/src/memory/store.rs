//! The store in memory: the records behind a lock, and one call as one look at them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Claim, Found, PortError, Recorded, Settled, Settlement, Store};
use relay_core::time::Timestamp;

use super::records::Records;

/// The records of messages in memory. Copies share them.
#[derive(Clone, Default)]
pub struct MemoryStore {
    records: Arc<Mutex<Records>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every id that was ever recorded, for invariants over all messages.
    pub fn ids(&self) -> Vec<RelayId> {
        self.with(|records| records.messages.keys().cloned().collect())
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Records) -> T) -> T {
        act(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A table refuses a whole call that names a key twice. Callers must know, and a test must fail.
fn check_distinct<'a>(ids: impl Iterator<Item = &'a RelayId>) {
    let mut seen = HashSet::new();
    for id in ids {
        assert!(seen.insert(id), "{id} is twice in one call");
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        Ok(self.with(|records| records.record(message, now)))
    }

    async fn record_all(
        &self,
        messages: &[Message],
        now: Timestamp,
    ) -> Vec<Result<Recorded, PortError>> {
        check_distinct(messages.iter().map(|message| &message.id));
        let each = messages.iter();
        self.with(|records| each.map(|message| Ok(records.record(message, now))).collect())
    }

    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        Ok(self.with(|records| records.find(id, now)))
    }

    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.with(|records| records.mark_queued(id, life, now));
        Ok(())
    }

    async fn mark_queued_all(
        &self,
        queued: &[(RelayId, Life)],
        now: Timestamp,
    ) -> Vec<Result<(), PortError>> {
        check_distinct(queued.iter().map(|(id, _)| id));
        self.with(|records| {
            for (id, life) in queued {
                records.mark_queued(id, life, now);
            }
            vec![Ok(()); queued.len()]
        })
    }

    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError> {
        Ok(self.with(|records| records.claim(id, claim)))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        Ok(self.with(|records| records.settle(settlement)))
    }

    async fn settle_all(&self, settlements: &[Settlement]) -> Vec<Result<Settled, PortError>> {
        check_distinct(settlements.iter().map(|settlement| &settlement.id));
        let each = settlements.iter();
        self.with(|records| each.map(|settlement| Ok(records.settle(settlement))).collect())
    }

    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        Ok(self.with(|records| records.give_up(id, life, reason, now)))
    }

    async fn cancel(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        Ok(self.with(|records| records.cancel(id, life, now)))
    }

    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.with(|records| records.mark_buried(id, life, now));
        Ok(())
    }

    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        Ok(self.with(|records| records.begin_again(id, life, again, now)))
    }

    async fn ready(&self) -> Result<(), PortError> {
        Ok(())
    }
}
