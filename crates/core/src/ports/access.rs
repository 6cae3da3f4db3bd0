//! Where API keys, signing secrets and rate limits are kept, for all environments to share. Nothing here is asked once per
//! message: what is read is remembered for some seconds, and tokens are taken by the slice.

use async_trait::async_trait;

use super::{Cursor, Page, PortError};
use crate::access::{KeyId, KeyRecord, MasterId, MasterSecrets, RateLimit, SigningRecord, Taken};
use crate::identity::SenderId;
use crate::time::Timestamp;

/// The answer to a conditional write of a record that has revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevisionWritten<T> {
    /// It is written, by this try or by one before it whose answer was lost.
    Done,
    /// Somebody else wrote first; this is what is there now, nothing if it is not there.
    Changed(Option<T>),
}

/// A key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its record.
    pub record: KeyRecord,
    /// When it was used last, to within an hour; nothing if it never was.
    pub last_used_at: Option<Timestamp>,
}

/// The API keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The key with this id. Strongly consistent.
    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, PortError>;

    /// Writes `record` if the stored one has the revision before it; or if it is revision 1 and none is stored. A write
    /// recognises itself by its revision and its write id.
    async fn write(&self, record: &KeyRecord) -> Result<RevisionWritten<KeyRecord>, PortError>;

    /// One page of all keys, revoked ones included, in no particular order. A page may be empty although others follow.
    async fn list(&self, after: Option<&Cursor>) -> Result<Page<StoredKey>, PortError>;

    /// Notes that the key was used at `at`, unless a later use is noted already. A key that is not there stays so.
    async fn note_use(&self, id: &KeyId, at: Timestamp) -> Result<(), PortError>;
}

/// The signing secrets of senders.
#[async_trait]
pub trait SigningSecrets: Send + Sync {
    /// Those of this sender; nothing if it has none. Strongly consistent.
    async fn find(&self, sender: &SenderId) -> Result<Option<SigningRecord>, PortError>;

    /// Writes `record` as [`Keys::write`] does.
    async fn write(
        &self,
        record: &SigningRecord,
    ) -> Result<RevisionWritten<SigningRecord>, PortError>;

    /// One page of all senders that have secrets, in no particular order. A page may be empty although others follow.
    async fn list(&self, after: Option<&Cursor>) -> Result<Page<SigningRecord>, PortError>;
}

/// The shared buckets of rate limits.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Takes up to `wanted` tokens out of the bucket of this name, or none if it has fewer than `enough`, which is at
    /// least 1. What is taken by a call whose answer is lost is lost. When the bucket changes faster than it can be
    /// written, the call fails.
    async fn take_enough(
        &self,
        name: &str,
        limit: RateLimit,
        enough: u32,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Taken, PortError>;

    /// Takes up to `wanted` tokens, however few there are.
    async fn take(
        &self,
        name: &str,
        limit: RateLimit,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Taken, PortError> {
        self.take_enough(name, limit, 1, wanted, now).await
    }
}

/// The master secrets.
#[async_trait]
pub trait Vault: Send + Sync {
    /// The master secrets, as they were some minutes ago at most; as they are now, or were some seconds ago, if `wanted`
    /// is not among those known. While they cannot be read, what is known counts for an hour at most.
    async fn masters(&self, wanted: Option<&MasterId>) -> Result<MasterSecrets, PortError>;
}

/// Requests that count once: signed ones whose repetition would not be harmless.
#[async_trait]
pub trait Replays: Send + Sync {
    /// Notes until `until` that this request came, and says whether it is the first time; one whose note has expired at
    /// `now` is. `by` is random and makes a repeated call, whose first answer was lost, recognise itself.
    async fn is_first(
        &self,
        request: &str,
        by: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, PortError>;
}
