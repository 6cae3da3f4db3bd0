//! The relay's ports on AWS: records in DynamoDB, the queue in SQS, bodies in S3, and the host's own
//! clock and randomness.
//!
//! Nothing here decides what happens to a message: every condition is derived from `relay_core`'s
//! table of transitions, and the conformance suites of `relay-testkit` hold these adapters to the
//! same contracts as the in-memory ones.

mod breakers;
mod clients;
mod error;
mod letters;
mod logging;
mod payloads;
mod queue;
mod store;
mod system;
mod warm;

pub use breakers::DynamoBreakers;
pub use clients::{Clients, Endpoints};
pub use letters::SqsLetters;
pub use logging::log_to_stdout;
pub use payloads::S3Payloads;
pub use queue::SqsQueue;
pub use store::{DynamoLedger, DynamoStore};
pub use system::SystemAmbient;
pub use warm::warm;
