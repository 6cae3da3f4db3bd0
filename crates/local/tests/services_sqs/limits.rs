//! Sizes and characters.

use aws_sdk_sqs::types::QueueAttributeName;

use crate::attributes::text;
use crate::harness::{Bench, code, code_or_ok};
use crate::messages::entry;

const MEBIBYTE: usize = 1_048_576;

async fn send(bench: &Bench, url: &str, body: String) -> String {
    let sent = bench.client.send_message().queue_url(url).message_body(body).send().await;
    code_or_ok(&sent)
}

#[tokio::test]
async fn a_message_may_be_a_mebibyte_and_not_a_byte_more() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    assert_eq!(send(&bench, &url, "x".repeat(MEBIBYTE)).await, "ok");
    assert_eq!(send(&bench, &url, "x".repeat(MEBIBYTE + 1)).await, "InvalidParameterValue");
    // Characters that JSON writes as six bytes or two count as what they are.
    assert_eq!(send(&bench, &url, "\t".repeat(MEBIBYTE)).await, "ok");
    assert_eq!(send(&bench, &url, "ä".repeat(MEBIBYTE / 2)).await, "ok");
    assert_eq!(send(&bench, &url, "ä".repeat(MEBIBYTE / 2) + "x").await, "InvalidParameterValue");
}

#[tokio::test]
async fn attributes_count_towards_the_size_of_a_message() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let attribute_bytes = "name".len() + "String".len() + "value".len();
    for (body_bytes, expected) in
        [(MEBIBYTE - attribute_bytes, "ok"), (MEBIBYTE, "InvalidParameterValue")]
    {
        let send = bench.client.send_message().queue_url(&url);
        let send = send.message_attributes("name", text("String", "value"));
        let sent = send.message_body("x".repeat(body_bytes)).send().await;
        assert_eq!(code_or_ok(&sent), expected, "{body_bytes}");
    }
}

#[tokio::test]
async fn a_queue_may_take_less_than_the_service() {
    let bench = Bench::start().await;
    let url = bench.queue(&[(QueueAttributeName::MaximumMessageSize, "1024")]).await;
    assert_eq!(send(&bench, &url, "x".repeat(1024)).await, "ok");
    assert_eq!(send(&bench, &url, "x".repeat(1025)).await, "InvalidParameterValue");
}

#[tokio::test]
async fn a_batch_may_be_a_mebibyte_in_all() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let half = MEBIBYTE / 2;
    for (second_bytes, expected) in
        [(half, "ok"), (half + 1, "AWS.SimpleQueueService.BatchRequestTooLong")]
    {
        let sent = bench
            .client
            .send_message_batch()
            .queue_url(&url)
            .entries(entry("a", "x".repeat(half)))
            .entries(entry("b", "x".repeat(second_bytes)))
            .send()
            .await;
        assert_eq!(code_or_ok(&sent), expected);
    }
}

#[tokio::test]
async fn characters_outside_the_set_are_refused() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    for bad in ["\u{0}", "\u{8}", "\u{B}", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
        let code = send(&bench, &url, format!("a{bad}")).await;
        assert_eq!(code, "InvalidMessageContents", "{bad:?}");
    }
    for good in ["\t\n\r", " ", "\u{7F}", "\u{D7FF}", "\u{E000}", "\u{FFFD}", "\u{10000}"] {
        assert_eq!(send(&bench, &url, good.to_owned()).await, "ok", "{good:?}");
    }
    assert_eq!(send(&bench, &url, String::new()).await, "MissingParameter");
}

#[tokio::test]
async fn numbers_outside_their_range_are_refused() {
    let bench = Bench::start().await;
    let url = bench.queue(&[]).await;
    let sent = bench.client.send_message().queue_url(&url).message_body("x");
    assert_eq!(code(&sent.delay_seconds(901).send().await), "InvalidParameterValue");
    for number in [0, 11] {
        let received = bench.receiving(&url).max_number_of_messages(number).send().await;
        assert_eq!(code(&received), "InvalidParameterValue", "{number} messages");
    }
    let received = bench.receiving(&url).wait_time_seconds(21).send().await;
    assert_eq!(code(&received), "InvalidParameterValue");
    let received = bench.receiving(&url).visibility_timeout(43_201).send().await;
    assert_eq!(code(&received), "InvalidParameterValue");
}
