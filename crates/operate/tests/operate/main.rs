//! Redrive, resend, recover and the reconciler over ports in memory that fail on purpose.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod again;
mod budget;
mod dead;
mod reconcile;
mod recover;
mod stop;
mod torn;
mod unretained;
mod world;
