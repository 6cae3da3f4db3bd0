//! The operator commands as somebody runs them: the real `relay` against a whole relay on this machine,
//! with the file of variables that it writes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cancelling;
mod dead_letters;
mod function;
mod keys;
mod logs;
mod queue;
mod receiver;
mod recovering;
mod resending;
mod rights;
mod smoke;
mod stack;
