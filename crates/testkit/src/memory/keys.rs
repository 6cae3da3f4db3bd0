//! The API keys in memory: their records, and when each was used last.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use relay_core::access::{KeyId, KeyRecord};
use relay_core::ports::{Cursor, Keys, Page, PortError, RevisionWritten, StoredKey};
use relay_core::time::Timestamp;

use super::revisions;

/// The API keys in memory. Copies are the same keys.
#[derive(Debug, Clone, Default)]
pub struct MemoryKeys {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    records: BTreeMap<String, KeyRecord>,
    used_at: HashMap<KeyId, Timestamp>,
    calls: KeyCalls,
}

/// How often each call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyCalls {
    /// Looks for one key.
    pub finds: usize,
    /// Writes asked for.
    pub writes: usize,
    /// Pages of the list.
    pub lists: usize,
    /// Notes of a use.
    pub notes: usize,
}

impl MemoryKeys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often each call was made.
    pub fn calls(&self) -> KeyCalls {
        self.with(|kept| kept.calls)
    }

    /// Puts a record there, whatever was there before, and counts no call.
    pub fn put(&self, record: KeyRecord) {
        self.with(|kept| kept.records.insert(record.id.to_string(), record));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn stored(&self, record: KeyRecord) -> StoredKey {
        StoredKey { last_used_at: self.used_at.get(&record.id).copied(), record }
    }
}

#[async_trait]
impl Keys for MemoryKeys {
    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, PortError> {
        Ok(self.with(|kept| {
            kept.calls.finds += 1;
            kept.records.get(id.as_str()).cloned().map(|record| kept.stored(record))
        }))
    }

    async fn write(&self, record: &KeyRecord) -> Result<RevisionWritten<KeyRecord>, PortError> {
        Ok(self.with(|kept| {
            kept.calls.writes += 1;
            revisions::write(&mut kept.records, record.id.as_str(), record)
        }))
    }

    async fn list(&self, after: Option<&Cursor>) -> Result<Page<StoredKey>, PortError> {
        Ok(self.with(|kept| {
            kept.calls.lists += 1;
            let page = revisions::page(&kept.records, after);
            let items = page.items.into_iter().map(|record| kept.stored(record)).collect();
            Page { items, next: page.next }
        }))
    }

    async fn note_use(&self, id: &KeyId, at: Timestamp) -> Result<(), PortError> {
        self.with(|kept| {
            kept.calls.notes += 1;
            if kept.records.contains_key(id.as_str()) {
                let used_at = kept.used_at.entry(id.clone()).or_insert(at);
                *used_at = at.max(*used_at);
            }
        });
        Ok(())
    }
}
