//! The adapters keep the contracts of their ports, spoken through the real SDK to the services of
//! the local stack, and call nothing that their functions' roles do not name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod breakers;
mod buckets;
mod keys;
mod ledger;
mod letters;
mod lost_answers;
mod payloads;
mod queue;
mod replays;
mod signing_secrets;
mod store;
mod vault;

use std::collections::BTreeSet;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use relay_aws::{Clients, Endpoints};
use relay_local::services::SECRET_ACCESS_KEY;
use relay_local::services::record::Recorder;

const CALLER: &str = "CONFORMANCE";

/// Clients as the functions have them, with the credentials of the local stack.
async fn clients(endpoints: Endpoints) -> Clients {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(CALLER, SECRET_ACCESS_KEY, None, None, "test"));
    Clients::load(loader, endpoints).await
}

/// The actions that were called, sorted, each once.
fn actions(recorder: &Recorder) -> Vec<String> {
    let calls = recorder.snapshot();
    assert!(calls.iter().all(|call| call.caller == CALLER), "{calls:?}");
    let actions: BTreeSet<String> = calls.into_iter().map(|call| call.action).collect();
    actions.into_iter().collect()
}
