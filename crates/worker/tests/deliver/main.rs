//! The worker over in-memory ports: what becomes of queue items, whatever targets, queue and other
//! workers do. Tests are named after the failure they are about.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod attempts;
mod breaker;
mod copies;
mod counts;
mod endings;
mod joined;
mod lean;
mod log;
mod ramp;
mod signing;
mod slots;
mod unretained;
mod unsignable;
mod waits;
mod world;
