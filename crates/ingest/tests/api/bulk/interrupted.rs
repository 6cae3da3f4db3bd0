//! Acceptance of many cut off at every call, before and after it happened: nothing is lost, nothing is told to be done
//! that is not, and the client's own retry of the whole finishes it.

use std::time::Duration;

use http::StatusCode;
use relay_core::body::Body;
use relay_core::lifecycle::Status;
use serde_json::{Value, json};

use super::{counts, messages, post, told};
use crate::faults::Fault;
use crate::relay::{Relay, message_with};

/// Messages whose bodies are kept in each of the three ways.
fn mixed() -> Vec<Value> {
    [10, 20_000, 300_000, 11, 20_001, 300_001]
        .into_iter()
        .enumerate()
        .map(|(number, bytes)| {
            let body = "x".repeat(bytes);
            message_with(json!({"messageId": format!("m-{number}"), "body": body}))
        })
        .collect()
}

/// Every message is queued with its body, and known as a duplicate from now on.
async fn all_is_well(relay: &Relay, case: &str) {
    let sent = relay.drain();
    for (number, message) in mixed().iter().enumerate() {
        let copies: Vec<_> =
            sent.iter().filter(|sent| sent.message_id.as_str() == format!("m-{number}")).collect();
        assert!(!copies.is_empty(), "{case}: {number} was not sent");
        let found = relay.found(copies[0].id.as_str()).await;
        assert_eq!(found.state.phase.status(), Status::Queued, "{case}");
        for copy in copies {
            assert_eq!(copy.life, found.message.first_life(), "{case}");
            assert_eq!(
                relay.body_of(copy).await,
                message["body"].to_string().into_bytes(),
                "{case}"
            );
        }
        if let Body::Stored(pointer) = &found.message.body {
            assert!(relay.stored(pointer).await.is_some(), "{case}");
        }
    }
    let third = post(relay, &mixed()).await;
    assert_eq!(counts(&third), [0, 6, 0, 0], "{case}");
    assert!(relay.drain().is_empty(), "{case}");
}

#[tokio::test]
async fn f01_f02_f05_f06_f36_a_retry_finishes_what_was_cut_off() {
    for (step, calls) in [("record", 6), ("put", 4), ("send", 6)] {
        for at in 0..calls {
            for fault in [Fault::Before, Fault::After, Fault::Unreadable] {
                let relay = Relay::new();
                let case = format!("{step} {at} {fault:?}");
                relay.faults.plan_after(at, step, fault);
                let first = post(&relay, &mixed()).await;
                let failed = told(&first).into_iter().filter(|told| told == "503 SYSTEM_ERROR");
                assert_eq!(failed.count(), 1, "{case}: one fails, and the others do not mind");
                assert_eq!(counts(&first), [5, 0, 0, 1], "{case}");
                assert_eq!(first.headers["retry-after"], "5", "{case}");
                assert!(!first.json.to_string().contains("secret internals"), "{case}");
                let retry = post(&relay, &mixed()).await;
                assert_eq!(counts(&retry), [1, 5, 0, 0], "{case}: {:?}", retry.json);
                all_is_well(&relay, &case).await;
            }
        }
    }
}

#[tokio::test]
async fn f01_f02_an_outage_of_any_service_fails_each_message_and_the_retry_finishes_all() {
    for step in ["record", "send"] {
        for fault in [Fault::Before, Fault::After] {
            let relay = Relay::new();
            for _ in 0..6 {
                relay.faults.plan(step, fault);
            }
            let first = post(&relay, &mixed()).await;
            assert_eq!(counts(&first), [0, 0, 0, 6], "{step} {fault:?}");
            let single = relay.post(&mixed()[0]).await;
            assert_eq!(single.status, StatusCode::ACCEPTED, "a single retry finishes its message");
            let retry = post(&relay, &mixed()).await;
            assert_eq!(counts(&retry), [5, 1, 0, 0], "{step} {fault:?}");
            all_is_well(&relay, step).await;
        }
    }
}

#[tokio::test]
async fn the_queue_never_points_to_a_body_that_is_not_there() {
    let relay = Relay::new();
    relay.faults.plan("put", Fault::Before);
    let answer = post(&relay, &mixed()).await;
    assert_eq!(told(&answer)[2], "503 SYSTEM_ERROR", "what is stored before is stored first");
    assert!(relay.drain().iter().all(|sent| sent.message_id.as_str() != "m-2"));
}

