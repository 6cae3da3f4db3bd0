//! Delivers one message; a batch is many.
//!
//! [`Worker::deliver`] is the whole of it: claim, send, decide, settle, tell the queue. What is decided
//! is decided in `relay-core`; what is talked to lies behind its ports.

mod attempt;
mod batch;
mod burial;
mod deliver;
mod handler;
pub mod run;
pub mod sender;

pub use batch::BatchAnswer;
pub use deliver::{Item, Ports, Rules, Told, Worker};
pub use handler::{EventError, items_of};
