//! The ports in memory, for tests that need a whole relay without a service under it. They keep the
//! contracts and nothing else: no latency, no failures.

mod breakers;
mod buckets;
mod keys;
mod ledger;
mod letters;
mod payloads;
mod queue;
mod records;
mod replays;
mod revisions;
mod signing_secrets;
mod store;
mod vault;

pub use breakers::MemoryBreakers;
pub use buckets::MemoryBuckets;
pub use keys::{KeyCalls, MemoryKeys};
pub use payloads::MemoryPayloads;
pub use queue::{MemoryQueue, Received};
pub use replays::MemoryReplays;
pub use signing_secrets::MemorySigningSecrets;
pub use store::MemoryStore;
pub use vault::MemoryVault;
