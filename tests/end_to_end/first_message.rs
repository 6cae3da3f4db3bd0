//! The first message, with the template as it is deployed: accepted, delivered in time, delivered once.

use std::time::Duration;
use tokio::time::Instant;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::support::{
    Client, Launch, Queues, Received, SOON, alone, billing_secret, message, shared, unique,
};

/// The batching window of the template, in which a message may wait for others.
const WINDOW: Duration = Duration::from_secs(5);
/// What a delivery may take beyond that.
const MARGIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_message_is_delivered_once_within_the_batching_window_and_two_seconds() {
    let _alone = alone().await;
    let stack = Launch::new("template").start();
    let client = Client::of(&stack);
    let id = unique("order");
    let body = r#"{ "any": "json" }"#;
    let text = format!(
        r#"{{"messageId":"{id}","senderId":"billing","timestamp":"2026-11-21T05:00:00Z",
            "targetUrl":"{}","method":"POST","headers":{{"X-Order":"1042"}},"body":{body}}}"#,
        stack.target("/demo/ok")
    );
    let post = || {
        let request = client.request(reqwest::Method::POST, "/message");
        let request = request.header("content-type", "application/json");
        client.answer(request.header("x-correlation-id", "trace-1").body(text.clone()))
    };

    let accepted = post().await;
    let accepted_at = Instant::now();
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let relay_id = accepted.json["id"].as_str().unwrap().to_owned();
    assert!(relay_id.starts_with("msg_") && relay_id.len() == 36, "{relay_id}");
    let expected = json!({
        "success": true, "id": relay_id, "messageId": id, "status": "QUEUED",
        "stored": true, "queued": true, "duplicate": false, "correlationId": "trace-1",
    });
    assert_eq!(accepted.json, expected);
    assert_eq!(accepted.header("x-correlation-id"), "trace-1");

    let shown = client.finished_within(&relay_id, WINDOW + MARGIN).await;
    let took = accepted_at.elapsed();
    assert!(took <= WINDOW + MARGIN, "{took:?}");
    println!("DELIVERED {took:?} after the answer; the batching window is {WINDOW:?}");
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DELIVERED"), &json!(1)));

    let received = client.received(&relay_id).await;
    let [once] = &received[..] else { panic!("it came {} times", received.len()) };
    for (name, value) in [
        ("webhook-id", relay_id.as_str()),
        ("webhook-attempt", "1"),
        ("x-correlation-id", "trace-1"),
        ("x-order", "1042"),
        ("content-type", "application/json"),
        ("webhook-signature", ""),
    ] {
        assert_eq!(once.header(name).unwrap_or_default(), value, "{name}");
    }
    assert!(once.header("user-agent").unwrap().starts_with("webhook-relay/"));
    let sent_at: i64 = once.header("webhook-timestamp").unwrap().parse().unwrap();
    assert!((once.received_at_ms / 1000 - sent_at).abs() <= 2, "{sent_at}");
    assert_eq!(once.body(), body.as_bytes());

    let again = post().await;
    assert_eq!((again.status, &again.json["duplicate"]), (200, &json!(true)), "{again:?}");
    assert_eq!(again.json["status"], "DELIVERED");
    Queues::of(&stack).drained().await;
    assert_eq!(client.received(&relay_id).await.len(), 1, "a duplicate sends nothing");
}

#[tokio::test]
async fn f04_an_id_used_again_for_other_content_is_refused_by_the_name_of_the_field() {
    let stack = shared();
    let client = Client::of(stack);
    let first = message("reused", &stack.target("/demo/ok"));
    client.accept(&first).await;
    for (field, value, pointers) in [
        ("body", json!({"hello": "secret"}), &["/body"][..]),
        ("method", json!("PUT"), &["/method"]),
        ("targetUrl", json!(stack.target("/demo/status/200")), &["/targetUrl"]),
        ("headers", json!({"x-new": "1"}), &["/headers"]),
        ("timestamp", json!("2026-11-21T05:00:00Z"), &["/timestamp"]),
    ] {
        let mut other = first.clone();
        other[field] = value;
        let answer = client.post(&other).await;
        assert_eq!((answer.status, answer.pointers()), (422, pointers.to_vec()), "{answer:?}");
        assert_eq!(answer.json["code"], "MESSAGE_ID_REUSED");
        assert!(!answer.json.to_string().contains("secret"), "names what differs, never how");
    }
    let same = client.post(&first).await;
    assert_eq!((same.status, &same.json["duplicate"]), (200, &json!(true)), "{same:?}");
}

#[tokio::test]
async fn f03_identical_posts_at_once_are_one_message() {
    // Of its own: a queue that others use is never seen to be empty.
    let stack = Launch::new("at-once").parameter("BatchWindowSeconds", "0").start();
    let client = Client::of(&stack);
    let same = message("at-once", &stack.target("/demo/ok"));
    let answers = futures::future::join_all((0..8).map(|_| client.post(&same))).await;
    let accepted = answers.iter().filter(|answer| !answer.json["duplicate"].as_bool().unwrap());
    // Whoever comes while the first is still on its way to the queue sends it too, and may say so.
    assert!(accepted.count() >= 1);
    let ids: std::collections::BTreeSet<&str> =
        answers.iter().map(|answer| answer.json["id"].as_str().unwrap()).collect();
    let [id] = ids.into_iter().collect::<Vec<_>>()[..] else { panic!("{answers:?}") };
    client.finished(id).await;
    Queues::of(&stack).drained().await;
    assert_eq!(client.received(id).await.len(), 1);
}

#[tokio::test]
async fn only_senders_with_a_secret_are_signed_for() {
    let stack = shared();
    let client = Client::of(stack);
    let mut signed = message("signed", &stack.target("/demo/ok"));
    signed["senderId"] = json!("billing");
    let id = client.accept(&signed).await;
    client.finished(&id).await;
    let received = client.received(&id).await.remove(0);
    let body = received.body();
    assert_eq!(received.header("webhook-signature"), Some(&*signature(&received, &body)));

    let id = client.accept(&message("unsigned", &stack.target("/demo/ok"))).await;
    client.finished(&id).await;
    assert_eq!(client.received(&id).await[0].header("webhook-signature"), None);
}

#[tokio::test]
async fn every_method_reaches_the_target() {
    let stack = shared();
    let client = Client::of(stack);
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET"] {
        let mut sent = message("method", &stack.target("/demo/ok?q=a%20b&q=c"));
        sent["method"] = json!(method);
        if method == "GET" {
            sent.as_object_mut().unwrap().remove("body");
        }
        let id = client.accept(&sent).await;
        client.finished_within(&id, SOON).await;
        let received = client.received(&id).await;
        assert_eq!((received[0].method.as_str(), received.len()), (method, 1));
        assert_eq!(received[0].query, "q=a%20b&q=c");
    }
}

/// The signature that Standard Webhooks 1.0 asks for, of a delivery to `billing` with this body.
pub(crate) fn signature(received: &Received, body: &[u8]) -> String {
    let key = billing_secret().strip_prefix("whsec_").unwrap();
    let key = BASE64.decode(key.as_bytes()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, at) = (received.header("webhook-id"), received.header("webhook-timestamp"));
    mac.update(format!("{}.{}.", id.unwrap(), at.unwrap()).as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}
