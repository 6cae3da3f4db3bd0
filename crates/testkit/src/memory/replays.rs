//! Requests that count once, in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use relay_core::ports::{PortError, Replays};
use relay_core::time::Timestamp;

/// The notes in memory. Copies are the same notes.
#[derive(Debug, Clone, Default)]
pub struct MemoryReplays {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By whom each request was noted, and until when.
    notes: HashMap<String, (String, Timestamp)>,
    calls: usize,
}

impl MemoryReplays {
    /// Nothing was ever noted.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a request was to be noted.
    pub fn calls(&self) -> usize {
        self.with(|kept| kept.calls)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Replays for MemoryReplays {
    async fn is_first(
        &self,
        request: &str,
        by: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, PortError> {
        Ok(self.with(|kept| {
            kept.calls += 1;
            let noted = kept.notes.get(request).filter(|(_, until)| now < *until);
            if let Some((before, _)) = noted {
                return before == by;
            }
            kept.notes.insert(request.to_owned(), (by.to_owned(), until));
            true
        }))
    }
}
