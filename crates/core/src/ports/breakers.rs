//! Where the breakers of destinations are kept, for all environments to share.

use async_trait::async_trait;

use super::PortError;
use crate::breaker::Breaker;
use crate::time::Timestamp;

/// The answer to a conditional write of a breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerWritten {
    /// It is written, by this try or by one before it whose answer was lost.
    Done,
    /// Somebody else wrote first; this is what is there now, nothing if it was removed.
    Changed(Option<Breaker>),
}

/// The breakers of destinations, one record each, written only when something changes.
#[async_trait]
pub trait Breakers: Send + Sync {
    /// The breaker of a destination (scheme, host and port); nothing if none was written, which means that
    /// it is closed, or if the record has expired at `now` or cannot be read. Strongly consistent.
    async fn read(&self, destination: &str, now: Timestamp) -> Result<Option<Breaker>, PortError>;

    /// Writes `breaker` if the stored one has the version before it; or if it is version 1 and none is
    /// stored, or one that has expired when it is written or cannot be read. A write recognises itself by its version and
    /// its id (F36).
    async fn write(
        &self,
        destination: &str,
        breaker: &Breaker,
    ) -> Result<BreakerWritten, PortError>;
}
