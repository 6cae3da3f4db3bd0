//! Everything tests of several crates share: the ports in memory with a clock that is turned by hand,
//! one conformance suite per port, and a comparison of two stores by random walks.
//!
//! Nothing here is linked into what is deployed. The ports in memory are written straight from the
//! contracts and share no code with the adapters they are compared to.

pub mod ambient;
pub mod conformance;
pub mod faults;
pub mod lines;
pub mod memory;
pub mod sample;
pub mod walk;
pub mod wire;

pub use ambient::{Chance, ManualClock, SkewedAmbient, TestAmbient};
pub use memory::{
    MemoryBreakers, MemoryBuckets, MemoryKeys, MemoryPayloads, MemoryQueue, MemoryReplays,
    MemorySigningSecrets, MemoryStore, MemoryVault,
};
