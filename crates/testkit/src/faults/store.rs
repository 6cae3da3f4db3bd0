//! The records of messages, with trouble.

use async_trait::async_trait;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Claim, Found, PortError, Recorded, Settled, Settlement, Store};
use relay_core::time::Timestamp;

use super::Faulty;

#[async_trait]
impl<P: Store + Clone + 'static> Store for Faulty<P> {
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        let (port, message) = (self.port.clone(), message.clone());
        self.around("record", move || async move { port.record(&message, now).await }).await
    }

    async fn record_all(
        &self,
        messages: &[Message],
        now: Timestamp,
    ) -> Vec<Result<Recorded, PortError>> {
        let port = self.port.clone();
        let act = move |messages: Vec<_>| async move { port.record_all(&messages, now).await };
        self.around_all(["record_all", "record"], messages.to_vec(), act).await
    }

    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        let (port, id) = (self.port.clone(), id.clone());
        self.around("find", move || async move { port.find(&id, now).await }).await
    }

    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let (port, id, life) = (self.port.clone(), id.clone(), life.clone());
        let act = move || async move { port.mark_queued(&id, &life, now).await };
        self.around("mark_queued", act).await
    }

    async fn mark_queued_all(
        &self,
        queued: &[(RelayId, Life)],
        now: Timestamp,
    ) -> Vec<Result<(), PortError>> {
        let port = self.port.clone();
        let act = move |queued: Vec<_>| async move { port.mark_queued_all(&queued, now).await };
        self.around_all(["mark_queued_all", "mark_queued"], queued.to_vec(), act).await
    }

    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError> {
        let (port, id, claim) = (self.port.clone(), id.clone(), claim.clone());
        self.around("claim", move || async move { port.claim(&id, &claim).await }).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        let (port, settlement) = (self.port.clone(), settlement.clone());
        self.around("settle", move || async move { port.settle(&settlement).await }).await
    }

    async fn settle_all(&self, settlements: &[Settlement]) -> Vec<Result<Settled, PortError>> {
        let port = self.port.clone();
        let act = move |settlements: Vec<_>| async move { port.settle_all(&settlements).await };
        self.around_all(["settle_all", "settle"], settlements.to_vec(), act).await
    }

    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        let (port, id, life) = (self.port.clone(), id.clone(), life.clone());
        let act = move || async move { port.give_up(&id, &life, reason, now).await };
        self.around("give_up", act).await
    }

    async fn cancel(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        let (port, id, life) = (self.port.clone(), id.clone(), life.clone());
        let act = move || async move { port.cancel(&id, &life, now).await };
        self.around("cancel", act).await
    }

    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let (port, id, life) = (self.port.clone(), id.clone(), life.clone());
        let act = move || async move { port.mark_buried(&id, &life, now).await };
        self.around("mark_buried", act).await
    }

    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        let (port, id, life) = (self.port.clone(), id.clone(), life.clone());
        let act = move || async move { port.begin_again(&id, &life, again, now).await };
        self.around("begin_again", act).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.port.ready().await
    }
}
