//! The plainest trouble: a service that does not answer until it does again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Fate, Trouble, Troubles};

/// An outage that a test begins and ends. Copies are the same outage; it has not begun at first.
#[derive(Debug, Clone, Default)]
pub struct Outage(Arc<AtomicBool>);

impl Outage {
    /// From now on every call fails and is not done.
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// From now on every call is done.
    pub fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Troubles for Outage {
    fn next(&self, _call: &'static str) -> Trouble {
        let fate = if self.0.load(Ordering::SeqCst) { Fate::Lost } else { Fate::Done };
        Trouble { before: Duration::ZERO, fate, after: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use relay_core::access::RateLimit;
    use relay_core::ports::{Buckets, Keys, Replays, SigningSecrets, Vault};

    use super::*;
    use crate::faults::Faulty;
    use crate::{
        MemoryBuckets, MemoryKeys, MemoryReplays, MemorySigningSecrets, MemoryVault, sample,
    };

    #[tokio::test]
    async fn nothing_is_done_while_it_lasts() {
        let outage = Outage::default();
        let (keys, secrets) = (MemoryKeys::new(), MemorySigningSecrets::new());
        let (buckets, vault) = (MemoryBuckets::new(), MemoryVault::new());
        let replays = MemoryReplays::new();
        let troubles = || Arc::new(outage.clone());
        let broken_keys = Faulty::new(keys.clone(), troubles());
        let broken_secrets = Faulty::new(secrets.clone(), troubles());
        let broken_buckets = Faulty::new(buckets.clone(), troubles());
        let broken_vault = Faulty::new(vault.clone(), troubles());
        let broken_replays = Faulty::new(replays.clone(), troubles());
        let limit = RateLimit { per_second: 1, burst: 1 };
        let answers = || async {
            [
                Keys::list(&broken_keys, None).await.is_ok(),
                SigningSecrets::list(&broken_secrets, None).await.is_ok(),
                broken_buckets.take("a", limit, 1, sample::START).await.is_ok(),
                broken_vault.masters(None).await.is_ok(),
                broken_replays.is_first("a", "b", sample::at(1), sample::START).await.is_ok(),
            ]
        };
        outage.begin();
        assert_eq!(answers().await, [false; 5]);
        assert_eq!((keys.calls().lists, buckets.calls(), vault.calls()), (0, 0, 0));
        assert_eq!(replays.calls(), 0);
        outage.end();
        assert_eq!(answers().await, [true; 5]);
        assert_eq!((keys.calls().lists, buckets.calls(), vault.calls()), (1, 1, 1));
        assert_eq!(replays.calls(), 1);
    }
}
