//! Lean status tracking: a message is recorded and sent, and nothing else is written.

use http::StatusCode;
use relay_core::decide::Decision;
use relay_core::lifecycle::Status;
use relay_core::outcome::DeadReason;
use serde_json::json;

use crate::bulk;
use crate::faults::Fault;
use crate::reading::attempt;
use crate::relay::{Relay, message};

fn lean() -> Relay {
    Relay::with(&[("STATUS_TRACKING", "lean")])
}

#[tokio::test]
async fn a_message_costs_a_record_and_a_send() {
    let relay = lean();
    let answer = relay.post(&message()).await;
    assert_eq!((answer.status, &answer.json["status"]), (StatusCode::ACCEPTED, &json!("QUEUED")));
    assert_eq!(relay.faults.calls(), ["record", "send"]);
    bulk::post(&relay, &bulk::messages(3)).await;
    assert_eq!(relay.faults.calls(), ["record", "record", "record", "send", "send", "send"]);
    let shown = relay.get(&format!("/v1/messages/{}", answer.json["id"].as_str().unwrap())).await;
    assert_eq!(shown.json["status"], "PENDING");
}

#[tokio::test]
async fn a_repeated_message_is_sent_again_until_it_was_attempted() {
    let relay = lean();
    let first = relay.post(&message()).await;
    let again = relay.post(&message()).await;
    assert_eq!((again.status, &again.json["duplicate"]), (StatusCode::ACCEPTED, &json!(false)));
    let [one, other] = &relay.drain()[..] else { panic!("both are sent") };
    assert_eq!(one.life, other.life);
    let id = first.json["id"].as_str().unwrap();
    attempt(&relay, id, 200, Decision::Delivered).await;
    let later = relay.post(&message()).await;
    assert_eq!((later.status, &later.json["status"]), (StatusCode::OK, &json!("DELIVERED")));
    assert!(relay.drain().is_empty());
}

#[tokio::test]
async fn the_same_message_twice_in_one_request_is_still_sent_once() {
    let relay = lean();
    let answer = bulk::post(&relay, &[message(), message()]).await;
    assert_eq!((&answer.json["accepted"], &answer.json["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(relay.drain().len(), 1);
}

#[tokio::test]
async fn f01_f02_a_retry_finishes_what_was_cut_off() {
    for step in ["record", "send"] {
        for fault in [Fault::Before, Fault::After] {
            let relay = lean();
            relay.faults.plan(step, fault);
            assert_eq!(relay.post(&message()).await.code(), "SYSTEM_ERROR", "{step} {fault:?}");
            assert_eq!(relay.post(&message()).await.status, StatusCode::ACCEPTED);
            assert!(!relay.drain().is_empty());
        }
    }
}

#[tokio::test]
async fn a_redrive_is_noted_all_the_same() {
    let relay = lean();
    let answer = relay.post(&message()).await;
    let id = answer.json["id"].as_str().unwrap();
    attempt(&relay, id, 410, Decision::GiveUp(DeadReason::Gone)).await;
    let redriven = relay.post_text(&format!("/v1/messages/{id}/redrive"), "").await;
    assert_eq!(redriven.status, StatusCode::ACCEPTED);
    assert_eq!(relay.found(id).await.state.phase.status(), Status::Queued);
}

#[tokio::test]
async fn a_repeated_message_that_finishes_a_redrive_is_noted_too() {
    for count in [1, 2] {
        let relay = lean();
        let all = bulk::messages(count);
        bulk::post(&relay, &all).await;
        for id in relay.store.ids() {
            attempt(&relay, id.as_str(), 410, Decision::GiveUp(DeadReason::Gone)).await;
            relay.faults.plan("send", Fault::Before);
            relay.post_text(&format!("/v1/messages/{id}/redrive"), "").await;
            assert_eq!(relay.found(id.as_str()).await.state.phase.status(), Status::Pending);
        }
        match &all[..] {
            [one] => drop(relay.post(one).await),
            many => drop(bulk::post(&relay, many).await),
        }
        for id in relay.store.ids() {
            let state = relay.found(id.as_str()).await.state;
            assert_eq!((state.phase.status(), state.life.generation.0), (Status::Queued, 1));
        }
    }
}
