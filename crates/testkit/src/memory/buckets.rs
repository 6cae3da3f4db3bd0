//! The shared buckets of rate limits in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use relay_core::access::{FullAt, RateLimit, Taken, take_enough};
use relay_core::ports::{Buckets, PortError};
use relay_core::time::Timestamp;

/// The buckets in memory. Copies are the same buckets.
#[derive(Debug, Clone, Default)]
pub struct MemoryBuckets {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    buckets: HashMap<String, FullAt>,
    takes: usize,
}

impl MemoryBuckets {
    /// Every bucket is full.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often tokens were asked for.
    pub fn calls(&self) -> usize {
        self.with(|kept| kept.takes)
    }

    /// The names of the buckets that something was taken out of, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.with(|kept| kept.buckets.keys().cloned().collect());
        names.sort();
        names
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Buckets for MemoryBuckets {
    async fn take_enough(
        &self,
        name: &str,
        limit: RateLimit,
        enough: u32,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Taken, PortError> {
        Ok(self.with(|kept| {
            kept.takes += 1;
            let bucket = kept.buckets.get(name).copied();
            let taken = take_enough(limit, bucket, enough, wanted, now);
            if taken.granted > 0 {
                kept.buckets.insert(name.to_owned(), taken.full_at);
            }
            taken
        }))
    }
}
