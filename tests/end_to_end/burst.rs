//! Many messages at once.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

use futures::StreamExt;
use futures::stream;

use crate::support::{Client, Launch, alone, message, until};

/// Messages posted.
const MESSAGES: usize = 500;
/// How many at one time.
const CONCURRENCY: usize = 32;
/// Longest that all may take: ten times what a small machine needs. The rate is printed, not judged.
const WITHIN: Duration = Duration::from_secs(120);

#[tokio::test]
async fn f08_five_hundred_messages_posted_32_at_a_time_are_each_delivered_once() {
    let _alone = alone().await;
    let stack = Launch::new("burst").parameter("BatchWindowSeconds", "0").start();
    let client = Client::of(&stack);
    let target = stack.target("/demo/ok");
    let started = Instant::now();
    let ids: Vec<String> = stream::iter(0..MESSAGES)
        .map(async |_| client.accept(&message("burst", &target)).await)
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let accepted = started.elapsed();
    until("every arrival", WITHIN, async || {
        (client.all_received("").await.len() >= MESSAGES).then_some(())
    })
    .await;
    let delivered = started.elapsed();
    for id in &ids {
        let shown = client.finished_within(id, WITHIN).await;
        assert_eq!(
            (shown["status"].as_str(), shown["attempts"].as_u64()),
            (Some("DELIVERED"), Some(1))
        );
    }
    let mut counts = BTreeMap::<String, usize>::new();
    for received in client.all_received("").await {
        *counts.entry(received.header("webhook-id").unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(counts.len(), MESSAGES);
    assert!(ids.iter().all(|id| counts.get(id) == Some(&1)), "each once");
    let rate = |time: Duration| MESSAGES as f64 / time.as_secs_f64();
    println!(
        "{MESSAGES} messages at {CONCURRENCY}: accepted {:.0} a second, delivered {:.0} a second",
        rate(accepted),
        rate(delivered)
    );
}
