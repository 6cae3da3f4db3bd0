//! The queue server, spoken to by the real SDK: each operation, each limit, each awkward habit.
//!
//! With `SQS_CONFORMANCE_ENDPOINT` set (such as `http://127.0.0.1:4566`) the same checks run
//! against whatever listens there, to compare this server with another implementation. Checks that
//! turn the clock, reopen the file or look inside say that they are skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod attributes;
mod durability;
mod harness;
mod limits;
mod messages;
mod moves;
mod queues;
mod redrive;
mod untrusted;
mod visibility;
mod wire;
