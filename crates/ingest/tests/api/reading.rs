//! A message is shown as it stands, with its body only when asked for.

use std::time::Duration;

use bytes::Bytes;
use expect_test::expect;
use http::StatusCode;
use relay_core::body::Body;
use relay_core::decide::Decision;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Claim, Settlement, SignedLink, Store};
use relay_testkit::sample;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::relay::{Answer, Relay, message, message_with};

/// Posts a message; its id.
pub(crate) async fn accepted(relay: &Relay, message: &Value) -> String {
    relay.post(message).await.json["id"].as_str().unwrap().to_owned()
}

/// Makes an attempt that the target answers with `status`.
pub(crate) async fn attempt(relay: &Relay, id: &str, status: u16, decision: Decision) {
    let found = relay.found(id).await;
    relay.clock.advance(Duration::from_secs(60));
    let now = relay.clock.now();
    let claim = sample::claim(&found.state.life, 1 + found.state.attempts as u8, now);
    let claimed = relay.store.claim(&found.message.id, &claim).await.unwrap();
    let Claim::Ours(lease) = claimed else { panic!("{claimed:?}") };
    let settlement = Settlement {
        id: found.message.id,
        life: found.state.life,
        attempt: sample::attempt(lease.attempt, status),
        lease,
        decision,
        now,
    };
    relay.store.settle(&settlement).await.unwrap();
}

fn shown(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.json);
    let sorted: std::collections::BTreeMap<_, _> =
        answer.json.as_object().unwrap().iter().collect();
    serde_json::to_string_pretty(&sorted).unwrap()
}

#[tokio::test]
async fn a_message_is_shown_with_its_attempts() {
    let relay = Relay::new();
    let id =
        accepted(&relay, &message_with(json!({"timestamp": "2026-11-21T06:00:00+01:00"}))).await;
    let not_before = sample::at(90_000);
    attempt(&relay, &id, 503, Decision::Retry { not_before }).await;
    let path = format!("/v1/messages/{id}");
    expect![[r#"
        {
          "attempts": 1,
          "bodyBytes": 14,
          "bodySha256": "cae00bc0d9bb4c97851cb6d71a19e673c6f15d8112dc7b8675b1aab68d28ed99",
          "correlationId": "910a2dec89025cc1beeb8da1658eec67",
          "createdAt": "2100-01-01T00:00:00.000Z",
          "expiresAt": "2100-01-31T00:00:00.000Z",
          "generation": 0,
          "id": "msg_2warzholesewdmt5f4njnwmcf6y5imtt",
          "messageId": "order-1042",
          "method": "POST",
          "notBefore": "2100-01-01T00:01:30.000Z",
          "outcomes": [
            {
              "answer": "answer 503",
              "at": "2100-01-01T00:00:00.000Z",
              "attempt": 1,
              "durationMs": 12,
              "generation": 0,
              "status": 503
            }
          ],
          "senderId": "billing",
          "status": "RETRYING",
          "targetUrl": "https://api.example.com/hooks",
          "timestamp": "2026-11-21T06:00:00+01:00",
          "updatedAt": "2100-01-01T00:01:00.000Z"
        }"#]]
    .assert_eq(&shown(&relay.get(&path).await));
    attempt(&relay, &id, 410, Decision::GiveUp(DeadReason::Gone)).await;
    let dead = relay.get(&path).await.json;
    assert_eq!((&dead["status"], &dead["reason"]), (&json!("DEAD"), &json!("gone")));
    assert_eq!(dead["outcomes"].as_array().unwrap().len(), 2);
    assert_eq!(dead.get("notBefore"), None);
}

#[tokio::test]
async fn a_message_that_is_not_there_is_not_found() {
    let relay = Relay::with(&[("MESSAGE_TTL_DAYS", "1")]);
    let id = accepted(&relay, &message()).await;
    relay.clock.advance(Duration::from_secs(86_400));
    let unknown = format!("msg_{}", "a".repeat(32));
    for id in [id.as_str(), &unknown, "order-1042", "msg_", "%FF", "..%2F..", &"x".repeat(9000)] {
        let answer = relay.get(&format!("/v1/messages/{id}")).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "NOT_FOUND"), "{id}");
    }
}

