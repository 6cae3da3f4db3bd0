//! The relay from outside: a running `relay-local`, spoken to over HTTP and the AWS SDK, killed and
//! started again. Tests are named after the rows of docs/FAILURES.md that they cover.
//!
//! No test sends to any address but loopback, not even if the relay were wrong: what must be refused
//! and is not loopback is only ever offered as a literal, which is judged before anything is kept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod access;
mod bodies;
mod breaker;
mod bulk;
mod burst;
mod cancelling;
mod crashes;
mod dashboard;
mod emission;
mod first_message;
mod lean;
mod logs;
mod pausing;
mod random_requests;
mod reconciler;
mod redrive;
mod restarts;
mod retries;
mod roles;
mod secrets;
mod support;
mod surface;
mod unsafe_targets;
mod uploads;
mod validation;
