//! Acceptance cut off at every step, before and after it happened: nothing is lost, nothing is told to be
//! done that is not, and the client's own retry finishes it.

use http::StatusCode;
use relay_core::body::Body;
use relay_core::lifecycle::Status;
use relay_core::ports::Store;
use relay_testkit::sample;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::relay::{Relay, message, message_with};

fn large() -> Value {
    message_with(json!({"body": "x".repeat(300_000)}))
}

fn middling() -> Value {
    message_with(json!({"body": "x".repeat(20_000)}))
}

#[tokio::test]
async fn f01_f02_f05_f06_f36_a_retry_finishes_what_was_cut_off() {
    for body in [message(), middling(), large()] {
        for step in ["record", "put", "send"] {
            for fault in [Fault::Before, Fault::After] {
                let relay = Relay::new();
                relay.faults.plan(step, fault);
                let case = format!("{step} {fault:?} {} bytes", body.to_string().len());
                let first = relay.post(&body).await;
                if step == "put" && first.status == StatusCode::ACCEPTED {
                    assert_eq!(body, message(), "{case}: only the small body needs no store");
                    continue;
                }
                assert_eq!(first.status, StatusCode::SERVICE_UNAVAILABLE, "{case}");
                assert_eq!(first.code(), "SYSTEM_ERROR", "{case}");
                assert_eq!(first.headers["retry-after"], "5", "{case}");
                assert!(!first.json.to_string().contains("secret internals"), "{case}");

                let retry = relay.post(&body).await;
                assert_eq!(retry.status, StatusCode::ACCEPTED, "{case}");
                assert_eq!(retry.json["duplicate"], false, "{case}");
                let found = relay.found(retry.json["id"].as_str().unwrap()).await;
                assert_eq!(found.state.phase.status(), Status::Queued, "{case}");
                let sent = relay.drain();
                assert!(!sent.is_empty(), "{case}");
                for envelope in &sent {
                    assert_eq!(envelope.life, found.message.first_life(), "{case}");
                    assert_eq!(
                        relay.body_of(envelope).await,
                        body["body"].to_string().into_bytes(),
                        "{case}"
                    );
                }
                if let Body::Stored(pointer) = &found.message.body {
                    assert!(relay.stored(pointer).await.is_some(), "{case}");
                }
                let third = relay.post(&body).await;
                assert_eq!(third.json["duplicate"], true, "{case}");
                assert!(relay.drain().is_empty(), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn the_queue_never_points_to_a_body_that_is_not_there() {
    let relay = Relay::new();
    relay.faults.plan("put", Fault::Before);
    relay.post(&large()).await;
    assert!(relay.drain().is_empty());
    assert_eq!(relay.faults.calls(), ["record", "put"]);
}

#[tokio::test]
async fn f05_a_retry_stores_the_body_even_after_a_worker_has_the_message() {
    let relay = Relay::new();
    relay.faults.plan("put", Fault::Before);
    let first = relay.post(&middling()).await;
    assert_eq!(first.code(), "SYSTEM_ERROR");
    // Record, body and queue are written side by side: had the queue taken it, a worker may be faster than
    // the client's retry.
    let id = relay.store.ids().remove(0);
    let life = relay.found(id.as_str()).await.message.first_life();
    let claim = sample::claim(&life, 1, relay.clock.now());
    relay.store.claim(&id, &claim).await.unwrap();

    relay.faults.plan("put", Fault::Before);
    assert_eq!(relay.post(&middling()).await.code(), "SYSTEM_ERROR", "the body is still not kept");
    let retry = relay.post(&middling()).await;
    assert_eq!((retry.status, &retry.json["duplicate"]), (StatusCode::OK, &json!(true)));
    assert_eq!(retry.json["status"], "PROCESSING");
    assert!(relay.drain().is_empty(), "nothing is sent a second time");
    let found = relay.found(retry.json["id"].as_str().unwrap()).await;
    let Body::Stored(pointer) = &found.message.body else { panic!("this body is stored") };
    assert_eq!(relay.stored(pointer).await.unwrap(), middling()["body"].to_string().into_bytes());
}

#[tokio::test]
async fn f07_a_message_that_is_queued_but_not_noted_so_is_accepted() {
    for fault in [Fault::Before, Fault::After] {
        let relay = Relay::new();
        relay.faults.plan("mark_queued", fault);
        let answer = relay.post(&message()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        assert_eq!(relay.drain().len(), 1);
    }
}

#[tokio::test]
async fn a_retry_of_other_content_is_refused_even_while_the_first_is_unfinished() {
    let relay = Relay::new();
    relay.faults.plan("send", Fault::Before);
    relay.post(&message()).await;
    let other = relay.post(&message_with(json!({"body": 2}))).await;
    assert_eq!(other.code(), "MESSAGE_ID_REUSED");
    assert_eq!(relay.post(&message()).await.status, StatusCode::ACCEPTED);
    assert_eq!(relay.body_of(&relay.drain()[0]).await, br#"{"any":"json"}"#);
}

#[tokio::test]
async fn f05_a_refused_post_does_not_touch_the_accepted_body() {
    let relay = Relay::new();
    let accepted = relay.post(&large()).await;
    let refused = relay.post(&message_with(json!({"body": "y".repeat(300_000)}))).await;
    assert_eq!(refused.code(), "MESSAGE_ID_REUSED");
    let found = relay.found(accepted.json["id"].as_str().unwrap()).await;
    let Body::Stored(pointer) = &found.message.body else { panic!("a large body is stored") };
    assert_eq!(relay.stored(pointer).await.unwrap(), large()["body"].to_string().into_bytes());
}

#[tokio::test]
async fn an_unfinished_message_keeps_the_names_it_was_recorded_with() {
    let relay = Relay::new();
    relay.faults.plan("send", Fault::Before);
    let first = relay.post(&message()).await;
    let retry = relay.post(&message()).await;
    assert_ne!(first.json["correlationId"], retry.json["correlationId"]);
    let sent = &relay.drain()[0];
    assert_eq!(sent.correlation_id.as_str(), first.json["correlationId"]);
}

#[tokio::test]
async fn a_lookup_that_fails_is_no_reason_to_call_anything_a_duplicate() {
    let relay = Relay::new();
    relay.post(&message()).await;
    relay.faults.plan("find", Fault::Before);
    assert_eq!(relay.post(&message()).await.code(), "SYSTEM_ERROR");
}

#[tokio::test]
async fn a_panic_is_answered_as_a_fault_of_the_relay() {
    let relay = Relay::new();
    relay.faults.plan("record", Fault::Panics);
    let answer = relay.post(&message()).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "SYSTEM_ERROR"));
    assert_eq!(answer.headers["retry-after"], "5");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert!(answer.headers.contains_key("x-correlation-id"));
    assert_eq!(relay.post(&message()).await.status, StatusCode::ACCEPTED);
}
