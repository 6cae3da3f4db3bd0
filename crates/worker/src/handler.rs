//! From the event of the SQS event source to items.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use relay_core::envelope::{DEAD_LETTER_ATTRIBUTE, DELAY_ATTRIBUTE, dead_letter_generation};
use relay_core::ports::Receipt;
use relay_core::time::Timestamp;

use crate::deliver::Item;

/// The event names no item that could be answered for: the whole invocation fails, and the queue hands
/// everything out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an item of the event has no {0}")]
pub struct EventError(&'static str);

/// The items of an event.
///
/// # Errors
/// When an item has no id, receipt or text.
pub fn items_of(event: SqsEvent) -> Result<Vec<Item>, EventError> {
    event.records.into_iter().map(item_of).collect()
}

fn item_of(record: SqsMessage) -> Result<Item, EventError> {
    let attribute = |name: &str| record.message_attributes.get(name)?.string_value.as_deref();
    let dead_letter = attribute(DEAD_LETTER_ATTRIBUTE).and_then(dead_letter_generation);
    let delay_seconds = attribute(DELAY_ATTRIBUTE).and_then(|seconds| seconds.parse().ok());
    let delay = Duration::from_secs(delay_seconds.unwrap_or_default());
    let number = |name: &str| record.attributes.get(name)?.parse::<u64>().ok();
    Ok(Item {
        receipts: number("ApproximateReceiveCount")
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(1),
        available_at: number("SentTimestamp")
            .map(|sent_at| Timestamp::from_millis(sent_at).plus(delay)),
        dead_letter,
        item_id: record.message_id.ok_or(EventError("messageId"))?,
        receipt: Receipt(record.receipt_handle.ok_or(EventError("receiptHandle"))?),
        text: record.body.ok_or(EventError("body"))?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_item_is_read_from_its_record() {
        let event = serde_json::json!({"Records": [{
            "messageId": "1", "receiptHandle": "r", "body": "{}",
            "attributes": {"ApproximateReceiveCount": "7", "SentTimestamp": "1764000000000"},
            "messageAttributes": {"deadLetter": {"stringValue": "2", "dataType": "String"}},
        }]});
        let items = items_of(serde_json::from_value(event).unwrap()).unwrap();
        assert_eq!((items[0].receipts, items[0].dead_letter.map(|dead| dead.0)), (7, Some(2)));
        assert_eq!(items[0].available_at, Some(Timestamp::from_millis(1_764_000_000_000)));
    }

    #[test]
    fn a_delayed_copy_could_be_received_when_its_delay_was_over() {
        for (delay, available_at) in
            [("900", 1_764_000_900_000), ("soon", 1_764_000_000_000), ("-1", 1_764_000_000_000)]
        {
            let event = serde_json::json!({"Records": [{
                "messageId": "1", "receiptHandle": "r", "body": "{}",
                "attributes": {"SentTimestamp": "1764000000000"},
                "messageAttributes": {"delaySeconds": {"stringValue": delay, "dataType": "String"}},
            }]});
            let items = items_of(serde_json::from_value(event).unwrap()).unwrap();
            let expected = Some(Timestamp::from_millis(available_at));
            assert_eq!(items[0].available_at, expected, "{delay}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_answered_for_fails_the_invocation() {
        let event = serde_json::json!({"Records": [{"messageId": "1", "body": "{}"}]});
        let read = items_of(serde_json::from_value(event).unwrap());
        assert_eq!(read, Err(EventError("receiptHandle")));
    }
}
