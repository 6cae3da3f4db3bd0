//! The ports in memory, for tests that need a whole relay without a service under it. They keep the
//! contracts and nothing else: no latency, no failures.

mod breakers;
mod ledger;
mod letters;
mod payloads;
mod queue;
mod store;

pub use breakers::MemoryBreakers;
pub use payloads::MemoryPayloads;
pub use queue::{MemoryQueue, Received};
pub use store::MemoryStore;
