//! All records at once, and the dead-letter queue for reading, with trouble.

use std::time::Duration;

use async_trait::async_trait;
use relay_core::identity::RelayId;
use relay_core::ports::{
    Cursor, DeadEntry, DeadWanted, Ledger, Letter, Letters, Page, PortError, Receipt,
};
use relay_core::time::Timestamp;

use super::Faulty;

#[async_trait]
impl<P: Ledger + Clone + 'static> Ledger for Faulty<P> {
    async fn dead(
        &self,
        shard: u8,
        wanted: DeadWanted,
        from: Timestamp,
        until: Timestamp,
        after: Option<&Cursor>,
    ) -> Result<Page<DeadEntry>, PortError> {
        let (port, after) = (self.port.clone(), after.cloned());
        let act =
            move || async move { port.dead(shard, wanted, from, until, after.as_ref()).await };
        self.around("dead", act).await
    }

    async fn unfinished(&self, after: Option<&Cursor>) -> Result<Page<RelayId>, PortError> {
        let (port, after) = (self.port.clone(), after.cloned());
        let act = move || async move { port.unfinished(after.as_ref()).await };
        self.around("unfinished", act).await
    }
}

#[async_trait]
impl<P: Letters + Clone + 'static> Letters for Faulty<P> {
    async fn receive(&self, hidden_for: Duration) -> Result<Vec<Letter>, PortError> {
        let port = self.port.clone();
        self.around("receive_letters", move || async move { port.receive(hidden_for).await }).await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        let (port, receipts) = (self.port.clone(), receipts.to_vec());
        self.around("delete_letters", move || async move { port.delete(&receipts).await }).await
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        let (port, receipts) = (self.port.clone(), receipts.to_vec());
        self.around("release_letters", move || async move { port.release(&receipts).await }).await
    }
}
