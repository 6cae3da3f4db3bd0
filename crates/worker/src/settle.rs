//! Writing down what an attempt came to, and what follows for the queue item from the state that is there then.

use std::time::Duration;

use relay_core::attempt::SETTLE_TIME;
use relay_core::envelope::Envelope;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Life, Phase, State};
use relay_core::outcome::DeadReason;
use relay_core::ports::{PortError, Settled, Settlement};
use tokio::time::timeout;

use crate::deliver::Worker;
use crate::given::Item;
use crate::joined::{Place, Turn, Waiting};
use crate::tell::Next;

/// How often the result of an attempt is written before the attempt is left without one. Each try is
/// retried by the store itself.
const SETTLE_TRIES: usize = 3;
/// How long one try to write several results may take. The answers come together, so that one result in trouble keeps the
/// others waiting; after this long each is written by itself, for which the other half of the time is left.
const TOGETHER_WITHIN: Duration = Duration::from_secs(SETTLE_TIME.as_secs() / 2);

impl Worker {
    /// Writes what an attempt came to: one that was claimed by itself, others together where they come together.
    pub(crate) async fn settle(
        &self,
        settlement: &Settlement,
        place: Place<'_>,
    ) -> Result<Settled, PortError> {
        let settled = if settlement.lease.claimed {
            drop(place);
            self.write_patiently(settlement).await
        } else {
            match place.wait(settlement).await {
                Turn::Written(settled) => settled,
                Turn::Write(others) if others.is_empty() => self.write_patiently(settlement).await,
                Turn::Write(others) => self.write_all(settlement, others).await,
            }
        };
        if let Ok(Settled::Done(state)) = &settled {
            self.count_settled(state);
        }
        settled
    }

    /// Writes one result. It is worth more than one try: without it the target is called again.
    async fn write_patiently(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        let mut settled = self.ports.store.settle(settlement).await;
        for _ in 1..SETTLE_TRIES {
            if settled.is_ok() {
                break;
            }
            settled = self.ports.store.settle(settlement).await;
        }
        settled
    }

    /// Writes several results by one call, and those of them that fail again, as often as one. Each learns what came of it
    /// when the call that wrote it has answered for all; from one that takes too long each goes on by itself.
    async fn write_all(
        &self,
        own: &Settlement,
        others: Vec<Waiting>,
    ) -> Result<Settled, PortError> {
        let (mut own_settled, mut left) = (None, others);
        for tries_left in (0..SETTLE_TRIES).rev() {
            let is_over = |settled: &Result<_, _>| settled.is_ok() || tries_left == 0;
            let mut settlements: Vec<Settlement> =
                left.iter().map(|waiting| waiting.settlement.clone()).collect();
            settlements.extend(own_settled.is_none().then(|| own.clone()));
            let writing = self.ports.store.settle_all(&settlements);
            let Ok(written) = timeout(TOGETHER_WITHIN, writing).await else { break };
            let mut written = written.into_iter();
            let mut failed = Vec::new();
            for waiting in left {
                match written.next() {
                    Some(settled) if is_over(&settled) => waiting.tell(settled),
                    Some(_) | None => failed.push(waiting),
                }
            }
            if own_settled.is_none() {
                own_settled = written.next().filter(is_over);
            }
            left = failed;
            if left.is_empty() && own_settled.is_some() {
                break;
            }
        }
        // Whoever still waits hears so that nobody writes for it.
        drop(left);
        match own_settled {
            Some(settled) => settled,
            // The store has not said what came of it, or not in time.
            None => self.write_patiently(own).await,
        }
    }

    /// Gives a message up. It counts for whoever wrote that, not for those who find it written.
    pub(crate) async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
    ) -> Result<Settled, PortError> {
        let now = self.ports.ambient.now();
        let settled = self.ports.store.give_up(id, life, reason, now).await?;
        if let Some(state) = settled.dead_since(now) {
            self.count_settled(state);
        }
        Ok(settled)
    }

    /// What follows where the result of an attempt without a claim found the message another's. When its item comes again it
    /// is claimed, so it waits or meets a final record.
    pub(crate) fn overtaken(&self) -> Next {
        tracing::info!("not written: another attempt was written first");
        self.soon_after(self.ports.ambient.now())
    }

    /// What follows from a write, which a lost lease keeps from being the last word.
    pub(crate) async fn after_settling(
        &self,
        envelope: &Envelope,
        item: &Item,
        settled: Settled,
    ) -> Result<Next, PortError> {
        match settled {
            Settled::Done(state) => self.follow(envelope, item, &state).await,
            Settled::Lost => {
                tracing::warn!("not written: the lease was lost");
                Ok(self.soon_after(self.ports.ambient.now().plus(self.rules.lease)))
            }
        }
    }

    /// What follows from a state, for a copy of its message in the main queue.
    pub(crate) async fn follow(
        &self,
        envelope: &Envelope,
        item: &Item,
        state: &State,
    ) -> Result<Next, PortError> {
        match &state.phase {
            Phase::Delivered | Phase::Cancelled => Ok(Next::Acknowledge),
            Phase::Dead { buried: true, .. } => {
                // Whoever buried it may not have had the body.
                self.keep_body(envelope).await?;
                Ok(Next::Acknowledge)
            }
            Phase::Dead { reason, buried: false } => {
                self.bury(envelope, item, *reason, state).await
            }
            Phase::Retrying { not_before } => Ok(Next::At(*not_before)),
            Phase::Processing { lease_until, .. } => Ok(self.soon_after(*lease_until)),
            Phase::Pending | Phase::Queued => Ok(self.after_trouble()),
        }
    }
}
