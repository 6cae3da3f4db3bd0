//! A message is accepted, recognised when it comes again, and refused when its id is taken.

use std::time::Duration;

use http::StatusCode;
use relay_core::body::Body;
use relay_core::lifecycle::{Again, Status};
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Settled, Store};
use serde_json::{Value, json};

use crate::relay::{Relay, message, message_with};

#[tokio::test]
async fn an_accepted_message_is_recorded_and_in_the_queue() {
    let relay = Relay::new();
    let answer = relay.post(&message()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = answer.json["id"].as_str().unwrap();
    expect_test::expect![[r#"
        {
          "correlationId": "910a2dec89025cc1beeb8da1658eec67",
          "duplicate": false,
          "id": "msg_2warzholesewdmt5f4njnwmcf6y5imtt",
          "messageId": "order-1042",
          "queued": true,
          "status": "QUEUED",
          "stored": true,
          "success": true
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&sorted(&answer.json)).unwrap());
    assert_eq!(answer.headers["x-correlation-id"], answer.json["correlationId"].as_str().unwrap());
    let found = relay.found(id).await;
    assert_eq!(found.state.phase.status(), Status::Queued);
    assert_eq!(found.message.expires_at.since(found.message.created_at).as_secs(), 30 * 86_400);
    let sent = relay.drain();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].life, found.message.first_life());
    assert_eq!(sent[0].correlation_id.as_str(), answer.json["correlationId"]);
    assert_eq!(relay.body_of(&sent[0]).await, br#"{"any":"json"}"#);
    // Three calls, and the answer only after the second.
    assert_eq!(relay.faults.calls(), ["record", "send", "mark_queued"]);
}

fn sorted(value: &Value) -> std::collections::BTreeMap<&String, &Value> {
    value.as_object().unwrap().iter().collect()
}

#[tokio::test]
async fn both_paths_are_one_door() {
    let relay = Relay::new();
    assert_eq!(relay.post(&message()).await.status, StatusCode::ACCEPTED);
    let again = relay.post_text("/v1/messages", message().to_string()).await;
    assert_eq!((again.status, &again.json["duplicate"]), (StatusCode::OK, &json!(true)));
}

#[tokio::test]
async fn the_same_message_again_is_a_duplicate_and_nothing_is_sent() {
    let relay = Relay::new();
    let first = relay.post(&message()).await;
    relay.drain();
    // Another order of headers and another spelling of their names are the same message.
    let again = relay.post(&message_with(json!({"headers": {"x-order": "1042"}}))).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json["duplicate"], true);
    assert_eq!(again.json["queued"], true);
    assert_eq!(again.json["id"], first.json["id"]);
    assert!(relay.drain().is_empty());
}

#[tokio::test]
async fn a_duplicate_is_told_how_the_message_stands_today() {
    let relay = Relay::new();
    let first = relay.post(&message()).await;
    let found = relay.found(first.json["id"].as_str().unwrap()).await;
    let now = relay.clock.now();
    let reason = DeadReason::DeadlinePassed;
    let ended = relay.store.give_up(&found.message.id, &found.state.life, reason, now).await;
    assert!(matches!(ended, Ok(Settled::Done(_))));
    let again = relay.post(&message()).await;
    assert_eq!((again.status, &again.json["status"]), (StatusCode::OK, &json!("DEAD")));
}

#[tokio::test]
async fn f04_the_same_id_with_other_content_is_refused_field_by_field() {
    let relay = Relay::new();
    relay.post(&message_with(json!({"timestamp": "2026-11-21T05:00:00Z"}))).await;
    relay.drain();
    for (fields, pointers) in [
        (json!({}), vec!["/timestamp"]),
        (json!({"timestamp": "2026-11-21T05:00:00.0Z"}), vec!["/timestamp"]),
        (json!({"timestamp": "2026-11-21T05:00:00Z", "method": "PUT"}), vec!["/method"]),
        (
            json!({"timestamp": "2026-11-21T05:00:00Z", "body": "s3cret", "headers": null}),
            vec!["/headers", "/body"],
        ),
        (
            json!({"timestamp": "2026-11-21T05:00:00Z", "targetUrl": "https://api.example.com/"}),
            vec!["/targetUrl"],
        ),
    ] {
        let answer = relay.post(&message_with(fields)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.code(), "MESSAGE_ID_REUSED");
        let named: Vec<_> =
            answer.json["errors"].as_array().unwrap().iter().map(|e| &e["pointer"]).collect();
        assert_eq!(named, pointers);
        assert!(!answer.json.to_string().contains("s3cret"));
    }
    assert!(relay.drain().is_empty());
}

