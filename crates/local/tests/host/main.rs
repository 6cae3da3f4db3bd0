//! The Lambda host, the event source and the gateway with a real child process: this test program runs
//! itself again as the function.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod environments;
mod event_source;
mod function;
mod gateway;
mod schedule;
