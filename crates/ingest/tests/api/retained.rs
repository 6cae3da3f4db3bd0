//! Bodies that the queue alone has: where they are, what is shown of them, and what goes again.

use bytes::Bytes;
use http::StatusCode;
use relay_core::body::{Body, Pointer};
use relay_core::decide::Decision;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Payloads, Store};
use serde_json::json;

use crate::bulk;
use crate::faults::Fault;
use crate::reading::{accepted, attempt};
use crate::relay::{Relay, message, message_with};

fn relay() -> Relay {
    Relay::with(&[("RETAIN_BODIES", "false")])
}

async fn pointer(relay: &Relay, id: &str) -> Pointer {
    let Body::Unretained(pointer) = relay.found(id).await.message.body else {
        panic!("the queue alone has it")
    };
    pointer
}

async fn dead(relay: &Relay) -> String {
    let id = accepted(relay, &message()).await;
    attempt(relay, &id, 410, Decision::GiveUp(DeadReason::Gone)).await;
    relay.drain();
    id
}

#[tokio::test]
async fn a_body_that_fits_the_queue_is_nowhere_else_and_one_that_does_not_is_stored() {
    for (bytes, in_queue, calls) in [
        (10, true, &["record", "send", "mark_queued"][..]),
        (20_000, true, &["record", "send", "mark_queued"]),
        (300_000, false, &["record", "put", "send", "mark_queued"]),
    ] {
        let body = "x".repeat(bytes);
        let fields = json!({"messageId": format!("m-{bytes}"), "body": body});
        for bulk in [false, true] {
            let relay = Relay::with(&[("RETAIN_BODIES", "false")]);
            if bulk {
                bulk::post(&relay, &[message_with(fields.clone())]).await;
            } else {
                relay.post(&message_with(fields.clone())).await;
            }
            assert_eq!(relay.faults.calls(), calls, "{bytes} {bulk}");
            let [sent] = &relay.drain()[..] else { panic!("one is sent") };
            assert_eq!(sent.retained, !in_queue);
            assert_eq!(matches!(sent.body, Body::Inline(_)), in_queue);
            assert_eq!(relay.body_of(sent).await.len(), bytes + 2);
            let message = relay.found(sent.id.as_str()).await.message;
            assert_eq!(matches!(message.body, Body::Unretained(_)), in_queue);
            assert_eq!(message.body.bytes(), bytes as u64 + 2);
        }
    }
}

#[tokio::test]
async fn a_body_at_the_border_is_measured_with_the_word_that_it_is_not_retained() {
    let at = |bytes: usize| message_with(json!({"body": "x".repeat(bytes)}));
    let (mut fits, mut does_not) = (200_000, 270_000);
    while does_not - fits > 1 {
        let relay = relay();
        let middle = usize::midpoint(fits, does_not);
        relay.post(&at(middle)).await;
        let sent = relay.drain().remove(0);
        assert!(sent.queue_bytes() <= 262_144);
        if matches!(sent.body, Body::Inline(_)) { fits = middle } else { does_not = middle }
    }
    let relay = relay();
    relay.post(&at(fits)).await;
    assert_eq!(relay.drain()[0].queue_bytes(), 262_144, "not a byte is given away");
}

#[tokio::test]
async fn f01_f02_a_retry_brings_the_body_that_nobody_kept() {
    for step in ["record", "send"] {
        for fault in [Fault::Before, Fault::After] {
            let relay = relay();
            relay.faults.plan(step, fault);
            assert_eq!(relay.post(&message()).await.code(), "SYSTEM_ERROR");
            assert_eq!(relay.post(&message()).await.status, StatusCode::ACCEPTED);
            for sent in relay.drain() {
                assert_eq!(relay.body_of(&sent).await, br#"{"any":"json"}"#);
                assert!(!sent.retained);
            }
        }
    }
}

#[tokio::test]
async fn a_message_is_shown_without_the_body() {
    let relay = relay();
    let id = accepted(&relay, &message()).await;
    let shown = relay.get(&format!("/v1/messages/{id}?include=body")).await.json;
    assert_eq!((&shown["bodyMissing"], &shown["bodyBytes"]), (&json!(true), &json!(14)));
}

#[tokio::test]
async fn a_delivered_message_cannot_be_resent() {
    let relay = relay();
    let id = accepted(&relay, &message()).await;
    attempt(&relay, &id, 200, Decision::Delivered).await;
    relay.drain();
    let answer = relay.post_text(&format!("/v1/messages/{id}/resend"), "").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "STATE_CONFLICT"));
    let expected = "its body was not retained, so there is nothing to send again";
    assert_eq!(answer.json["detail"], expected);
    let shown = relay.get(&format!("/v1/messages/{id}")).await.json;
    assert_eq!((&shown["status"], &shown["generation"]), (&json!("DELIVERED"), &json!(0)));
    assert!(relay.drain().is_empty());
}

#[tokio::test]
async fn a_dead_letter_goes_again_with_the_body_that_its_burial_stored() {
    for verb in ["redrive", "resend"] {
        let relay = relay();
        let id = dead(&relay).await;
        let early = relay.post_text(&format!("/v1/messages/{id}/{verb}"), "").await;
        assert_eq!(early.code(), "SYSTEM_ERROR", "the burial is under way");
        let pointer = pointer(&relay, &id).await;
        relay.payloads.put(&pointer, Bytes::from_static(br#"{"any":"json"}"#)).await.unwrap();
        let answer = relay.post_text(&format!("/v1/messages/{id}/{verb}"), "").await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.json);
        let [sent] = &relay.drain()[..] else { panic!("one is sent") };
        assert_eq!((&sent.body, sent.retained), (&Body::Stored(pointer), true));
        assert_eq!(relay.body_of(sent).await, br#"{"any":"json"}"#);
    }
}

#[tokio::test]
async fn a_dead_letter_whose_body_is_gone_stays_dead() {
    let relay = relay();
    let id = dead(&relay).await;
    let found = relay.found(&id).await;
    let now = relay.clock.now();
    relay.store.mark_buried(&found.message.id, &found.state.life, now).await.unwrap();
    for verb in ["redrive", "resend"] {
        let answer = relay.post_text(&format!("/v1/messages/{id}/{verb}"), "").await;
        assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "STATE_CONFLICT"));
    }
    let shown = relay.get(&format!("/v1/messages/{id}")).await.json;
    assert_eq!((&shown["status"], &shown["generation"]), (&json!("DEAD"), &json!(0)));
    relay.faults.plan("open", Fault::Before);
    let answer = relay.post_text(&format!("/v1/messages/{id}/redrive"), "").await;
    assert_eq!(answer.code(), "SYSTEM_ERROR", "who cannot be asked has not said no");
}
