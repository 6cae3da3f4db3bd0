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
mod secrets;
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

use serde_json::json;
use std::sync::OnceLock;
use tokio::sync::{Mutex, MutexGuard};

/// The sender whose deliveries are signed on the shared stack.
const BILLING: &str = "billing";

/// The stack that tests share which do not mind each other: no batching window, short waits between
/// attempts that still grow, and a secret for one sender. Many of them let attempts fail, and all go to one
/// destination, the demo receiver: with circuit breakers one would wait for the other's failures.
pub(crate) fn shared() -> &'static Stack {
    &shared_and_secret().0
}

/// The secret that deliveries of the sender `billing` are signed with on the shared stack.
pub(crate) fn billing_secret() -> &'static str {
    &shared_and_secret().1
}

fn shared_and_secret() -> &'static (Stack, String) {
    static SHARED: OnceLock<(Stack, String)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let stack = Launch::new("shared")
            .parameter("BatchWindowSeconds", "0")
            .parameter("BreakerFailuresMax", "0")
            .setting("RETRY_BASE_SECONDS", "0.5")
            .setting("RETRY_FACTOR", "4")
            .setting("RETRY_DELAY_SECONDS_MAX", "4")
            // All tests come from one address: one that brings bad keys must not lock the others out.
            .setting("AUTHENTICATION_FAILURES_MAX", "1000000")
            .start();
        // Before any message of this sender, or the worker would remember for a while that it has no secret.
        let secret = signing_secret_of(&stack, BILLING);
        (stack, secret)
    })
}

/// Makes a signing secret for a sender that has none. It works within a runtime and without one.
fn signing_secret_of(stack: &Stack, sender: &str) -> String {
    let make = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a thread takes a runtime").block_on(async {
            let request = json!({ "senderId": sender }).to_string();
            let answer = Client::of(stack).post_text("/v1/signing-secrets", request).await;
            assert_eq!(answer.status, 201, "no secret for {sender}: {}", answer.json["code"]);
            answer.json["signingSecret"].as_str().expect("a new secret is shown once").to_owned()
        })
    };
    std::thread::scope(|scope| scope.spawn(make).join().expect("the secret is made"))
}

/// Held by a test that measures time or keeps the processors busy, so that no two do so at once.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}
