//! The breakers in memory: one record per destination, and the condition on its version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use relay_core::breaker::Breaker;
use relay_core::ports::{BreakerWritten, Breakers, PortError};
use relay_core::time::Timestamp;

/// The breakers in memory. Copies are the same breakers.
#[derive(Debug, Clone, Default)]
pub struct MemoryBreakers {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    breakers: HashMap<String, Breaker>,
    reads: usize,
    writes: usize,
}

impl MemoryBreakers {
    /// No breaker was ever written.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a breaker was read, and how often a write was asked for.
    pub fn calls(&self) -> (usize, usize) {
        self.with(|kept| (kept.reads, kept.writes))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Breakers for MemoryBreakers {
    async fn read(&self, destination: &str, now: Timestamp) -> Result<Option<Breaker>, PortError> {
        Ok(self.with(|kept| {
            kept.reads += 1;
            kept.breakers.get(destination).filter(|breaker| now < breaker.expires_at()).cloned()
        }))
    }

    async fn write(
        &self,
        destination: &str,
        breaker: &Breaker,
    ) -> Result<BreakerWritten, PortError> {
        Ok(self.with(|kept| {
            kept.writes += 1;
            let found = kept.breakers.get(destination);
            let is_due = match found {
                None => breaker.version == 1,
                Some(found) if found.version + 1 == breaker.version => true,
                Some(found) => breaker.version == 1 && found.expires_at() <= breaker.written_at,
            };
            let is_own = found.is_some_and(|found| {
                (found.version, &found.write_id) == (breaker.version, &breaker.write_id)
            });
            if !is_due && !is_own {
                return BreakerWritten::Changed(found.cloned());
            }
            kept.breakers.insert(destination.to_owned(), breaker.clone());
            BreakerWritten::Done
        }))
    }
}
