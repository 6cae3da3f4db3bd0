//! Breaks the relay on purpose, on one machine, and counts what came of every message: the whole local
//! stack with its functions as processes, faults on the wire to its services, and processes killed at
//! random.
//!
//! It judges by what can be seen from outside: what clients were answered, what targets received, and
//! what the record of each message says. It knows nothing of how the relay works inside.

pub mod arguments;
pub mod audit;
pub mod bench;
mod breaking;
pub mod bulk;
pub mod client;
pub mod isolation;
pub mod killer;
pub mod mix;
pub mod queues;
pub mod receiver;
pub mod report;
pub mod run;
mod settling;
