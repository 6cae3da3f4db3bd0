//! Messages sent, received, deleted; alone, in batches, in bursts.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, SendMessageBatchRequestEntry,
};

use crate::harness::{Bench, CALLER, START_MILLIS, code, system};

pub(crate) fn entry(
    id: impl Into<String>,
    body: impl Into<String>,
) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

#[tokio::test]
async fn a_message_goes_through_byte_for_byte_and_is_deleted() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let body = "{\"a\" : 1e400,\t\"ä\":\"\u{1F600} \\ud83d\"}\r\n \u{FFFD}\u{10FFFF}";
    let sent = bench.client.send_message().queue_url(&url).message_body(body).send().await.unwrap();
    let message = bench.receive_one(&url).await;
    assert_eq!(message.body(), Some(body));
    assert_eq!(message.message_id(), sent.message_id());
    assert_eq!(message.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(system(&message, MessageSystemAttributeName::ApproximateReceiveCount), Some("1"));
    assert!(bench.receive(&url).await.is_empty());
    bench.delete(&url, &message).await;
    bench.delete(&url, &message).await;
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn system_attributes_tell_the_history_of_a_message() {
    let Some(bench) = Bench::start_own_or_skip("compares times on a turned clock").await else {
        return;
    };
    let url = bench.queue(&[]).await;
    bench.send(&url, "x").await;
    bench.advance_seconds(5);
    bench.receive_one(&url).await;
    bench.advance_seconds(30);
    let again = bench.receive_one(&url).await;
    let (sent, first) = (START_MILLIS.to_string(), (START_MILLIS + 5_000).to_string());
    for (name, value) in [
        (MessageSystemAttributeName::SenderId, CALLER),
        (MessageSystemAttributeName::SentTimestamp, &sent),
        (MessageSystemAttributeName::ApproximateFirstReceiveTimestamp, &first),
        (MessageSystemAttributeName::ApproximateReceiveCount, "2"),
    ] {
        assert_eq!(system(&again, name.clone()), Some(value), "{name}");
    }
    let plain = bench.client.receive_message().queue_url(&url).send().await.unwrap();
    assert!(plain.messages().is_empty());
    bench.advance_seconds(30);
    let plain = bench.client.receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!(plain.messages()[0].attributes(), None);
}

#[tokio::test]
async fn a_batch_answers_each_entry_for_itself() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let sent = bench
        .client
        .send_message_batch()
        .queue_url(&url)
        .entries(entry("good", "a"))
        .entries(entry("bad", "\u{FFFE}"))
        .entries(entry("also-good_1", "b"))
        .send()
        .await
        .unwrap();
    let good: Vec<&str> = sent.successful().iter().map(|entry| entry.id()).collect();
    assert_eq!(good, ["good", "also-good_1"]);
    assert_eq!(sent.failed().len(), 1);
    let failed = &sent.failed()[0];
    assert_eq!(
        (failed.id(), failed.code(), failed.sender_fault()),
        ("bad", "InvalidMessageContents", true)
    );
    let received = bench.receive(&url).await;
    let mut delete = bench.client.delete_message_batch().queue_url(&url);
    for (number, message) in received.iter().enumerate() {
        let handle = message.receipt_handle().unwrap();
        let entry = DeleteMessageBatchRequestEntry::builder().id(number.to_string());
        delete = delete.entries(entry.receipt_handle(handle).build().unwrap());
    }
    let bad = DeleteMessageBatchRequestEntry::builder().id("bad").receipt_handle("nonsense");
    let deleted = delete.entries(bad.build().unwrap()).send().await.unwrap();
    assert_eq!(deleted.successful().len(), 2);
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_batch_that_is_wrong_as_a_whole_is_refused_as_a_whole() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let eleven = (0..11).map(|number| entry(number.to_string(), "x")).collect();
    for (entries, expected) in [
        (vec![], "EmptyBatchRequest"),
        (eleven, "TooManyEntriesInBatchRequest"),
        (vec![entry("a", "x"), entry("a", "y")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a b", "x")], "InvalidBatchEntryId"),
        (vec![entry("a".repeat(81), "x")], "InvalidBatchEntryId"),
    ] {
        let sent = bench.client.send_message_batch().queue_url(&url);
        let sent = sent.set_entries(Some(entries)).send().await;
        assert_eq!(code(&sent), format!("AWS.SimpleQueueService.{expected}"));
    }
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_long_poll_is_woken_by_a_message_and_ends_in_time_without_one() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let started = Instant::now();
    // Several rounds, so that being woken differs clearly from looking again now and then.
    for _ in 0..10 {
        let poll = bench.receiving(&url).wait_time_seconds(20).send();
        let send = async {
            // Gives the poll time to begin waiting; the check holds whichever comes first.
            tokio::time::sleep(Duration::from_millis(30)).await;
            bench.send(&url, "x").await;
        };
        let (answer, ()) = tokio::join!(poll, send);
        let answer = answer.unwrap();
        assert_eq!(answer.messages().len(), 1);
        bench.delete(&url, &answer.messages()[0]).await;
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let started = Instant::now();
    let empty = bench.receiving(&url).wait_time_seconds(1).send().await.unwrap();
    assert!(empty.messages().is_empty());
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_burst_is_taken_quickly_and_every_message_comes_out_once() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let started = Instant::now();
    let senders = (0..32).map(|sender| {
        let (bench, url) = (&bench, &url);
        async move {
            for number in 0..500 / 32 {
                bench.send(url, &format!("{sender}-{number}")).await;
            }
        }
    });
    futures::future::join_all(senders).await;
    let mut seen = BTreeSet::new();
    let count = 32 * (500 / 32);
    while seen.len() < count {
        let messages = bench.receive(&url).await;
        assert!(!messages.is_empty(), "only {} of {count} arrived", seen.len());
        for message in messages {
            assert!(seen.insert(message.body().unwrap().to_owned()), "twice: {message:?}");
            bench.delete(&url, &message).await;
        }
    }
    eprintln!("{count} messages sent, received and deleted in {:?}", started.elapsed());
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}
