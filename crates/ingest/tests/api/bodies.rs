//! Bodies reach the queue byte for byte, with the content type that belongs to them.

use http::StatusCode;
use serde_json::json;

use crate::relay::{Relay, message_with};

/// Posts a message whose `body` has this exact text; the bytes and the headers that are sent on.
async fn sent(fields: &str) -> (Vec<u8>, Option<String>) {
    let relay = Relay::new();
    let text =
        format!(r#"{{"messageId":"m","senderId":"s","targetUrl":"https://a.example/"{fields}}}"#);
    let answer = relay.post_text("/message", text).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{fields}: {:?}", answer.json);
    let envelope = relay.drain().remove(0);
    let content_type = envelope.headers.get("content-type").map(str::to_owned);
    (relay.body_of(&envelope).await, content_type)
}

#[tokio::test]
async fn json_is_sent_as_the_text_it_was() {
    for text in [
        "1e400",
        "0.10",
        "-0",
        "123456789012345678901234567890",
        "null",
        "true",
        "\"\"",
        "[]",
        r#"{"b":1, "a" :2 ,"b":3}"#,
        "{\n\t\"x\" : [ 1 , 2 ]\r\n}",
        r#""\u00e4\/\ud83d\ude00""#,
        r#""\ud800""#,
        "\"ä\u{fffe}\u{ffff}\"",
        r#"{"__proto__":null,"":0}"#,
    ] {
        let (body, content_type) = sent(&format!(",\"body\": {text} ")).await;
        assert_eq!(String::from_utf8(body).unwrap(), text);
        assert_eq!(content_type.as_deref(), Some("application/json"));
    }
}

#[tokio::test]
async fn texts_are_sent_as_their_utf_8() {
    let (body, content_type) =
        sent(r#","body":"two\nlines \u00e4 \u0000","bodyEncoding":"text""#).await;
    assert_eq!(body, "two\nlines ä \0".as_bytes());
    assert_eq!(content_type.as_deref(), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn base64_is_sent_as_the_bytes_it_stands_for() {
    let (body, content_type) = sent(r#","bodyEncoding":"base64","body":"AP/+""#).await;
    assert_eq!(body, [0, 255, 254]);
    assert_eq!(content_type.as_deref(), Some("application/octet-stream"));
}

#[tokio::test]
async fn the_clients_content_type_goes_first_and_no_body_has_none() {
    let (_, content_type) =
        sent(r#","body":{},"headers":{"Content-Type":"application/cloudevents+json"}"#).await;
    assert_eq!(content_type.as_deref(), Some("application/cloudevents+json"));
    let (body, content_type) = sent("").await;
    assert_eq!((body.len(), content_type), (0, None));
    let (body, content_type) = sent(r#","body":"","bodyEncoding":"text""#).await;
    assert_eq!(body.len(), 0);
    assert_eq!(content_type.as_deref(), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large_and_one_at_the_limit_is_not() {
    let relay = Relay::with(&[("PAYLOAD_BYTES_MAX", "2000")]);
    let body = |bytes: usize| json!({"body": "x".repeat(bytes), "bodyEncoding": "text"});
    let over = relay.post(&message_with(body(2001))).await;
    assert_eq!((over.status, over.code()), (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"));
    assert_eq!(over.errors(), ["/body: has 2001 bytes; the limit is 2000"]);
    assert_eq!(relay.post(&message_with(body(2000))).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_request_over_lambdas_limit_is_too_large() {
    let relay = Relay::new();
    let answer = relay.post_text("/message", vec![b' '; 6_291_457]).await;
    assert_eq!(answer.code(), "PAYLOAD_TOO_LARGE");
}
