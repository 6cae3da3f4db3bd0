//! What the end-to-end tests stand on: a running relay, a client of it, and a receiver of their own.
//!
//! It knows the relay by its ports, its files and its exit codes alone.

mod aws;
mod client;
mod launch;
mod processes;
mod random;
mod receiver;
mod records;
mod stack;
mod waiting;

pub(crate) use aws::Queues;
pub(crate) use client::{Answer, Client, Received, message, unique};
pub(crate) use launch::{Launch, template_with};
pub(crate) use processes::{Process, is_running, signal};
pub(crate) use random::Random;
pub(crate) use receiver::{Listener, OwnReceiver};
pub(crate) use records::{Records, number, text};
pub(crate) use stack::{Stack, ready_url};
pub(crate) use waiting::{SOON, until};

use std::sync::OnceLock;
use tokio::sync::{Mutex, MutexGuard};

/// The secret that deliveries of the sender `billing` are signed with on the shared stack.
pub(crate) const BILLING_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The stack that tests share which do not mind each other: no batching window, short waits between
/// attempts that still grow, and a secret for one sender. Many of them let attempts fail, and all go to one
/// destination, the demo receiver: with circuit breakers one would wait for the other's failures.
pub(crate) fn shared() -> &'static Stack {
    static SHARED: OnceLock<Stack> = OnceLock::new();
    SHARED.get_or_init(|| {
        Launch::new("shared")
            .parameter("BatchWindowSeconds", "0")
            .parameter("BreakerFailuresMax", "0")
            .setting("RETRY_BASE_SECONDS", "0.5")
            .setting("RETRY_FACTOR", "4")
            .setting("RETRY_DELAY_SECONDS_MAX", "4")
            .setting("SIGNING_SECRETS", &format!("billing={BILLING_SECRET}"))
            .start()
    })
}

/// Held by a test that measures time or keeps the processors busy, so that no two do so at once.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}
