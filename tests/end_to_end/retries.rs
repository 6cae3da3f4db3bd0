//! Attempts that fail: which are made again, when, and what becomes of a message that is given up.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Queues, Received, SOON, message, shared, until};

/// Milliseconds between the arrivals of one message.
fn gaps(received: &[Received]) -> Vec<i64> {
    received.windows(2).map(|pair| pair[1].received_at_ms - pair[0].received_at_ms).collect()
}

fn outcomes(shown: &Value, field: &str) -> Vec<Value> {
    shown["outcomes"].as_array().unwrap().iter().map(|outcome| outcome[field].clone()).collect()
}

#[tokio::test]
async fn a_target_that_keeps_failing_is_tried_three_times_at_growing_gaps_and_then_given_up() {
    let stack = shared();
    let client = Client::of(stack);
    let sent = message("failing", &stack.target("/demo/status/503"));
    let id = client.accept(&sent).await;

    let shown = client.finished(&id).await;
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DEAD"), &json!(3)), "{shown}");
    assert_eq!(shown["reason"], "attempts_exhausted");
    assert_eq!(outcomes(&shown, "attempt"), [1, 2, 3]);
    assert_eq!(outcomes(&shown, "status"), [503, 503, 503]);
    assert_eq!(outcomes(&shown, "answer"), [r#"{"ok":false}"#; 3]);
    assert!(outcomes(&shown, "durationMs").iter().all(Value::is_u64), "{shown}");
    assert!(outcomes(&shown, "at").iter().all(|at| at.as_str().unwrap().ends_with('Z')));

    let received = client.received(&id).await;
    let attempts: Vec<_> = received.iter().map(|one| one.header("webhook-attempt")).collect();
    assert_eq!(attempts, [Some("1"), Some("2"), Some("3")]);
    let gaps = gaps(&received);
    // Half of a step at least: 0.5 s, then four times that.
    assert!(gaps[0] >= 250 && gaps[1] >= 1000 && gaps[1] > gaps[0], "{gaps:?} ms");

    let queues = Queues::of(stack);
    let letter = queues.dead_letter("messageId", sent["messageId"].as_str().unwrap()).await;
    for (name, value) in [
        ("reason", "attempts_exhausted"),
        ("attempts", "3"),
        ("deadLetter", "0"),
        ("senderId", "tests"),
        ("correlationId", shown["correlationId"].as_str().unwrap()),
    ] {
        assert_eq!(letter.attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    let last = &letter.attributes["lastOutcome"];
    assert!(last.starts_with("attempt 3: status 503 after "), "{last}");
    let envelope: Value = serde_json::from_str(&letter.text).unwrap();
    assert_eq!((&envelope["id"], &envelope["v"]), (&json!(id), &json!(2)));
}

#[tokio::test]
async fn a_target_that_fails_twice_gets_its_message_on_the_third_attempt() {
    let stack = shared();
    let client = Client::of(stack);
    let id = client.accept(&message("flaky", &stack.target("/demo/flaky/2"))).await;
    // Between two attempts it says when the next one is due.
    let waiting = until("RETRYING", SOON, async || {
        let shown = client.show(&id).await;
        (shown["status"] == "RETRYING").then_some(shown)
    });
    assert!(waiting.await["notBefore"].is_string());
    let shown = client.finished(&id).await;
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DELIVERED"), &json!(3)), "{shown}");
    assert_eq!(outcomes(&shown, "status"), [503, 503, 200]);
    let received = client.received(&id).await;
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|one| one.header("webhook-id") == Some(&*id)));
    assert!(received.iter().all(|one| one.body() == received[0].body()));
}

#[tokio::test]
async fn what_cannot_get_better_is_given_up_at_once() {
    let stack = shared();
    let client = Client::of(stack);
    let check = async |path: &str, reason: &str, status: u16| {
        let id = client.accept(&message("permanent", &stack.target(path))).await;
        let shown = client.finished(&id).await;
        assert_eq!(shown["status"], "DEAD", "{path}: {shown}");
        assert_eq!((&shown["reason"], &shown["attempts"]), (&json!(reason), &json!(1)), "{path}");
        assert_eq!(outcomes(&shown, "status"), [status], "{path}");
        assert_eq!(client.received(&id).await.len(), 1, "{path}");
    };
    join_all([
        check("/demo/status/404", "rejected", 404),
        check("/demo/status/400", "rejected", 400),
        check("/demo/status/410", "gone", 410),
        check("/demo/status/304", "redirected", 304),
    ])
    .await;
}

#[tokio::test]
async fn f18_a_target_is_not_called_before_the_time_it_asked_for() {
    let stack = shared();
    let client = Client::of(stack);
    // Longest wait of the shared stack: 4 s. Garbage and less than the schedule count as absent.
    let check = async |asked: &str, status: u16, wait: std::ops::Range<i64>| {
        let target = stack.target(&format!("/demo/status/{status}?retry_after={asked}"));
        let id = client.accept(&message("asked", &target)).await;
        let received = until("the second attempt", SOON, async || {
            let received = client.received(&id).await;
            (received.len() >= 2).then_some(received)
        });
        let gap = gaps(&received.await)[0];
        assert!(wait.contains(&gap), "{asked}: {gap} ms");
    };
    join_all([
        check("3", 503, 3000..6000),
        check("3", 429, 3000..6000),
        check("31536000", 503, 4000..8000),
        check("-5", 503, 250..3000),
        check("soon", 503, 250..3000),
        check("Fri%2C%2021%20Nov%202025%2004%3A41%3A00%20GMT", 503, 250..3000),
    ])
    .await;
}

#[tokio::test]
async fn f25_an_endless_answer_is_cut_off_and_counts_by_its_status() {
    let stack = shared();
    let client = Client::of(stack);
    let id = client.accept(&message("huge", &stack.target("/demo/huge"))).await;
    let shown = client.finished(&id).await;
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DELIVERED"), &json!(1)), "{shown}");
    let answer = shown["outcomes"][0]["answer"].as_str().unwrap();
    assert_eq!(answer, "x".repeat(256));
}

#[tokio::test]
async fn f23_a_slow_target_does_not_hold_up_another() {
    let stack = shared();
    let client = Client::of(stack);
    let slow = client.accept(&message("slow", &stack.target("/demo/slow/5s"))).await;
    let quick = client.accept(&message("quick", &stack.target("/demo/ok"))).await;
    client.finished_within(&quick, Duration::from_secs(4)).await;
    assert_ne!(client.show(&slow).await["status"], "DELIVERED");
    assert_eq!(client.finished(&slow).await["status"], "DELIVERED");
}

#[tokio::test]
async fn a_target_that_nobody_listens_at_is_tried_again() {
    let stack = shared();
    let client = Client::of(stack);
    // The relay's own receiver, over a protocol that it does not speak.
    let target = stack.target("/demo/ok").replace("http://", "https://");
    let id = client.accept(&message("tls", &target)).await;
    let shown = client.finished(&id).await;
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DEAD"), &json!(3)), "{shown}");
    assert_eq!(outcomes(&shown, "error"), ["tls", "tls", "tls"]);
    assert_eq!(client.received(&id).await.len(), 0);
}
