//! A worker that is killed in the middle of a delivery.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Client, Launch, Queues, SOON, is_running, message, signal, template_with, until,
};

/// How long a killed delivery takes to come back here: the queue hides its message for 13 s, the lease
/// ends before that. Three times that, for a machine that is busy.
pub(crate) const COMES_BACK_WITHIN: Duration = Duration::from_secs(40);

/// The stack with every time made short that a killed worker leaves to wait for: the visibility timeout
/// (13 s, from 780), the function's timeout (13 s, from 120), the lease (12 s: 3 s for the attempt, next
/// to nothing for its body, and 8 s to settle).
pub(crate) fn quick_to_recover(name: &str) -> Launch {
    let template = template_with(&[
        ("VisibilityTimeout: 780", "VisibilityTimeout: 13"),
        ("Timeout: 120", "Timeout: 13"),
    ]);
    Launch::new(name)
        .template(&template)
        .parameter("BatchWindowSeconds", "0")
        .setting("DELIVERY_TIMEOUT_SECONDS", "3")
        .setting("DELIVERY_CONNECT_TIMEOUT_SECONDS", "1")
        .setting("PAYLOAD_BYTES_MAX", "1024")
        .setting("DELIVERY_LEASE_SECONDS", "12")
        .setting("RETRY_BASE_SECONDS", "0.5")
}

#[tokio::test]
async fn f09_a_worker_killed_mid_delivery_costs_an_attempt_and_loses_nothing() {
    let stack = quick_to_recover("killed-worker").start();
    let client = Client::of(&stack);
    let id = client.accept(&message("killed", &stack.target("/demo/slow/1200ms"))).await;
    until("the first arrival", SOON, async || {
        (!client.received(&id).await.is_empty()).then_some(())
    })
    .await;
    let busy = client.busy("worker").await;
    let [worker] = busy[..] else { panic!("one worker is at it: {busy:?}") };
    assert!(signal(worker, "KILL"));
    until("its end", SOON, async || (!is_running(worker)).then_some(())).await;
    assert_eq!(client.show(&id).await["status"], "PROCESSING");

    let shown = client.finished_within(&id, COMES_BACK_WITHIN).await;
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DELIVERED"), &json!(2)), "{shown}");
    let first = &shown["outcomes"][0];
    assert_eq!((&first["attempt"], &first["error"]), (&json!(1), &json!("unknown")), "{shown}");
    let second = &shown["outcomes"][1];
    assert_eq!((&second["attempt"], &second["status"]), (&json!(2), &json!(200)), "{shown}");
    let received = client.received(&id).await;
    let attempts: Vec<_> = received.iter().map(|one| one.header("webhook-attempt")).collect();
    assert_eq!(attempts, [Some("1"), Some("2")], "both under the same webhook-id");
    Queues::of(&stack).drained().await;
}

#[tokio::test]
async fn f09_a_message_that_kills_its_worker_every_time_is_given_up() {
    let stack = quick_to_recover("killing-message").setting("RETRY_ATTEMPTS_MAX", "2").start();
    let client = Client::of(&stack);
    let sent = message("killing", &stack.target("/demo/slow/1200ms"));
    let id = client.accept(&sent).await;
    for attempt in 1..=2 {
        until("an arrival", COMES_BACK_WITHIN, async || {
            (client.received(&id).await.len() == attempt).then_some(())
        })
        .await;
        for worker in client.busy("worker").await {
            assert!(signal(worker, "KILL"));
        }
    }
    let shown = client.finished_within(&id, COMES_BACK_WITHIN).await;
    assert_eq!(
        (&shown["status"], &shown["reason"]),
        (&json!("DEAD"), &json!("attempts_exhausted"))
    );
    assert_eq!(shown["attempts"], 2, "{shown}");
    assert_eq!(client.received(&id).await.len(), 2, "it is buried without another call");
    let queues = Queues::of(&stack);
    let letter = queues.dead_letter("messageId", sent["messageId"].as_str().unwrap()).await;
    assert_eq!(letter.attributes["reason"], "attempts_exhausted");
}