#[tokio::test]
async fn f07_messages_that_are_queued_but_not_noted_so_are_accepted() {
    for fault in [Fault::Before, Fault::After] {
        let relay = Relay::new();
        for _ in 0..3 {
            relay.faults.plan("mark_queued", fault);
        }
        let answer = post(&relay, &messages(5)).await;
        assert_eq!(counts(&answer), [5, 0, 0, 0]);
        assert_eq!(relay.drain().len(), 5);
    }
}

#[tokio::test]
async fn f06_a_lookup_that_fails_is_no_reason_to_call_anything_a_duplicate() {
    let relay = Relay::new();
    post(&relay, &messages(3)).await;
    relay.faults.plan_after(1, "find", Fault::Before);
    let answer = post(&relay, &messages(3)).await;
    let duplicate = "200 QUEUED duplicate";
    assert_eq!(told(&answer), [duplicate, "503 SYSTEM_ERROR", duplicate]);
}

#[tokio::test]
async fn f04_other_content_is_refused_even_while_the_first_is_unfinished() {
    let relay = Relay::new();
    relay.faults.plan("send", Fault::Before);
    let first = message_with(json!({}));
    let other = message_with(json!({"body": 2}));
    // Whether the first one is recorded is for its retry to find out, so neither is told that it is wrong.
    let answer = post(&relay, &[first.clone(), other.clone(), first.clone()]).await;
    assert_eq!(told(&answer), ["503 SYSTEM_ERROR"; 3]);
    let retry = post(&relay, &[first.clone(), other, first]).await;
    assert_eq!(told(&retry), ["202 QUEUED", "422 MESSAGE_ID_REUSED", "200 QUEUED duplicate"]);
    assert_eq!(relay.drain().len(), 1);
}

#[tokio::test]
async fn a_body_that_cannot_be_kept_fails_its_message_though_it_was_sent() {
    let relay = Relay::new();
    relay.faults.plan_after(2, "put", Fault::Before);
    let answer = post(&relay, &mixed()).await;
    assert_eq!(counts(&answer), [5, 0, 0, 1]);
    let failed = told(&answer).iter().position(|told| told == "503 SYSTEM_ERROR").unwrap();
    let sent = relay.drain();
    assert_eq!(sent.len(), 6, "its record stays PENDING, and a copy too many is harmless");
    let name = format!("m-{failed}");
    let copy = sent.iter().find(|sent| sent.message_id.as_str() == name).unwrap();
    let found = relay.found(copy.id.as_str()).await;
    assert_eq!(found.state.phase.status(), Status::Pending);
    let retry = post(&relay, &mixed()).await;
    assert_eq!(counts(&retry), [1, 5, 0, 0]);
}

#[tokio::test]
async fn a_panic_is_answered_as_a_fault_of_the_relay() {
    let relay = Relay::new();
    relay.faults.plan_after(2, "record", Fault::Panics);
    let answer = post(&relay, &messages(5)).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "SYSTEM_ERROR"));
    let retry = post(&relay, &messages(5)).await;
    assert_eq!(counts(&retry), [5, 0, 0, 0]);
    assert_eq!(relay.drain().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_hangs_costs_no_other_message_its_answer() {
    for (after, hanging) in [(0, 2), (2, 1)] {
        let relay = Relay::new();
        relay.faults.plan_after(after, "put", Fault::Hangs);
        let begun = tokio::time::Instant::now();
        let answer = post(&relay, &mixed()).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(20));
        assert_eq!(counts(&answer), [5, 0, 0, 1], "{:?}", answer.json);
        assert_eq!(told(&answer)[hanging], "503 SYSTEM_ERROR");
        let retry = post(&relay, &mixed()).await;
        assert_eq!(counts(&retry), [1, 5, 0, 0]);
        all_is_well(&relay, "hanging").await;
    }
}

#[tokio::test(start_paused = true)]
async fn services_that_hang_fail_each_message_before_the_request_is_given_up() {
    for step in ["record", "send"] {
        let relay = Relay::new();
        relay.faults.plan_after(1, step, Fault::Hangs);
        let answer = post(&relay, &messages(3)).await;
        assert_eq!(counts(&answer), [0, 0, 0, 3], "{step}");
        assert_eq!(counts(&post(&relay, &messages(3)).await), [3, 0, 0, 0], "{step}");
    }
    let relay = Relay::new();
    relay.faults.plan("mark_queued", Fault::Hangs);
    assert_eq!(counts(&post(&relay, &messages(3)).await), [3, 0, 0, 0]);
}
