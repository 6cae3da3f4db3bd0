//! By which secrets the deliveries of a sender are signed: its record, read at most once a minute, and what the master
//! secrets make of it. Knows neither messages nor their bodies.
//!
//! A sender without a record is not signed for. One with a record is never sent for unsigned: whatever keeps its
//! secrets from being known keeps its messages waiting.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use relay_core::access::SigningRecord;
use relay_core::identity::{RelayId, SenderId};
use relay_core::ports::{Ambient, PortError, SigningSecrets, Vault};
use relay_core::signature::{SigningSecret, Signings};
use relay_core::time::Timestamp;

/// How long what was read of a sender counts, that it has no secrets included: a rotation is in use by then.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Senders remembered at a time, some hundred bytes each. One that is forgotten costs a read when it comes again.
const SENDERS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);
/// How long it may take to learn a sender's secrets, an attempt being kept waiting for them: a call to the table and
/// one to the vault, each with one try that hangs, which the adapter gives up after two seconds, and another that does not.
const LEARNED_WITHIN: Duration = Duration::from_secs(6);
/// After trouble with a sender's secrets they are not asked for again for this long. The messages of a batch would
/// otherwise wait for the same trouble one after the other.
const TROUBLE_LASTS: Duration = Duration::from_secs(5);

/// Why it is not known how to sign.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unsignable {
    /// The record or the master secrets cannot be read.
    #[error(transparent)]
    Port(#[from] PortError),
    /// They were not read in time.
    #[error("no answer in time")]
    Late,
    /// A version is derived from a master secret that is not there.
    #[error("version {version} needs a master secret that is not there")]
    NoMaster {
        /// The version.
        version: u32,
    },
    /// The record has no version that stays.
    #[error("the record has no newest version")]
    NoNewest,
    /// It was told a moment ago.
    #[error("trouble a moment ago")]
    Trouble,
}

/// By which secrets one delivery is signed.
#[derive(Clone)]
pub(crate) struct Secrets {
    /// None if the sender is not signed for.
    versions: Arc<[Version]>,
    read_at: Timestamp,
}

/// A secret and its end.
struct Version {
    secret: SigningSecret,
    ends_at: Option<Timestamp>,
}

impl Secrets {
    /// Whether they may be used at `now` without another look.
    pub(crate) fn still_count(&self, now: Timestamp) -> bool {
        self.read_at.is_within(REMEMBERED, now)
    }

    /// Begins a signature by each secret that is valid at `at`, the newest first. The newest one has no end, so a sender
    /// that has secrets always has one that is valid.
    pub(crate) fn begin(&self, id: &RelayId, at: Timestamp) -> Signings {
        let is_live = |version: &&Version| version.ends_at.is_none_or(|end| at < end);
        Signings::begin(self.versions.iter().filter(is_live).map(|version| &version.secret), id, at)
    }
}

/// What is known of one sender. Locked while it is learned: one task does it for all.
#[derive(Default)]
struct Known {
    learned: Option<Secrets>,
    trouble_at: Option<Timestamp>,
}

/// What one environment knows about the secrets of senders.
pub(crate) struct Signer {
    records: Arc<dyn SigningSecrets>,
    vault: Arc<dyn Vault>,
    ambient: Arc<dyn Ambient>,
    known: Mutex<LruCache<SenderId, Arc<tokio::sync::Mutex<Known>>>>,
}

impl Signer {
    pub(crate) fn new(
        records: Arc<dyn SigningSecrets>,
        vault: Arc<dyn Vault>,
        ambient: Arc<dyn Ambient>,
    ) -> Self {
        Self { records, vault, ambient, known: Mutex::new(LruCache::new(SENDERS_MAX)) }
    }

    /// The secrets of this sender, none if it is not signed for.
    pub(crate) async fn secrets(&self, sender: &SenderId) -> Result<Secrets, Unsignable> {
        let known = self.known(sender);
        let mut known = known.lock().await;
        let now = self.ambient.now();
        if let Some(secrets) = &known.learned
            && secrets.still_count(now)
        {
            return Ok(secrets.clone());
        }
        if known.trouble_at.is_some_and(|at| at.is_within(TROUBLE_LASTS, now)) {
            return Err(Unsignable::Trouble);
        }
        let learned = tokio::time::timeout(LEARNED_WITHIN, self.learn(sender, now)).await;
        match learned.unwrap_or(Err(Unsignable::Late)) {
            Ok(versions) => {
                // From before the read: a rotation may have come right behind it.
                let secrets = Secrets { versions: versions.into(), read_at: now };
                *known = Known { learned: Some(secrets.clone()), trouble_at: None };
                Ok(secrets)
            }
            Err(reason) => {
                *known = Known { learned: None, trouble_at: Some(self.ambient.now()) };
                tracing::warn!(
                    sender_id = %sender,
                    %reason,
                    "how to sign is not known; the sender's deliveries wait"
                );
                Err(reason)
            }
        }
    }

