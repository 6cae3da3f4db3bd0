//! Tokens for requests: what this environment holds of each shared bucket, and when it has to ask for more. How many
//! are taken and how long they may be spent is core's decision.
//!
//! A bucket that cannot be reached holds nobody up: until it can, this environment keeps the limit by itself.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use relay_core::access::{self, Allowance, FullAt, RateLimit, Spend, Standing, Taken};
use relay_core::metrics::{Metric, Recorder};
use relay_core::ports::{Ambient, Buckets};
use relay_core::time::Timestamp;

/// Buckets that are remembered. What is held of one that is forgotten is lost, and the next request takes a new slice.
const HELD_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// How long taking tokens may hold up a request.
const TAKE_WITHIN: Duration = Duration::from_secs(1);

/// What comes of a request for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// There was one.
    Passed(Standing),
    /// There was none.
    Refused(Standing),
}

impl Spent {
    /// How the bucket stands afterwards.
    pub(crate) const fn standing(self) -> Standing {
        match self {
            Self::Passed(standing) | Self::Refused(standing) => standing,
        }
    }
}

/// What is held of one bucket.
#[derive(Debug, Clone, Copy)]
struct Held {
    allowance: Allowance,
    /// The bucket that stands in for the shared one while that cannot be reached.
    own: Option<FullAt>,
}

/// The lock is held while tokens are taken: a hundred requests that find none send one to the shared bucket.
type Slot = Arc<tokio::sync::Mutex<Held>>;

/// What this environment holds of each bucket.
pub(crate) struct Limits {
    buckets: Arc<dyn Buckets>,
    ambient: Arc<dyn Ambient>,
    /// What is held of a bucket at first.
    unused: Allowance,
    recorder: Arc<Recorder>,
    held: Mutex<LruCache<String, Slot>>,
}

impl Limits {
    /// Takes tokens as `unused` does.
    pub(crate) fn new(
        buckets: Arc<dyn Buckets>,
        ambient: Arc<dyn Ambient>,
        unused: Allowance,
        recorder: Arc<Recorder>,
    ) -> Self {
        Self { buckets, ambient, unused, recorder, held: Mutex::new(LruCache::new(HELD_MAX)) }
    }

    /// Spends one token of the bucket of this name.
    pub(crate) async fn spend(&self, name: &str, limit: RateLimit) -> Spent {
        self.spend_many(name, 1, limit).await
    }

    /// Spends as many tokens of the bucket of this name, or none if there are not enough.
    pub(crate) async fn spend_many(&self, name: &str, tokens: u32, limit: RateLimit) -> Spent {
        let slot = self.slot(name);
        let mut held = slot.lock().await;
        let now = self.ambient.now();
        let (enough, wanted) = match held.allowance.spend_many(tokens, limit, now) {
            Spend::Passed(standing) => return Spent::Passed(standing),
            Spend::Refused(standing) => return Spent::Refused(standing),
            Spend::Take { enough, wanted } => (enough, wanted),
        };
        let taken = self.take(name, limit, (enough, wanted), &mut held, now).await;
        held.allowance.taken(&taken, enough, now);
        match held.allowance.spend_many(tokens, limit, now) {
            Spend::Passed(standing) => Spent::Passed(standing),
            Spend::Refused(standing) => Spent::Refused(standing),
            // Whatever was taken gives one of the two above.
            Spend::Take { .. } => Spent::Passed(Standing { remaining: 0, reset: taken.full_after }),
        }
    }

    /// How long the bucket of this name is known to be empty; nothing if it is not known to be. Asks nobody.
    pub(crate) async fn known_empty(&self, name: &str, limit: RateLimit) -> Option<Duration> {
        let slot = self.lock().get(name).cloned()?;
        let mut allowance = slot.lock().await.allowance;
        match allowance.spend(limit, self.ambient.now()) {
            Spend::Refused(standing) => Some(standing.reset),
            Spend::Passed(_) | Spend::Take { .. } => None,
        }
    }

    async fn take(
        &self,
        name: &str,
        limit: RateLimit,
        (enough, wanted): (u32, u32),
        held: &mut Held,
        now: Timestamp,
    ) -> Taken {
        let take = self.buckets.take_enough(name, limit, enough, wanted, now);
        let trouble = match tokio::time::timeout(TAKE_WITHIN, take).await {
            Ok(Ok(taken)) => return taken,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", TAKE_WITHIN.as_secs()),
        };
        self.recorder.count(Metric::UnsharedLimits);
        tracing::error!(
            bucket = name,
            error = trouble,
            "a limit is kept by this environment alone"
        );
        let taken = access::take_enough(limit, held.own, enough, wanted, now);
        held.own = Some(taken.full_at);
        taken
    }

    fn slot(&self, name: &str) -> Slot {
        let mut held = self.lock();
        if let Some(slot) = held.get(name) {
            return slot.clone();
        }
        let held_at_first = Held { allowance: self.unused, own: None };
        let slot = Slot::new(tokio::sync::Mutex::new(held_at_first));
        held.put(name.to_owned(), slot.clone());
        slot
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<String, Slot>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