#[tokio::test]
async fn only_include_body_can_be_asked_for() {
    let relay = Relay::new();
    let id = accepted(&relay, &message()).await;
    for query in ["include=headers", "include=", "include", "Include=body", "include=body&x=1", "x"]
    {
        let answer = relay.get(&format!("/v1/messages/{id}?{query}")).await;
        assert_eq!(answer.code(), "VALIDATION_ERROR", "{query}");
    }
    for query in ["", "include=body", "include=body&include=body"] {
        let answer = relay.get(&format!("/v1/messages/{id}?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
    }
}

#[tokio::test]
async fn the_body_is_shown_when_asked_for() {
    let relay = Relay::new();
    for (name, body, encoding, text) in [
        ("a", json!({"a": 1}), "json", r#"{"a":1}"#.to_owned()),
        ("b", json!("ä\n"), "text", "ä\n".to_owned()),
        ("c", json!("AP8="), "base64", "AP8=".to_owned()),
        ("d", json!("x".repeat(200_000)), "text", "x".repeat(200_000)),
    ] {
        let message = json!({"messageId": name, "body": body, "bodyEncoding": encoding});
        let id = accepted(&relay, &message_with(message)).await;
        let answer = relay.get(&format!("/v1/messages/{id}?include=body")).await;
        assert_eq!(answer.json["body"], text);
        let expected = if encoding == "base64" { "base64" } else { "text" };
        assert_eq!(answer.json["bodyEncoding"], expected);
        assert_eq!(relay.get(&format!("/v1/messages/{id}")).await.json.get("body"), None);
    }
}

#[tokio::test]
async fn a_large_body_is_shown_as_a_link() {
    let relay = Relay::new();
    let id = accepted(&relay, &message_with(json!({"body": "x".repeat(300_000)}))).await;
    let json = relay.get(&format!("/v1/messages/{id}?include=body")).await.json;
    assert_eq!(json.get("body"), None);
    let link = SignedLink {
        url: json["bodyUrl"].as_str().unwrap().to_owned(),
        method: "GET",
        headers: Vec::new(),
        expires_at: relay.clock.now(),
    };
    assert_eq!(relay.payloads.download(&link).unwrap().len(), 300_002);
    assert!(json["bodyUrlExpiresAt"].as_str().unwrap() > json["createdAt"].as_str().unwrap());
}

#[tokio::test]
async fn a_stored_body_that_is_gone_or_wrong_is_never_shown_as_the_body() {
    let relay = Relay::new();
    let id = accepted(&relay, &message_with(json!({"body": "x".repeat(20_000)}))).await;
    let path = format!("/v1/messages/{id}?include=body");
    let found = relay.found(&id).await;
    let Body::Stored(pointer) = &found.message.body else { panic!("it is stored") };
    let wrong = ["y".repeat(20_002), "y".repeat(20_003), "y".repeat(10)];
    for wrong in wrong.map(Bytes::from) {
        relay.payloads.corrupt(pointer, wrong);
        assert_eq!(relay.get(&path).await.code(), "SYSTEM_ERROR");
    }
    relay.payloads.remove(pointer);
    let answer = relay.get(&path).await;
    assert_eq!((answer.status, &answer.json["bodyMissing"]), (StatusCode::OK, &json!(true)));
    relay.faults.plan("open", Fault::Before);
    assert_eq!(relay.get(&path).await.code(), "SYSTEM_ERROR");
}

#[tokio::test]
async fn reading_that_fails_is_a_fault_of_the_relay() {
    let relay = Relay::new();
    let id = accepted(&relay, &message()).await;
    relay.faults.plan("find", Fault::Before);
    let answer = relay.get(&format!("/v1/messages/{id}")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.json.to_string().contains("secret internals"));
}
