//! The relay's ports on AWS: records in DynamoDB, the queue in SQS, bodies in S3, the master secrets
//! in Secrets Manager, and the host's own clock and randomness; and how logs and metrics leave.
//!
//! Nothing here decides what happens to a message: every condition is derived from `relay_core`'s
//! table of transitions, and the conformance suites of `relay-testkit` hold these adapters to the
//! same contracts as the in-memory ones.

mod breakers;
mod buckets;
#[cfg(test)]
mod canned;
mod change;
mod clients;
mod error;
mod http;
mod keys;
mod letters;
mod logging;
mod metrics;
mod payloads;
mod queue;
mod replays;
mod revisions;
mod signing_secrets;
mod store;
mod system;
mod tries;
mod vault;
mod warm;

pub use breakers::DynamoBreakers;
pub use buckets::DynamoBuckets;
pub use clients::{Clients, Endpoints};
pub use keys::DynamoKeys;
pub use letters::SqsLetters;
pub use logging::{JsonLines, invocation_span, log_to_stdout};
pub use metrics::Emitter;
pub use payloads::S3Payloads;
pub use queue::SqsQueue;
pub use replays::DynamoReplays;
pub use signing_secrets::DynamoSigningSecrets;
pub use store::{DynamoLedger, DynamoStore};
pub use system::SystemAmbient;
pub use vault::SecretsManagerVault;
pub use warm::warm;
