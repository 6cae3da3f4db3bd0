//! Delivers one message; a batch is many.
//!
//! [`Worker::deliver`] is the whole of it: claim, send, decide, settle, tell the queue. What is decided
//! is decided in `relay-core`; what is talked to lies behind its ports.

mod attempt;
mod batch;
mod burial;
mod count;
mod deliver;
mod gate;
mod given;
mod handler;
mod invocation;
mod joined;
mod log;
mod overdue;
pub mod run;
pub mod sender;
mod settle;
mod signer;
mod slots;
mod tell;

pub use batch::BatchAnswer;
pub use deliver::Worker;
pub use given::{Item, Ports, Rules};
pub use handler::{EventError, SqsEvent, items_of};
pub use tell::Told;
