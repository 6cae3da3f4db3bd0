//! Hiding: delays, visibility timeouts, stale handles, twelve hours in total, retention. On a clock
//! that is turned.

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, QueueAttributeName};

use crate::harness::{Bench, code};

const NEEDS_CLOCK: &str = "needs a clock that can be turned";

#[tokio::test]
async fn a_delayed_message_appears_when_its_delay_is_over() {
    let Some(bench) = Bench::start_own_or_skip(NEEDS_CLOCK).await else { return };
    let url = bench.queue(&[(QueueAttributeName::DelaySeconds, "60")]).await;
    bench.send(&url, "by the queue").await;
    let send = bench.client.send_message().queue_url(&url);
    send.message_body("by itself").delay_seconds(900).send().await.unwrap();
    let send = bench.client.send_message().queue_url(&url);
    send.message_body("not at all").delay_seconds(0).send().await.unwrap();
    assert_eq!(bench.counts(&url).await, ["1", "0", "2"]);
    assert_eq!(bench.receive_one(&url).await.body(), Some("not at all"));
    bench.advance_seconds(59);
    assert_eq!(bench.counts(&url).await, ["1", "0", "2"], "the first is visible again");
    bench.advance_seconds(1);
    let bodies: Vec<_> = bench.receive(&url).await.into_iter().filter_map(|m| m.body).collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies.contains(&"by the queue".to_owned()), "{bodies:?}");
    bench.advance_seconds(840);
    let bodies: Vec<_> = bench.receive(&url).await.into_iter().filter_map(|m| m.body).collect();
    assert!(bodies.contains(&"by itself".to_owned()), "{bodies:?}");
}

#[tokio::test]
async fn a_received_message_is_hidden_until_its_timeout() {
    let Some(bench) = Bench::start_own_or_skip(NEEDS_CLOCK).await else { return };
    let url = bench.queue(&[(QueueAttributeName::VisibilityTimeout, "40")]).await;
    bench.send(&url, "x").await;
    bench.receive_one(&url).await;
    assert_eq!(bench.counts(&url).await, ["0", "1", "0"]);
    bench.advance_seconds(39);
    assert!(bench.receive(&url).await.is_empty());
    bench.advance_seconds(1);
    let received = bench.receiving(&url).visibility_timeout(5).send().await.unwrap();
    assert_eq!(received.messages().len(), 1, "the timeout is over");
    bench.advance_seconds(5);
    bench.receive_one(&url).await;
}

#[tokio::test]
async fn a_visibility_of_zero_gives_a_message_once_per_receive() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    bench.send(&url, "x").await;
    for _ in 0..2 {
        let received = bench.receiving(&url).visibility_timeout(0).send().await.unwrap();
        assert_eq!(received.messages().len(), 1);
    }
}

#[tokio::test]
async fn visibility_can_be_changed_while_in_flight() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    bench.send(&url, "x").await;
    let message = bench.receive_one(&url).await;
    assert_eq!(bench.hide(&url, &message, 0).await, "ok");
    let again = bench.receive_one(&url).await;
    assert_eq!(bench.hide(&url, &again, 600).await, "ok");
    assert!(bench.receive(&url).await.is_empty());
    let change = |id: &str, handle: &str| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(id)
            .receipt_handle(handle)
            .visibility_timeout(0)
            .build()
            .unwrap()
    };
    let changed = bench
        .client
        .change_message_visibility_batch()
        .queue_url(&url)
        .entries(change("good", again.receipt_handle().unwrap()))
        .entries(change("bad", "nonsense"))
        .send()
        .await
        .unwrap();
    assert_eq!(changed.successful()[0].id(), "good");
    assert_eq!(changed.failed()[0].code(), "ReceiptHandleIsInvalid");
    bench.receive_one(&url).await;
}

#[tokio::test]
async fn the_visibility_of_a_message_not_in_flight_cannot_be_changed() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    bench.send(&url, "x").await;
    let message = bench.receive_one(&url).await;
    assert_eq!(bench.hide(&url, &message, 0).await, "ok");
    let not_in_flight = "AWS.SimpleQueueService.MessageNotInflight";
    assert_eq!(bench.hide(&url, &message, 10).await, not_in_flight);
    bench.delete(&url, &message).await;
    assert_eq!(bench.hide(&url, &message, 10).await, "InvalidParameterValue");
    let nonsense = bench.client.delete_message().queue_url(&url).receipt_handle("nonsense").send();
    assert_eq!(code(&nonsense.await), "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn a_handle_goes_stale_with_the_next_receive() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    bench.send(&url, "x").await;
    let first = bench.receive_one(&url).await;
    assert_eq!(bench.hide(&url, &first, 0).await, "ok");
    let second = bench.receive_one(&url).await;
    assert_ne!(first.receipt_handle(), second.receipt_handle());
    assert_eq!(bench.hide(&url, &first, 0).await, "InvalidParameterValue");
    // No error, and nothing deleted: the last receiver still has it.
    bench.delete(&url, &first).await;
    assert_eq!(bench.counts(&url).await, ["0", "1", "0"]);
    bench.delete(&url, &second).await;
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_late_delete_works_until_someone_else_received_the_message() {
    let Some(bench) = Bench::start_own_or_skip(NEEDS_CLOCK).await else { return };
    let url = bench.queue(&[]).await;
    bench.send(&url, "x").await;
    let message = bench.receive_one(&url).await;
    bench.advance_seconds(31);
    assert_eq!(bench.counts(&url).await, ["1", "0", "0"]);
    bench.delete(&url, &message).await;
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_message_stays_hidden_for_twelve_hours_from_its_receipt_at_most() {
    let Some(bench) = Bench::start_own_or_skip(NEEDS_CLOCK).await else { return };
    let url = bench.queue(&[]).await;
    bench.send(&url, "x").await;
    let message = bench.receiving(&url).visibility_timeout(43_200).send().await.unwrap();
    let message = message.messages()[0].clone();
    bench.advance_seconds(3_600);
    assert_eq!(bench.hide(&url, &message, 39_601).await, "InvalidParameterValue");
    assert_eq!(bench.hide(&url, &message, 39_600).await, "ok");
    assert_eq!(bench.hide(&url, &message, 43_201).await, "InvalidParameterValue");
    bench.advance_seconds(39_600);
    let again = bench.receive_one(&url).await;
    assert_eq!(bench.hide(&url, &again, 43_200).await, "ok", "a new receipt counts anew");
}

#[tokio::test]
async fn a_message_older_than_the_retention_is_gone() {
    let Some(bench) = Bench::start_own_or_skip(NEEDS_CLOCK).await else { return };
    let url = bench.queue(&[(QueueAttributeName::MessageRetentionPeriod, "60")]).await;
    bench.send(&url, "old").await;
    bench.advance_seconds(30);
    bench.send(&url, "young").await;
    bench.advance_seconds(30);
    assert_eq!(bench.receive_one(&url).await.body(), Some("young"));
    bench.advance_seconds(60);
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_long_poll_notices_that_the_clock_was_turned() {
    let Some(bench) = Bench::start_own_or_skip(NEEDS_CLOCK).await else { return };
    let url = bench.queue(&[(QueueAttributeName::DelaySeconds, "300")]).await;
    bench.send(&url, "x").await;
    let poll = bench.receiving(&url).wait_time_seconds(20).send();
    let turn = async { bench.advance_seconds(300) };
    let (answer, ()) = tokio::join!(poll, turn);
    assert_eq!(answer.unwrap().messages().len(), 1);
}
