//! Bodies arrive as they were sent, byte for byte, whatever their kind and size.

use data_encoding::BASE64;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::first_message::signature;
use crate::support::{Answer, Client, alone, shared, unique};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// What an event of Lambda may have.
const EVENT_BYTES_MAX: usize = 6_291_456;

/// Posts a message whose remaining fields are given as JSON text.
async fn post(client: &Client, sender: &str, target: &str, fields: &str) -> Answer {
    let id = unique("body");
    let text =
        format!(r#"{{"messageId":"{id}","senderId":"{sender}","targetUrl":"{target}"{fields}}}"#);
    client.post_text("/message", text).await
}

#[tokio::test]
async fn bodies_of_every_kind_arrive_byte_for_byte() {
    let stack = shared();
    let client = Client::of(stack);
    let target = stack.target("/demo/ok");
    let every_byte: Vec<u8> = (0..=255).collect();
    let control: Vec<u8> = (0..32).collect();
    let base64 =
        |bytes: &[u8]| format!(r#","bodyEncoding":"base64","body":"{}""#, BASE64.encode(bytes));
    let plain = |text: &str| (format!(",\"body\":{text}"), text.as_bytes().to_vec(), Some(JSON));
    let cases: Vec<(String, Vec<u8>, Option<&str>)> = vec![
        plain(r#"{"a": 1e400, "b": 0.10, "b": 2 ,  "c":"\u0000"}"#),
        plain("{ \"z\" :1,\t\"a\"\r\n:\n2 , \"z\":[ ] }"),
        plain("1e400"),
        plain("0.10"),
        plain("-0"),
        plain("123456789012345678901234567890.000"),
        plain("null"),
        plain("false"),
        plain(r#""""#),
        plain("[]"),
        plain("\"\u{fffe}\u{ffff}\u{7f}\u{85}\u{2028}\""),
        plain("{\"\u{1f600}\":\"\u{1f469}\u{200d}\u{1f4bb} e\u{301}\"}"),
        plain(r#""\ud83d\ude00 \ud800 \u0041\/""#),
        (r#","bodyEncoding":"json","body": {"x" : 1} "#.into(), br#"{"x" : 1}"#.into(), Some(JSON)),
        (base64(&every_byte), every_byte.clone(), Some(BYTES)),
        (base64(&control), control.clone(), Some(BYTES)),
        (base64(b""), Vec::new(), Some(BYTES)),
        (base64(b"\xff\xfe\xef\xbf\xbe"), b"\xff\xfe\xef\xbf\xbe".into(), Some(BYTES)),
        (
            r#","bodyEncoding":"text","body":"a=1&b=\u00e9\n""#.into(),
            "a=1&b=é\n".into(),
            Some(TEXT),
        ),
        (
            r#","bodyEncoding":"text","body":"\u0000\u0001\ufffe""#.into(),
            "\0\u{1}\u{fffe}".into(),
            Some(TEXT),
        ),
        (String::new(), Vec::new(), None),
        (
            r#","headers":{"Content-Type":"application/xml"},"bodyEncoding":"text","body":"<a/>""#
                .into(),
            "<a/>".into(),
            Some("application/xml"),
        ),
    ];
    join_all(cases.iter().map(async |(fields, expected, content_type)| {
        let id = post(&client, "tests", &target, fields).await.accepted();
        let shown = client.finished(&id).await;
        assert_eq!(shown["status"], "DELIVERED", "{fields}: {shown}");
        let received = client.received(&id).await;
        let body = received[0].body();
        assert_eq!(&body, expected, "{fields}: {:?}", String::from_utf8_lossy(&body));
        assert_eq!(received[0].header("content-type"), *content_type, "{fields}");
        let length = received[0].header("content-length").unwrap_or("0");
        assert_eq!(length, expected.len().to_string(), "{fields}");
        assert_eq!(shown_body(&client, &id).await, *expected, "{fields}");
    }))
    .await;
}

/// The body as the relay shows it to whoever asks.
async fn shown_body(client: &Client, id: &str) -> Vec<u8> {
    let shown = client.get(&format!("/v1/messages/{id}?include=body")).await.json;
    match (shown["bodyUrl"].as_str(), shown["body"].as_str()) {
        (Some(url), None) => {
            assert!(shown["bodyBytes"].as_u64().unwrap() > 256 * 1024, "{shown}");
            client.download(url).await
        }
        (None, Some(body)) => {
            assert!(shown["bodyBytes"].as_u64().unwrap() <= 256 * 1024);
            match shown["bodyEncoding"].as_str() {
                Some("text") => body.as_bytes().to_vec(),
                Some("base64") => BASE64.decode(body.as_bytes()).unwrap(),
                other => panic!("bodyEncoding is {other:?}"),
            }
        }
        other => panic!("one of bodyUrl and body, not {other:?}"),
    }
}

/// JSON of exactly so many bytes, none of which an event has to escape but the quotes around it.
fn json_of(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

#[tokio::test]
async fn bodies_of_every_size_arrive_byte_for_byte_and_signed() {
    let _alone = alone().await;
    let stack = shared();
    let client = Client::of(stack);
    let target = stack.target("/demo/ok");
    // Around what the table keeps, what the queue carries, what an answer shows, and two large ones.
    let edges = [8192, 8193, 261_000, 262_144, 262_145, 300 * 1024, 4 << 20];
    for bytes in edges {
        let body = json_of(bytes);
        let id = post(&client, "billing", &target, &format!(",\"body\":{body}")).await.accepted();
        let shown = client.finished(&id).await;
        assert_eq!(shown["status"], "DELIVERED", "{bytes}: {shown}");
        assert_eq!(shown["bodyBytes"], bytes);
        assert!(shown.get("body").is_none() && shown.get("bodyUrl").is_none(), "nobody asked");
        let received = client.received(&id).await;
        assert_eq!(received.len(), 1, "{bytes}");
        assert!(received[0].body() == body.as_bytes(), "{bytes}");
        let expected = signature(&received[0], body.as_bytes());
        assert_eq!(received[0].header("webhook-signature"), Some(&*expected), "{bytes}");
        assert!(shown_body(&client, &id).await == body.as_bytes(), "{bytes}");
    }
}

#[tokio::test]
async fn a_request_that_makes_an_event_too_large_is_refused() {
    let stack = shared();
    let client = Client::of(stack);
    let target = stack.target("/demo/ok");
    let unescaped = json_of(EVENT_BYTES_MAX);
    // Every quote and backslash takes two bytes in an event.
    let escaped = format!("\"{}\"", "\\\\".repeat(EVENT_BYTES_MAX / 4));
    for (name, body) in [("plain", unescaped), ("escaped", escaped)] {
        let answer = post(&client, "tests", &target, &format!(",\"body\":{body}")).await;
        assert_eq!(answer.status, 413, "{name}: {answer:?}");
    }
    let fits = format!("\"{}\"", "\\\"".repeat(1_449_999));
    let answer = post(&client, "tests", &target, &format!(",\"body\":{fits}")).await;
    assert_eq!(answer.status, 202, "2.9 MB of quotes: {answer:?}");
}

#[tokio::test]
async fn a_body_is_shown_only_to_whoever_asks_for_it() {
    let stack = shared();
    let client = Client::of(stack);
    let target = stack.target("/demo/ok");
    let id = post(&client, "tests", &target, ",\"body\":{\"n\":1.0}").await.accepted();
    let path = format!("/v1/messages/{id}");
    assert!(client.get(&path).await.json.get("body").is_none());
    let with = client.get(&format!("{path}?include=body")).await.json;
    assert_eq!((&with["body"], &with["bodyEncoding"]), (&json!("{\"n\":1.0}"), &json!("text")));
    for query in ["?include=everything", "?include", "?body=1"] {
        let answer = client.get(&format!("{path}{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn a_request_may_be_sent_as_base64_by_the_gateway() {
    // A content type that is no text makes the gateway hand the body over in base64.
    let stack = shared();
    let client = Client::of(stack);
    let text = json!({
        "messageId": unique("base64"), "senderId": "tests", "targetUrl": stack.target("/demo/ok"),
    });
    let bare = client.request(Method::POST, "/message").body(text.to_string());
    let answer = client.answer(bare).await;
    assert_eq!(
        (answer.status, &answer.json["duplicate"]),
        (202, &Value::Bool(false)),
        "{answer:?}"
    );
}
