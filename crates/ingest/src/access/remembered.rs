//! What was read of keys a short while ago, so that a request costs no look into the table.
//!
//! A key that is good or was once good is remembered by its id. What is no key is remembered with its secret, apart from
//! the good ones and for a shorter time: guesses push no good key out, and a secret that a rotation has just made is
//! found at its first use, however fresh the memory of its key is.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use relay_core::access::{ApiKey, Grant, KeyId, KeyRecord, Refusal, admit};
use relay_core::ports::{Keys, PortError};
use relay_core::time::Timestamp;

/// Keys that are remembered: a record has some kilobytes at most.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(1000).unwrap();
/// Guesses that are remembered.
const REFUSED_MAX: NonZeroUsize = NonZeroUsize::new(1000).unwrap();
/// How long what is no key counts as none. Ids and secrets are random: who presents one that does not exist yet is
/// guessing, so this only spares the table.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// How often the use of a key is noted.
const NOTE_EVERY: Duration = Duration::from_hours(1);

/// A key as it was read.
struct Known {
    record: Arc<KeyRecord>,
    /// When it was asked for.
    read_at: Timestamp,
    /// When its use was noted last, by anybody.
    noted_at: Option<Timestamp>,
}

/// What is presented: an id, and the hash of a secret.
type Guess = (KeyId, String);

/// The keys, and what is remembered of them.
pub(crate) struct Remembered {
    keys: Arc<dyn Keys>,
    known_for: Duration,
    known: Mutex<LruCache<KeyId, Known>>,
    refused: Mutex<LruCache<Guess, (Timestamp, Refusal)>>,
}

impl Remembered {
    /// The keys of this port, each remembered for so long.
    pub(crate) fn new(keys: Arc<dyn Keys>, known_for: Duration) -> Self {
        let known = Mutex::new(LruCache::new(KNOWN_MAX));
        Self { keys, known_for, known, refused: Mutex::new(LruCache::new(REFUSED_MAX)) }
    }

    /// Judges a request with this key by what is remembered, or else by what is stored; if `anew`, by what is stored.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub(crate) async fn judge(
        &self,
        key: &ApiKey,
        source: Option<IpAddr>,
        now: Timestamp,
        anew: bool,
    ) -> Result<Result<Grant, Refusal>, PortError> {
        if let Some(record) = self.known(key.id(), now).filter(|_| !anew) {
            match admit(Some(&record), key, source, now) {
                Err(Refusal::WrongSecret) => {}
                judged => return Ok(judged),
            }
        }
        let guess = (key.id().clone(), String::from(key.hash()));
        if let Some(refusal) = self.refused(&guess, now) {
            return Ok(Err(refusal));
        }
        let found = self.keys.find(key.id()).await?;
        let judged = admit(found.as_ref().map(|found| &found.record), key, source, now);
        if let Err(refusal @ (Refusal::Unknown | Refusal::WrongSecret)) = judged {
            lock(&self.refused).put(guess, (now, refusal));
        }
        match found {
            Some(found) => self.remember(found.record, found.last_used_at, now),
            None => drop(lock(&self.known).pop(key.id())),
        }
        Ok(judged)
    }

    /// Whether this key is remembered as good from this address. Asks nobody.
    pub(crate) fn known_grant(
        &self,
        key: &ApiKey,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Option<Grant> {
        admit(Some(&*self.known(key.id(), now)?), key, source, now).ok()
    }

    /// Takes note of a record that was written just now.
    pub(crate) fn written(&self, record: KeyRecord, now: Timestamp) {
        self.remember(record, None, now);
    }

    /// Notes that the key was used, if nobody has for an hour. It waits no longer than `patience`: what is noted is
    /// coarse anyway, and a failure is made good an hour later.
    pub(crate) async fn note_use(&self, id: &KeyId, now: Timestamp, patience: Duration) {
        if !self.is_to_be_noted(id, now) {
            return;
        }
        match tokio::time::timeout(patience, self.keys.note_use(id, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(key_id = %id, %error, "the use of a key is not noted"),
            Err(_) => tracing::warn!(key_id = %id, "the use of a key could not be noted in time"),
        }
    }

    fn is_to_be_noted(&self, id: &KeyId, now: Timestamp) -> bool {
        let mut known = lock(&self.known);
        let Some(known) = known.get_mut(id) else { return false };
        let due = known.noted_at.is_none_or(|noted| now.since(noted) >= NOTE_EVERY);
        if due {
            known.noted_at = Some(now);
        }
        due
    }

    fn known(&self, id: &KeyId, now: Timestamp) -> Option<Arc<KeyRecord>> {
        let mut known = lock(&self.known);
        let known = known.get(id)?;
        known.read_at.is_within(self.known_for, now).then(|| known.record.clone())
    }

    fn refused(&self, guess: &Guess, now: Timestamp) -> Option<Refusal> {
        let mut refused = lock(&self.refused);
        let (since, refusal) = *refused.get(guess)?;
        since.is_within(REFUSED_FOR, now).then_some(refusal)
    }

    /// An answer that comes late does not undo what is known by then.
    fn remember(&self, record: KeyRecord, last_used_at: Option<Timestamp>, now: Timestamp) {
        let mut known = lock(&self.known);
        let before = known.peek(&record.id);
        if before.is_some_and(|before| before.record.revision > record.revision) {
            return;
        }
        let noted_at = before.and_then(|before| before.noted_at).max(last_used_at);
        known.put(record.id.clone(), Known { record: Arc::new(record), read_at: now, noted_at });
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
