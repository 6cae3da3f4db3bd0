//! From the event of the SQS event source to items. Of all that an event says of each, only what is used is kept: an event
//! has some thirty texts for every message.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytestring::ByteString;
use relay_core::envelope::dead_letter_generation;
use relay_core::json_text::unescaped;
use relay_core::ports::Receipt;
use relay_core::time::Timestamp;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::value::RawValue;

use crate::given::Item;

/// The event names no item that could be answered for: the whole invocation fails, and the queue hands
/// everything out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an item of the event has no {0}")]
pub struct EventError(&'static str);

/// A batch of items as Lambda hands it to a function.
#[derive(Debug)]
pub struct SqsEvent {
    records: Vec<SqsMessage>,
}

impl<'de> Deserialize<'de> for SqsEvent {
    /// The text is read apart: Lambda's runtime keeps a copy of every name that it comes by, for its errors.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Event {
            #[serde(rename = "Records")]
            records: Vec<SqsMessage>,
        }
        let text = <&RawValue>::deserialize(deserializer)?;
        let Event { records } = serde_json::from_str(text.get()).map_err(de::Error::custom)?;
        Ok(Self { records })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SqsMessage {
    #[serde(default)]
    message_id: Option<String>,
    #[serde(default)]
    receipt_handle: Option<String>,
    #[serde(default, deserialize_with = "body")]
    body: Option<ByteString>,
    #[serde(default)]
    attributes: Option<SystemAttributes>,
    #[serde(default)]
    message_attributes: Option<MessageAttributes>,
}

/// What the queue says of an item.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SystemAttributes {
    #[serde(default, deserialize_with = "number")]
    approximate_receive_count: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    sent_timestamp: Option<u64>,
}

/// What the relay said of it when it sent it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageAttributes {
    #[serde(default)]
    dead_letter: Option<Attribute>,
    #[serde(default)]
    delay_seconds: Option<Attribute>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    #[serde(default)]
    string_value: Option<String>,
}

/// Reads a text by one copy, which is no longer than it is here: it is by far the longest.
fn body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteString>, D::Error> {
    let Some(text) = <Option<&RawValue>>::deserialize(deserializer)? else { return Ok(None) };
    let text = unescaped(text.get()).ok_or_else(|| de::Error::custom("a body is no text"))?;
    Ok(Some(ByteString::from(text)))
}

/// Reads a number that is written as text; another text is as nothing.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = Option<u64>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a number as text")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(u64::from_str(text).ok())
        }
    }
    deserializer.deserialize_str(Number)
}

/// The items of an event.
///
/// # Errors
/// When an item has no id, receipt or text.
pub fn items_of(event: SqsEvent) -> Result<Vec<Item>, EventError> {
    event.records.into_iter().map(item_of).collect()
}

fn item_of(record: SqsMessage) -> Result<Item, EventError> {
    let attributes = record.attributes.unwrap_or_default();
    let message_attributes = record.message_attributes.unwrap_or_default();
    let text =
        |attribute: Option<Attribute>| attribute.and_then(|attribute| attribute.string_value);
    let dead_letter = text(message_attributes.dead_letter);
    let dead_letter = dead_letter.and_then(|generation| dead_letter_generation(&generation));
    let delay = text(message_attributes.delay_seconds);
    let delay_seconds = delay.as_ref().and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
    let was_delayed_for = Duration::from_secs(delay_seconds);
    let receipts = attributes.approximate_receive_count;
    Ok(Item {
        receipts: receipts.and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
        available_at: attributes
            .sent_timestamp
            .map(|sent_at| Timestamp::from_millis(sent_at).plus(was_delayed_for)),
        dead_letter,
        is_delayed: delay.is_some(),
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
        let items = items_of(serde_json::from_str(&event.to_string()).unwrap()).unwrap();
        assert_eq!((items[0].receipts, items[0].dead_letter.map(|dead| dead.0)), (7, Some(2)));
        assert_eq!(items[0].available_at, Some(Timestamp::from_millis(1_764_000_000_000)));
        assert!(!items[0].is_delayed);
    }

    #[test]
    fn an_event_as_lambda_hands_it_out_is_read() {
        let text = r#"{"Records":[{"messageId":"059f36b4","receiptHandle":"AQEBwJ","body":"{\"v\":1}",
            "attributes":{"ApproximateReceiveCount":"2","AWSTraceHeader":"Root=1-5759e988","SentTimestamp":"1545082649183",
            "SenderId":"AIDAIENQZJOLO23YVJ4VO","ApproximateFirstReceiveTimestamp":"1545082649185"},
            "messageAttributes":{"messageId":{"stringValue":"order-1","stringListValues":[],"binaryListValues":[],
            "dataType":"String"}},"md5OfBody":"e4e68fb7bd0e697a0ae8f1bb342846b3","md5OfMessageAttributes":null,
            "eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:my-queue",
            "awsRegion":"us-east-2"}]}"#;
        let items = items_of(serde_json::from_str(text).unwrap()).unwrap();
        let item = Item {
            item_id: "059f36b4".to_owned(),
            receipt: Receipt("AQEBwJ".to_owned()),
            text: r#"{"v":1}"#.into(),
            receipts: 2,
            available_at: Some(Timestamp::from_millis(1_545_082_649_183)),
            dead_letter: None,
            is_delayed: false,
        };
        assert_eq!(items, [item]);
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
            let items = items_of(serde_json::from_str(&event.to_string()).unwrap()).unwrap();
            let expected = Some(Timestamp::from_millis(available_at));
            assert_eq!((items[0].available_at, items[0].is_delayed), (expected, true), "{delay}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_answered_for_fails_the_invocation() {
        let event = serde_json::json!({"Records": [{"messageId": "1", "body": "{}"}]});
        let read = items_of(serde_json::from_str(&event.to_string()).unwrap());
        assert_eq!(read, Err(EventError("receiptHandle")));
    }
}
