//! Requests that are wrong: each wrong field is named, all of them at once.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, shared, unique};

/// A good message to the demo receiver.
fn good() -> Value {
    json!({
        "messageId": unique("valid"),
        "senderId": "tests",
        "targetUrl": shared().target("/demo/ok"),
        "body": {},
    })
}

fn with(field: &str, value: Value) -> String {
    let mut message = good();
    message[field] = value;
    message.to_string()
}

fn without(field: &str) -> String {
    let mut message = good();
    message.as_object_mut().unwrap().remove(field);
    message.to_string()
}

/// A problem document in full, whatever the problem.
#[track_caller]
fn check(answer: &Answer, status: u16, code: &str, pointers: &[&str], what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    assert_eq!(answer.json["code"], code, "{what}: {answer:?}");
    assert_eq!(answer.json["status"], status, "{what}");
    assert_eq!(answer.pointers(), pointers, "{what}: {answer:?}");
    let correlation_id = answer.json["correlationId"].as_str().unwrap();
    assert_eq!(answer.header("x-correlation-id"), correlation_id, "{what}");
    for field in ["type", "title", "detail"] {
        assert!(
            answer.json[field].as_str().is_some_and(|text| !text.is_empty()),
            "{what}: {field}"
        );
    }
    for error in answer.json["errors"].as_array().into_iter().flatten() {
        assert!(error["detail"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
    }
}

/// So many headers.
fn headers(count: usize) -> Value {
    let pairs = (0..count).map(|number| (format!("x-{number}"), json!("v")));
    Value::Object(pairs.collect())
}

async fn check_all<const COUNT: usize>(cases: [(String, &[&str]); COUNT]) {
    let client = Client::of(shared());
    for (text, pointers) in cases {
        let answer = client.post_text("/message", text.clone()).await;
        check(&answer, 400, "VALIDATION_ERROR", pointers, &text);
    }
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let long = |count: usize| json!("x".repeat(count));
    let url = |text: &str| with("targetUrl", json!(text));
    check_all([
        (without("messageId"), &["/messageId"][..]),
        (without("senderId"), &["/senderId"]),
        (without("targetUrl"), &["/targetUrl"]),
        ("{}".to_owned(), &["/messageId", "/senderId", "/targetUrl"]),
        (with("messageId", json!("")), &["/messageId"]),
        (with("messageId", json!("a b")), &["/messageId"]),
        (with("messageId", json!("ä")), &["/messageId"]),
        (with("messageId", json!(7)), &["/messageId"]),
        (with("messageId", json!(null)), &["/messageId"]),
        (with("messageId", long(129)), &["/messageId"]),
        (with("senderId", json!("a.b")), &["/senderId"]),
        (with("senderId", long(65)), &["/senderId"]),
        (with("timestamp", json!("yesterday")), &["/timestamp"]),
        (with("timestamp", json!("2026-11-21T05:00:00")), &["/timestamp"]),
        (with("timestamp", json!(1_763_700_000)), &["/timestamp"]),
        (url(""), &["/targetUrl"]),
        (url("/hooks"), &["/targetUrl"]),
        (url("ftp://127.0.0.1/"), &["/targetUrl"]),
        (url("file:///etc/passwd"), &["/targetUrl"]),
        (url("http://"), &["/targetUrl"]),
        (url("http://user@127.0.0.1/"), &["/targetUrl"]),
        (url("http://user:secret@127.0.0.1/"), &["/targetUrl"]),
        (url("http://127.0.0.1:22/"), &["/targetUrl"]),
        (url("http://127.0.0.1:99999/"), &["/targetUrl"]),
        (with("targetUrl", long(2049)), &["/targetUrl"]),
        (with("method", json!("TRACE")), &["/method"]),
        (with("method", json!("post")), &["/method"]),
        (with("bodyEncoding", json!("base64")), &["/body"]),
        (with("bodyEncoding", json!("hex")), &["/bodyEncoding"]),
        (with("payload", json!({"uploadId": "upl_x"})), &["/body", "/payload/uploadId"]),
        (with("payload", json!({})), &["/body", "/payload/uploadId"]),
        (with("payload", json!("x")), &["/body", "/payload"]),
        (with("retries", json!(5)), &["/retries"]),
        (with("MessageId", json!("x")), &["/MessageId"]),
        (
            json!({"messageId": "", "senderId": 1, "timestamp": "", "targetUrl": "x", "method": "GO",
                "headers": {"host": "x"}, "bodyEncoding": "z", "tyop": 1})
            .to_string(),
            &["/body", "/bodyEncoding", "/headers/host", "/messageId", "/method", "/senderId", "/targetUrl",
                "/timestamp", "/tyop"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn every_wrong_header_is_named() {
    check_all([
        (with("headers", json!([])), &["/headers"][..]),
        (with("headers", json!({"x-a": 1})), &["/headers/x-a"]),
        (with("headers", json!({"Host": "x"})), &["/headers/Host"]),
        (with("headers", json!({"Content-Length": "1"})), &["/headers/Content-Length"]),
        (with("headers", json!({"Transfer-Encoding": "x"})), &["/headers/Transfer-Encoding"]),
        (with("headers", json!({"webhook-id": "x"})), &["/headers/webhook-id"]),
        (with("headers", json!({"Webhook-Signature": "x"})), &["/headers/Webhook-Signature"]),
        (with("headers", json!({"a b": "x"})), &["/headers/a b"]),
        (with("headers", json!({"a/b": "x"})), &["/headers/a~1b"]),
        (with("headers", json!({"x": "a\r\nb: c"})), &["/headers/x"]),
        (with("headers", json!({"x": "é"})), &["/headers/x"]),
        (with("headers", json!({"X": "1", "x": "2"})), &["/headers/x"]),
        (with("headers", headers(51)), &["/headers"]),
        (with("headers", json!({"x": "v".repeat(4097)})), &["/headers/x"]),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_as_a_whole() {
    let client = Client::of(shared());
    let nested = format!("{{\"body\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let deep = "[".repeat(3_000_000);
    for text in [
        "",
        " ",
        "null",
        "[]",
        "7",
        "\"{}\"",
        "hello",
        "{",
        "{\"messageId\":}",
        "{}{}",
        "{'a':1}",
        "{\"a\":NaN}",
        "\u{feff}{}",
        &nested,
        &deep,
    ] {
        let answer = client.post_text("/message", text.to_owned()).await;
        let what = &text[..text.len().min(40)];
        check(&answer, 400, "VALIDATION_ERROR", &[""], what);
    }
    let answer = client.post_text("/message", vec![b'{', 0xff, b'}']).await;
    check(&answer, 400, "VALIDATION_ERROR", &[""], "not UTF-8");
}

#[tokio::test]
async fn f44_a_field_given_twice_is_refused() {
    let client = Client::of(shared());
    let text = good().to_string();
    for (name, pointer) in [("senderId", "/senderId"), (r"sender\u0049d", "/senderId")] {
        let twice = text.replacen('{', &format!("{{\"{name}\":\"other\","), 1);
        let answer = client.post_text("/message", twice.clone()).await;
        check(&answer, 400, "VALIDATION_ERROR", &[pointer], &twice);
    }
    // Inside the body it is the client's own business.
    let inside = text.replace("\"body\":{}", r#""body":{"a":1,"a":2}"#);
    assert_eq!(client.post_text("/message", inside).await.status, 202);
}

#[tokio::test]
async fn only_json_is_read() {
    let client = Client::of(shared());
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "application/json; charset=latin1"),
        ("content-type", ""),
        ("content-encoding", "gzip"),
    ] {
        let request = client.request(Method::POST, "/message").header(name, value);
        let answer = client.answer(request.body(good().to_string())).await;
        check(&answer, 415, "UNSUPPORTED_MEDIA_TYPE", &[], value);
    }
}

#[tokio::test]
async fn a_correlation_id_is_taken_as_sent_or_refused() {
    let client = Client::of(shared());
    let post = async |id: &str| {
        let request = client.request(Method::POST, "/message").header("x-correlation-id", id);
        client
            .answer(request.header("content-type", "application/json").body(good().to_string()))
            .await
    };
    let longest = "c".repeat(128);
    for id in ["a", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "~!@#", &longest] {
        let answer = post(id).await;
        assert_eq!((answer.status, answer.header("x-correlation-id")), (202, id));
        assert_eq!(answer.json["correlationId"], id);
    }
    for id in ["c".repeat(129).as_str(), "two words", ""] {
        let answer = post(id).await;
        assert_eq!(answer.status, 400, "{id:?}: {answer:?}");
        assert_ne!(answer.header("x-correlation-id"), "", "it has one all the same");
    }
    // Without one, every request gets its own.
    let first = client.post(&good()).await;
    let second = client.post(&good()).await;
    assert_ne!(first.header("x-correlation-id"), second.header("x-correlation-id"));
}

#[tokio::test]
async fn limits_hold_at_their_edges() {
    let client = Client::of(shared());
    let target = shared().target("/demo/ok?");
    let padded = format!("{target}{}", "q".repeat(2048 - target.len()));
    for text in [
        with("messageId", json!(format!("{}-._:@+", "m".repeat(110)))),
        with("messageId", json!(unique(&"m".repeat(100)))),
        with("targetUrl", json!(padded)),
        with("headers", headers(50)),
        with("headers", json!({"x": "v".repeat(4096)})),
        with("headers", json!({})),
        with("timestamp", json!("2026-11-21T05:00:00.123456789+05:30")),
    ] {
        let answer = client.post_text("/message", text.clone()).await;
        assert_eq!(answer.status, 202, "{text}: {answer:?}");
    }
}
