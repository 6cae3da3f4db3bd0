//! The object service, spoken to by the real SDK and through presigned links: what the relay
//! builds on, what is verified, and the record of calls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod harness;
mod objects;
mod uploads;
