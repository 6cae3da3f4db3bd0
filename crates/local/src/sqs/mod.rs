//! A small SQS: the standard queues this relay lives on, spoken to by the real SDK over loopback
//! HTTP and kept in SQLite, so that killing the process loses nothing that was acknowledged.
//!
//! It keeps Amazon's limits, errors and awkward habits (receipt handles go stale, hidden messages
//! count as in flight, twelve hours of hiding in total), because code that is only ever run against
//! a kinder queue fails in production. It deliberately does not do FIFO queues, access policies,
//! encryption, tags, or the fair ordering that `MessageGroupId` buys on a real standard queue; what
//! it does not serve it refuses by name.
//!
//! Reading order: `limits`, `message`, `store`, `writer`, `service`, [`server`].

mod attributes;
mod clock;
mod digest;
mod error;
pub mod limits;
mod message;
mod protocol;
pub mod server;
mod service;
mod store;
mod writer;

pub use self::clock::{Clock, TurnableClock, system_clock};
pub use self::error::{ErrorCode, SqsError};
pub use self::server::{QueueAddress, SqsOptions, SqsServer};
pub use self::service::{QueueState, QueueWatcher};
