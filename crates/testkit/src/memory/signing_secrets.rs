//! The signing records of senders in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use relay_core::access::SigningRecord;
use relay_core::identity::SenderId;
use relay_core::ports::{Cursor, Page, PortError, RevisionWritten, SigningSecrets};

use super::revisions;

/// The signing records in memory. Copies are the same records.
#[derive(Debug, Clone, Default)]
pub struct MemorySigningSecrets {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    records: BTreeMap<String, SigningRecord>,
    finds: usize,
    writes: usize,
}

impl MemorySigningSecrets {
    /// No sender has any.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a sender was looked for, and how often a write was asked for.
    pub fn calls(&self) -> (usize, usize) {
        self.with(|kept| (kept.finds, kept.writes))
    }

    /// Puts a record there, whatever was there before, and counts no call.
    pub fn put(&self, record: SigningRecord) {
        self.with(|kept| kept.records.insert(record.sender.to_string(), record));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SigningSecrets for MemorySigningSecrets {
    async fn find(&self, sender: &SenderId) -> Result<Option<SigningRecord>, PortError> {
        Ok(self.with(|kept| {
            kept.finds += 1;
            kept.records.get(sender.as_str()).cloned()
        }))
    }

    async fn write(
        &self,
        record: &SigningRecord,
    ) -> Result<RevisionWritten<SigningRecord>, PortError> {
        Ok(self.with(|kept| {
            kept.writes += 1;
            revisions::write(&mut kept.records, record.sender.as_str(), record)
        }))
    }

    async fn list(&self, after: Option<&Cursor>) -> Result<Page<SigningRecord>, PortError> {
        Ok(self.with(|kept| revisions::page(&kept.records, after)))
    }
}