    async fn learn(&self, sender: &SenderId, now: Timestamp) -> Result<Vec<Version>, Unsignable> {
        match self.records.find(sender).await? {
            None => Ok(Vec::new()),
            Some(record) => self.derived(&record, now).await,
        }
    }

    /// The secrets of the versions that have not ended yet, the newest first.
    async fn derived(
        &self,
        record: &SigningRecord,
        now: Timestamp,
    ) -> Result<Vec<Version>, Unsignable> {
        if record.versions.last().is_none_or(|newest| newest.ends_at.is_some()) {
            return Err(Unsignable::NoNewest);
        }
        let mut versions = Vec::with_capacity(record.versions.len());
        for version in record.live(now) {
            let masters = self.vault.masters(Some(&version.master)).await?;
            let secret = version.secret(&record.sender, &masters);
            let secret = secret.ok_or(Unsignable::NoMaster { version: version.number })?;
            versions.push(Version { secret, ends_at: version.ends_at });
        }
        Ok(versions)
    }

    fn known(&self, sender: &SenderId) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.get_or_insert_ref(sender, Arc::default))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use relay_testkit::{ManualClock, MemorySigningSecrets, MemoryVault, TestAmbient, sample};

    use super::*;

    fn sender(number: usize) -> SenderId {
        SenderId::parse(&format!("sender-{number}")).unwrap()
    }

    fn signer(records: &MemorySigningSecrets, clock: &ManualClock) -> Signer {
        let ambient = Arc::new(TestAmbient::new(clock.clone(), 1));
        Signer::new(Arc::new(records.clone()), Arc::new(MemoryVault::new()), ambient)
    }

    #[tokio::test]
    async fn the_senders_of_late_are_remembered_and_no_more() {
        let records = MemorySigningSecrets::new();
        let signer = signer(&records, &ManualClock::starting_at(sample::START));
        let most = SENDERS_MAX.get();
        for number in 0..most {
            signer.secrets(&sender(number)).await.unwrap();
        }
        signer.secrets(&sender(0)).await.unwrap();
        assert_eq!(records.calls().0, most);
        signer.secrets(&sender(most)).await.unwrap();
        assert_eq!(signer.known.lock().unwrap().len(), most);
        signer.secrets(&sender(0)).await.unwrap();
        assert_eq!(records.calls().0, most + 1, "the one used last is kept");
        signer.secrets(&sender(1)).await.unwrap();
        assert_eq!(records.calls().0, most + 2, "the one not used for longest is not");
    }

    #[tokio::test]
    async fn what_was_read_at_a_time_to_come_does_not_count() {
        let records = MemorySigningSecrets::new();
        let late = ManualClock::starting_at(sample::at(1));
        let signer = signer(&records, &late);
        signer.secrets(&sender(0)).await.unwrap();
        let known = signer.known(&sender(0));
        let to_come = Secrets { versions: Arc::default(), read_at: sample::at(2) };
        known.lock().await.learned = Some(to_come);
        signer.secrets(&sender(0)).await.unwrap();
        assert_eq!(records.calls().0, 2);
    }

    /// A vault whose first answer never comes.
    struct Stuck {
        calls: std::sync::atomic::AtomicUsize,
        vault: MemoryVault,
    }

    #[async_trait::async_trait]
    impl Vault for Stuck {
        async fn masters(
            &self,
            wanted: Option<&relay_core::access::MasterId>,
        ) -> Result<relay_core::access::MasterSecrets, PortError> {
            if self.calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                std::future::pending::<()>().await;
            }
            self.vault.masters(wanted).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_that_is_cut_off_while_it_learns_leaves_the_way_free() {
        let vault = Stuck { calls: 0.into(), vault: MemoryVault::new() };
        let masters = vault.vault.masters(None).await.unwrap();
        let (master, text) = (masters.current().clone(), || "x".to_owned());
        let records = MemorySigningSecrets::new();
        records.put(SigningRecord::new(sender(0), master, text(), sample::START, text()));
        let ambient = TestAmbient::new(ManualClock::starting_at(sample::START), 1);
        let signer = Signer::new(Arc::new(records), Arc::new(vault), Arc::new(ambient));
        let sender = sender(0);
        let cut_off = tokio::time::timeout(Duration::from_secs(1), signer.secrets(&sender));
        assert!(cut_off.await.is_err());
        assert_eq!(signer.secrets(&sender).await.unwrap().versions.len(), 1);
    }
}
