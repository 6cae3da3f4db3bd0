//! The dead-letter queue, and the limit of messages in flight.

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use crate::harness::{Bench, code, fresh_name, system};

#[tokio::test]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let bench = Bench::start().await;
    let (url, dead) = bench.queue_with_dead_letters(2).await;
    let id = bench.send(&url, "poison").await;
    for receive in ["1", "2"] {
        let message = bench.receive_one(&url).await;
        let count = system(&message, MessageSystemAttributeName::ApproximateReceiveCount);
        assert_eq!(count, Some(receive));
        assert_eq!(bench.hide(&url, &message, 0).await, "ok");
    }
    assert!(bench.receive(&url).await.is_empty(), "it is not received a third time");
    let message = bench.receive_one(&dead).await;
    assert_eq!(message.body(), Some("poison"));
    assert_eq!(message.message_id(), Some(&*id));
    let source = system(&message, MessageSystemAttributeName::DeadLetterQueueSourceArn);
    assert_eq!(source, Some(&*bench.arn(&url)));
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn exhausted_messages_do_not_hold_up_the_others() {
    let bench = Bench::start().await;
    let (url, dead) = bench.queue_with_dead_letters(1).await;
    for number in 0..10 {
        bench.send(&url, &format!("poison {number}")).await;
    }
    for message in bench.receive(&url).await {
        assert_eq!(bench.hide(&url, &message, 0).await, "ok");
    }
    bench.send(&url, "good").await;
    assert_eq!(bench.receive_one(&url).await.body(), Some("good"));
    assert_eq!(bench.counts(&dead).await, ["10", "0", "0"]);
}

#[tokio::test]
async fn a_dead_letter_queue_must_exist_and_its_sources_are_listed() {
    let bench = Bench::start().await;
    let (url, dead) = bench.queue_with_dead_letters(3).await;
    let sources = bench.client.list_dead_letter_source_queues().queue_url(&dead).send().await;
    assert_eq!(sources.unwrap().queue_urls(), [url]);
    let policy = bench.attributes(&sources_of(&bench, &dead).await).await["RedrivePolicy"].clone();
    let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["deadLetterTargetArn"], bench.arn(&dead));
    let absent = bench.arn("absent");
    let policy = format!(r#"{{"deadLetterTargetArn":"{absent}","maxReceiveCount":1}}"#);
    let made = bench
        .client
        .create_queue()
        .queue_name(fresh_name())
        .attributes(QueueAttributeName::RedrivePolicy, policy)
        .send()
        .await;
    assert_eq!(code(&made), "InvalidParameterValue");
}

async fn sources_of(bench: &Bench, dead: &str) -> String {
    let sources = bench.client.list_dead_letter_source_queues().queue_url(dead).send().await;
    sources.unwrap().queue_urls()[0].clone()
}

#[tokio::test]
async fn a_dead_letter_keeps_its_age() {
    let why = "needs a clock that can be turned";
    let Some(bench) = Bench::start_own_or_skip(why).await else { return };
    let (url, dead) = bench.queue_with_dead_letters(1).await;
    bench.send(&url, "x").await;
    bench.receive_one(&url).await;
    bench.advance_seconds(345_590);
    assert!(bench.receive(&url).await.is_empty());
    assert_eq!(bench.counts(&dead).await, ["1", "0", "0"]);
    bench.advance_seconds(10);
    assert_eq!(bench.counts(&dead).await, ["0", "0", "0"]);
}
