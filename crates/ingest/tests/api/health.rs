//! Health: the process is up; the services behind it answer, each named with its result.

use http::StatusCode;
use serde_json::json;

use crate::faults::Fault;
use crate::relay::Relay;

#[tokio::test]
async fn the_process_says_that_it_is_up_and_asks_nobody() {
    let relay = Relay::new();
    let answer = relay.get("/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
    assert!(relay.faults.calls().is_empty());
}

#[tokio::test]
async fn every_service_is_named_with_its_result() {
    let relay = Relay::new();
    let answer = relay.get("/health/ready").await;
    assert_eq!(answer.status, StatusCode::OK);
    let all = json!({"table": "ok", "queue": "ok", "bucket": "ok"});
    assert_eq!(answer.json, json!({"status": "ready", "checks": all}));
}

#[tokio::test]
async fn a_service_that_fails_or_hangs_is_told_within_a_second() {
    let relay = Relay::new();
    relay.faults.plan("table ready", Fault::Before);
    relay.faults.plan("queue ready", Fault::Hangs);
    relay.faults.plan("bucket ready", Fault::Hangs);
    let started = std::time::Instant::now();
    let answer = relay.get("/health/ready").await;
    // Both waits of a second go on at once.
    assert!(started.elapsed().as_millis() < 1_900);
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "5");
    let all = json!({"table": "unavailable", "queue": "timed_out", "bucket": "timed_out"});
    assert_eq!(answer.json, json!({"status": "unavailable", "checks": all}));
}
