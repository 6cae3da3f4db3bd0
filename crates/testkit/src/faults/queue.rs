//! The queue and the queue of dead letters, with trouble.

use std::time::Duration;

use async_trait::async_trait;
use relay_core::envelope::Envelope;
use relay_core::ports::{DeadLetter, PortError, Queue, Receipt};

use super::Faulty;

#[async_trait]
impl<P: Queue + Clone + 'static> Queue for Faulty<P> {
    async fn send(&self, envelope: &Envelope, delay: Duration) -> Result<(), PortError> {
        let (port, envelope) = (self.port.clone(), envelope.clone());
        self.around("send", move || async move { port.send(&envelope, delay).await }).await
    }

    async fn send_all(&self, envelopes: &[Envelope]) -> Vec<Result<(), PortError>> {
        let port = self.port.clone();
        let act = move |envelopes: Vec<_>| async move { port.send_all(&envelopes).await };
        self.around_all(["send_all", "send"], envelopes.to_vec(), act).await
    }

    async fn postpone(&self, receipt: &Receipt, wait: Duration) -> Result<(), PortError> {
        let (port, receipt) = (self.port.clone(), receipt.clone());
        self.around("postpone", move || async move { port.postpone(&receipt, wait).await }).await
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<(), PortError> {
        let (port, letter) = (self.port.clone(), letter.clone());
        self.around("bury", move || async move { port.bury(&letter).await }).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.port.ready().await
    }
}
