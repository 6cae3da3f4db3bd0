//! What holds for every route: correlation ids, media types, unknown paths and methods.

use axum::body::Body;
use http::{Request, StatusCode};
use relay_ingest::event::Event;

use crate::relay::{Relay, message};

#[tokio::test]
async fn the_clients_correlation_id_comes_back_and_goes_on() {
    let relay = Relay::new();
    let request = Request::post("/message")
        .header("x-correlation-id", "trace~1")
        .body(Body::from(message().to_string()));
    let answer = relay.send(request.unwrap()).await;
    assert_eq!(answer.json["correlationId"], "trace~1");
    assert_eq!(answer.headers["x-correlation-id"], "trace~1");
    assert_eq!(relay.drain()[0].correlation_id.as_str(), "trace~1");
}

#[tokio::test]
async fn a_correlation_id_of_another_form_is_refused_under_one_of_our_own() {
    let relay = Relay::new();
    for id in [&b""[..], b"a b", &[b'x'; 129], b"\xc3\xa4"] {
        let request = Request::get("/health").header("x-correlation-id", id);
        let answer = relay.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.code(), "VALIDATION_ERROR");
        let detail = "header x-correlation-id must be 1 to 128 visible ASCII characters";
        assert_eq!(answer.errors(), [format!(": {detail}")]);
        assert_eq!(answer.json["correlationId"].as_str().unwrap().len(), 32);
    }
}

#[tokio::test]
async fn without_one_the_gateways_request_id_is_used_else_a_random_one() {
    let relay = Relay::new();
    let event = r#"{"rawPath":"/health","requestContext":{"requestId":"JKJaXmPLvHcESHA=","http":{"method":"GET"}}}"#;
    let event: Event = serde_json::from_str(event).unwrap();
    let answer = relay.send(event.into_request()).await;
    assert_eq!(answer.headers["x-correlation-id"], "JKJaXmPLvHcESHA=");
    let (one, other) = (relay.get("/health").await, relay.get("/health").await);
    assert_eq!(one.headers["x-correlation-id"].len(), 32);
    assert_ne!(one.headers["x-correlation-id"], other.headers["x-correlation-id"]);
}

#[tokio::test]
async fn f44_a_body_that_is_not_the_base64_it_is_said_to_be_is_refused() {
    let relay = Relay::new();
    for path in ["/message", "/v1/uploads"] {
        let event = serde_json::json!({
            "rawPath": path, "body": "{not base64}", "isBase64Encoded": true,
            "requestContext": {"http": {"method": "POST"}},
        });
        let event: Event = serde_json::from_str(&event.to_string()).unwrap();
        let answer = relay.send(event.into_request()).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"));
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let relay = Relay::new();
    for path in ["/", "/messages", "/v1/messages/", "/v1/messages/a/b", "/health/", "/MESSAGE"] {
        let answer = relay.get(path).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "NOT_FOUND"), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_there_is_told_which_are() {
    let relay = Relay::new();
    for (method, path, allowed) in [
        ("GET", "/message", "POST"),
        ("DELETE", "/v1/messages", "POST"),
        ("POST", "/health", "GET,HEAD"),
        ("PUT", "/v1/messages/msg_1", "GET,HEAD"),
        ("OPTIONS", "/message", "POST"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = relay.send(request).await;
        assert_eq!(answer.code(), "METHOD_NOT_ALLOWED", "{method} {path}");
        assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn what_says_it_is_not_json_is_not_read() {
    let relay = Relay::new();
    for (header, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "application/json; charset=latin1"),
        ("content-encoding", "gzip"),
    ] {
        for path in ["/message", "/v1/uploads"] {
            let request = Request::post(path).header(header, value);
            let request = request.body(Body::from(message().to_string())).unwrap();
            let answer = relay.send(request).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert_eq!(answer.code(), "UNSUPPORTED_MEDIA_TYPE", "{header}: {value}");
        }
    }
    let unsaid = Request::post("/message").body(Body::from(message().to_string())).unwrap();
    assert_eq!(relay.send(unsaid).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn every_answer_is_for_the_moment() {
    let relay = Relay::new();
    for path in ["/health", "/nothing", "/openapi.json"] {
        assert_eq!(relay.get(path).await.headers["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_problem_document_has_everything_rfc_9457_asks_for() {
    let relay = Relay::new();
    let answer = relay.post_text("/message", "{}").await;
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.json["type"], "urn:webhook-relay:VALIDATION_ERROR");
    assert_eq!(answer.json["title"], "the request is not valid");
    assert_eq!(answer.json["status"], 400);
    assert_eq!(answer.json["detail"], "3 fields are wrong");
    assert_eq!(answer.headers.get("retry-after"), None);
}
