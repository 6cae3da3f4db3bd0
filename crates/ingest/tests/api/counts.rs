//! What ingest counts: each request once, by what was answered.

use relay_core::metrics::{Kind, Metric};
use serde_json::json;

use crate::relay::{Relay, message, message_with};

/// What was counted since this was asked last. The time that a request took is left out.
pub(crate) fn counted(relay: &Relay) -> String {
    let samples = relay.recorder.take();
    let kept = samples.iter().filter(|(metric, _)| *metric != Metric::AcceptMilliseconds);
    kept.map(|(metric, values)| match (metric.definition().kind, values) {
        (Kind::Counter, [sum]) => format!("{} {sum}\n", metric.name()),
        (Kind::Counter | Kind::Distribution, values) => format!("{} {values:?}\n", metric.name()),
    })
    .collect()
}

#[tokio::test]
async fn each_answer_has_its_counters() {
    let relay = Relay::new();
    relay.post(&message()).await;
    let accepted = relay.recorder.take();
    assert_eq!(
        accepted.iter().filter(|(metric, _)| *metric == Metric::AcceptMilliseconds).count(),
        1
    );
    assert_eq!(accepted.sum(Metric::PayloadBytes), r#"{"any":"json"}"#.len() as u64);
    assert_eq!((accepted.sum(Metric::Accepted), accepted.sum(Metric::Requests)), (1, 1));
    relay.post(&message()).await;
    expect_test::expect![[r#"
        Requests 1
        Duplicates 1
    "#]]
    .assert_eq(&counted(&relay));
    relay.post(&message_with(json!({"body": 2}))).await;
    relay.post(&message_with(json!({"method": "BREW"}))).await;
    relay.get("/nowhere").await;
    expect_test::expect![[r#"
        Requests 3
        RefusedValidationError 1
        RefusedMessageIdReused 1
        RefusedNotFound 1
    "#]]
    .assert_eq(&counted(&relay));
}

#[tokio::test]
async fn a_body_that_the_queue_has_but_a_pointer_to_counts_as_offloaded() {
    let relay = Relay::new();
    for (id, bytes, offloaded) in [("fits", 200_000, 0), ("does-not", 300_000, 1)] {
        let body = "x".repeat(bytes);
        relay.post(&message_with(json!({"messageId": id, "body": body}))).await;
        let samples = relay.recorder.take();
        assert_eq!(samples.sum(Metric::Offloaded), offloaded, "{id}");
        assert_eq!(samples.sum(Metric::PayloadBytes), bytes as u64 + 2, "{id}: with its quotes");
    }
}

#[tokio::test]
async fn what_was_set_going_again_is_counted() {
    let (relay, id) = crate::again::dead().await;
    relay.recorder.take();
    relay.post_text(&format!("/v1/messages/{id}/redrive"), "").await;
    expect_test::expect![[r#"
        Requests 1
        Redriven 1
    "#]]
    .assert_eq(&counted(&relay));
}
