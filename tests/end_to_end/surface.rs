//! What else the API answers: health, its own description, CORS, and paths that are not there.

use reqwest::Method;
use serde_json::json;

use crate::support::{Client, shared};

#[tokio::test]
async fn health_tells_the_version_and_readiness_each_service() {
    let client = Client::of(shared());
    let health = client.get("/health").await;
    assert_eq!((health.status, &health.json["status"]), (200, &json!("ok")));
    assert_eq!(health.json["version"], env!("CARGO_PKG_VERSION"));
    let ready = client.get("/health/ready").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let checks = json!({ "table": "ok", "queue": "ok", "bucket": "ok" });
    assert_eq!(ready.json, json!({ "status": "ready", "checks": checks }));
}

#[tokio::test]
async fn the_api_describes_itself() {
    let client = Client::of(shared());
    let answer = client.get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert!(answer.json["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in ["/v1/messages", "/v1/messages/{id}", "/v1/uploads", "/health", "/health/ready"] {
        assert!(answer.json["paths"][path].is_object(), "{path}");
    }
}

#[tokio::test]
async fn both_paths_take_the_same_message() {
    let client = Client::of(shared());
    let message = crate::support::message("paths", &shared().target("/demo/ok"));
    let id = client.post_text("/v1/messages", message.to_string()).await.accepted();
    let again = client.post(&message).await;
    assert_eq!((again.status, again.json["id"].as_str()), (200, Some(&*id)));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let client = Client::of(shared());
    let absent = format!("/v1/messages/msg_{}", "a".repeat(32));
    for path in [&absent, "/v1/messages/order-1042", "/v1/messages/msg_%2e%2e", "/v1/messages/%ff"]
    {
        let answer = client.get(path).await;
        assert_eq!((answer.status, &answer.json["code"]), (404, &json!("NOT_FOUND")), "{path}");
    }
    for (method, path) in
        [("GET", "/message"), ("DELETE", "/message"), ("PUT", "/v1/messages"), ("GET", "/nowhere")]
    {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = client.answer(client.request(method, path)).await;
        assert_eq!(answer.status, 404, "the gateway has no such route: {path}");
    }
}

#[tokio::test]
async fn pages_may_call_it() {
    let client = Client::of(shared());
    let origin = "https://console.example.com";
    let preflight = client
        .request(Method::OPTIONS, "/message")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let answer = client.answer(preflight).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, "*"));
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    assert!(answer.header("access-control-allow-headers").contains("content-type"));
    let refused = client.request(Method::POST, "/message").header("origin", origin);
    let answer = client.answer(refused.body("{}")).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (400, "*"));
    assert!(answer.header("access-control-expose-headers").contains("x-correlation-id"));
}
