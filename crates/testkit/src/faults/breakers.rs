//! The breakers, with trouble.

use async_trait::async_trait;
use relay_core::breaker::Breaker;
use relay_core::ports::{BreakerWritten, Breakers, PortError};
use relay_core::time::Timestamp;

use super::Faulty;

#[async_trait]
impl<P: Breakers + Clone + 'static> Breakers for Faulty<P> {
    async fn read(&self, destination: &str, now: Timestamp) -> Result<Option<Breaker>, PortError> {
        let (port, destination) = (self.port.clone(), destination.to_owned());
        self.around("read_breaker", move || async move { port.read(&destination, now).await }).await
    }

    async fn write(
        &self,
        destination: &str,
        breaker: &Breaker,
    ) -> Result<BreakerWritten, PortError> {
        let (port, breaker) = (self.port.clone(), breaker.clone());
        let destination = destination.to_owned();
        let act = move || async move { port.write(&destination, &breaker).await };
        self.around("write_breaker", act).await
    }
}
