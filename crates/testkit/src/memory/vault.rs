//! The master secrets in memory.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use relay_core::access::{MasterId, MasterSecrets};
use relay_core::ports::{PortError, Vault};

use crate::sample;

/// The master secrets in memory. Copies are the same secrets.
#[derive(Debug, Clone)]
pub struct MemoryVault {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    masters: MasterSecrets,
    reads: usize,
}

impl Default for MemoryVault {
    fn default() -> Self {
        Self::holding(sample::masters())
    }
}

impl MemoryVault {
    /// A vault with [`sample::masters`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A vault with these.
    pub fn holding(masters: MasterSecrets) -> Self {
        Self { kept: Arc::new(Mutex::new(Kept { masters, reads: 0 })) }
    }

    /// Holds these from now on.
    pub fn set(&self, masters: MasterSecrets) {
        self.with(|kept| kept.masters = masters);
    }

    /// How often the master secrets were read.
    pub fn calls(&self) -> usize {
        self.with(|kept| kept.reads)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn masters(&self, _wanted: Option<&MasterId>) -> Result<MasterSecrets, PortError> {
        Ok(self.with(|kept| {
            kept.reads += 1;
            kept.masters.clone()
        }))
    }
}