#[tokio::test]
async fn f03_two_identical_posts_at_once_are_one_message() {
    let relay = Relay::new();
    let message = message();
    let answers = futures::future::join_all((0..8).map(|_| relay.post(&message))).await;
    assert!(answers.iter().all(|answer| answer.status.is_success()));
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| answer.json["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    let sent = relay.drain();
    assert!(!sent.is_empty());
    // However many copies there are, they are of one acceptance: one claim takes them all.
    assert!(sent.iter().all(|envelope| envelope.life == sent[0].life));
}

#[tokio::test]
async fn f45_an_id_is_free_again_when_its_message_has_expired() {
    let relay = Relay::with(&[("MESSAGE_TTL_DAYS", "1")]);
    let first = relay.post(&message()).await;
    let earlier = relay.found(first.json["id"].as_str().unwrap()).await;
    relay.drain();
    relay.clock.advance(Duration::from_secs(86_400));
    let again = relay.post(&message_with(json!({"body": "other"}))).await;
    assert_eq!((again.status, &again.json["duplicate"]), (StatusCode::ACCEPTED, &json!(false)));
    let sent = relay.drain();
    assert_eq!(sent.len(), 1);
    assert_ne!(sent[0].life.accepted_id, earlier.message.accepted_id);
}

#[tokio::test]
async fn a_message_that_was_redriven_but_not_sent_is_sent_in_its_new_life() {
    let relay = Relay::new();
    let first = relay.post(&message()).await;
    let found = relay.found(first.json["id"].as_str().unwrap()).await;
    let (id, now) = (&found.message.id, relay.clock.now());
    let reason = DeadReason::AttemptsExhausted;
    relay.store.give_up(id, &found.state.life, reason, now).await.unwrap();
    let redriven =
        relay.store.begin_again(id, &found.state.life, Again::Redrive, now).await.unwrap();
    let Begun::Pending(life) = redriven else { panic!("a dead message can be redriven") };
    relay.drain();
    let again = relay.post(&message()).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(relay.drain()[0].life, life);
}

#[tokio::test]
async fn bodies_lie_where_their_size_puts_them() {
    for (bytes, in_record, in_queue, calls) in [
        (8_190, true, true, vec!["record", "send", "mark_queued"]),
        (8_191, false, true, vec!["record", "put", "send", "mark_queued"]),
        (250_000, false, true, vec!["record", "put", "send", "mark_queued"]),
        (300_000, false, false, vec!["record", "put", "send", "mark_queued"]),
        (2_900_000, false, false, vec!["record", "put", "send", "mark_queued"]),
    ] {
        let relay = Relay::new();
        let text = "x".repeat(bytes);
        let answer = relay.post(&message_with(json!({"body": text}))).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{bytes}");
        assert_eq!(relay.faults.calls(), calls, "{bytes}");
        let found = relay.found(answer.json["id"].as_str().unwrap()).await;
        let sent = relay.drain();
        let is_inline = |body: &Body| matches!(body, Body::Inline(_));
        assert_eq!(is_inline(&found.message.body), in_record, "{bytes}");
        assert_eq!(is_inline(&sent[0].body), in_queue, "{bytes}");
        assert_eq!(relay.body_of(&sent[0]).await, format!("\"{text}\"").into_bytes(), "{bytes}");
        if let Body::Stored(pointer) = &found.message.body {
            let (id, sha256) = (&found.message.id, pointer.sha256);
            assert_eq!(pointer.key, format!("payloads/{id}/{sha256}"));
            assert!(relay.stored(pointer).await.is_some(), "{bytes}");
        }
    }
}

#[tokio::test]
async fn f37_a_queue_message_is_measured_as_it_is_sent() {
    // Quotes and line ends double in the queue's JSON, odd characters grow by a third.
    for text in ["\"".repeat(200_000), "\u{ffff}".repeat(80_000), "\u{1}".repeat(60_000)] {
        let relay = Relay::new();
        relay.post(&message_with(json!({"body": text, "bodyEncoding": "text"}))).await;
        let sent = relay.drain();
        assert!(sent[0].queue_bytes() <= 262_144);
        assert_eq!(relay.body_of(&sent[0]).await, text.into_bytes());
    }
}
