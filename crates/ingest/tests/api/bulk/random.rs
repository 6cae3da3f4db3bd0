//! Random requests under random faults, repeated until all is well: whatever was told to be accepted is in the queue, and
//! a message is never two.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use relay_core::lifecycle::Status;
use serde_json::{Value, json};

use super::post;
use crate::faults::Fault;
use crate::fuzz::config;
use crate::relay::{Relay, message_with};

/// Runs that are tried.
const RUNS: u32 = 60;
/// Requests after which every message must have been accepted: each fault spoils one at most.
const FAULTS_MAX: usize = 6;

/// Which message: its id, and which content.
type Which = (u8, u8);

fn sized(which: Which) -> Value {
    let (id, content) = which;
    let bytes = [5, 9_000, 290_000][usize::from(id % 3)];
    let body = format!("{content}{}", "x".repeat(bytes));
    message_with(json!({"messageId": format!("m-{id}"), "body": body}))
}

fn fault() -> impl Strategy<Value = (usize, &'static str, Fault)> {
    let calls = prop::sample::select(vec!["record", "find", "put", "send", "mark_queued"]);
    let faults = prop::sample::select(vec![Fault::Before, Fault::After, Fault::Unreadable]);
    (0..8_usize, calls, faults)
}

async fn run(
    settings: &[(&str, &str)],
    wanted: &[Which],
    faults: &[(usize, &'static str, Fault)],
) -> Result<(), TestCaseError> {
    let relay = Relay::with(settings);
    for (after, call, fault) in faults {
        relay.faults.plan_after(*after, call, *fault);
    }
    let messages: Vec<Value> = wanted.iter().copied().map(sized).collect();
    let mut accepted: BTreeMap<String, u8> = BTreeMap::new();
    let mut sent = Vec::new();
    let mut last = Vec::new();
    // Faults wait for calls that are never made once all is accepted, so not all of them happen.
    for _ in 0..=4 * FAULTS_MAX {
        let answer = post(&relay, &messages).await;
        prop_assert_eq!(answer.status, 207);
        sent.extend(relay.drain());
        last = answer.json["results"].as_array().unwrap().clone();
        prop_assert_eq!(last.len(), messages.len());
        for (result, (_, content)) in last.iter().zip(wanted) {
            let status = result["status"].as_u64().unwrap();
            prop_assert!([200, 202, 422, 503].contains(&status), "{}", result);
            if status < 300 {
                let id = result["id"].as_str().unwrap().to_owned();
                prop_assert_eq!(*accepted.entry(id).or_insert(*content), *content);
            }
        }
        if last.iter().all(|result| result["status"] != 503) {
            break;
        }
    }
    prop_assert!(last.iter().all(|result| result["status"] != 503), "{:?}", last);
    for (id, content) in &accepted {
        let copies: Vec<_> = sent.iter().filter(|sent| sent.id.as_str() == id).collect();
        prop_assert!(!copies.is_empty(), "{} was accepted and never sent", id);
        let found = relay.found(id).await;
        let is_lean = settings.contains(&("STATUS_TRACKING", "lean"));
        let expected = if is_lean { Status::Pending } else { Status::Queued };
        let marking_failed = faults.iter().any(|(_, call, _)| *call == "mark_queued");
        prop_assert!(marking_failed || found.state.phase.status() == expected);
        for copy in copies {
            prop_assert_eq!(&copy.life, &found.message.first_life());
            let body = relay.body_of(copy).await;
            prop_assert_eq!(body[1], b'0' + content);
        }
    }
    Ok(())
}

#[test]
fn f01_f02_f03_f04_f05_random_bulks_under_random_faults_are_accepted_in_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let cases = (vec((0..6_u8, 0..2_u8), 1..12), vec(fault(), 0..FAULTS_MAX), 0..4_usize);
    let outcome = TestRunner::new(config(RUNS)).run(&cases, |(wanted, faults, mode)| {
        let settings: &[(&str, &str)] = [
            &[][..],
            &[("STATUS_TRACKING", "lean")],
            &[("RETAIN_BODIES", "false")],
            &[("STATUS_TRACKING", "lean"), ("RETAIN_BODIES", "false")],
        ][mode];
        runtime.block_on(run(settings, &wanted, &faults))
    });
    outcome.unwrap();
}
