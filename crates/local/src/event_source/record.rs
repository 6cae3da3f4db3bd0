//! Builds the events that Lambda makes of SQS messages.

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::{Map, Value as Json, json};

use crate::lambda::EVENT_BYTES_MAX;

/// Bytes around the records of an event: `{"Records":[` and `]}`.
const ENVELOPE_BYTES: usize = 14;

/// Where the messages come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) queue_arn: String,
    pub(super) region: String,
}

/// One event and the messages in it.
pub(super) struct Batch {
    pub(super) event: Bytes,
    pub(super) messages: Vec<Message>,
}

/// Makes events of the messages: one, unless it would be larger than Lambda takes.
pub(super) fn batches(source: &Source, messages: Vec<Message>) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut records: Vec<String> = Vec::new();
    let mut taken: Vec<Message> = Vec::new();
    let mut bytes = ENVELOPE_BYTES;
    for message in messages {
        let record = record(source, &message).to_string();
        if !taken.is_empty() && bytes + record.len() + 1 > EVENT_BYTES_MAX {
            batches.push(batch(&records, std::mem::take(&mut taken)));
            records.clear();
            bytes = ENVELOPE_BYTES;
        }
        bytes += record.len() + 1;
        records.push(record);
        taken.push(message);
    }
    if !taken.is_empty() {
        batches.push(batch(&records, taken));
    }
    batches
}

fn batch(records: &[String], messages: Vec<Message>) -> Batch {
    Batch { event: Bytes::from(format!("{{\"Records\":[{}]}}", records.join(","))), messages }
}

/// One message as Lambda shows it.
fn record(source: &Source, message: &Message) -> Json {
    let mut attributes = Map::new();
    for (name, value) in message.attributes.iter().flatten() {
        attributes.insert(name.as_str().to_owned(), Json::from(value.as_str()));
    }
    let mut message_attributes = Map::new();
    for (name, value) in message.message_attributes.iter().flatten() {
        message_attributes.insert(name.clone(), message_attribute(value));
    }
    let mut record = json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": message_attributes,
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": source.queue_arn,
        "awsRegion": source.region,
    });
    if let Some(digest) = &message.md5_of_message_attributes {
        record["md5OfMessageAttributes"] = Json::from(digest.as_str());
    }
    record
}

fn message_attribute(value: &MessageAttributeValue) -> Json {
    let mut attribute = json!({
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value.data_type,
    });
    if let Some(text) = &value.string_value {
        attribute["stringValue"] = Json::from(text.as_str());
    }
    if let Some(bytes) = &value.binary_value {
        attribute["binaryValue"] = Json::from(BASE64.encode(bytes.as_ref()));
    }
    attribute
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use aws_sdk_sqs::primitives::Blob;
    use aws_sdk_sqs::types::MessageSystemAttributeName;

    fn source() -> Source {
        Source {
            queue_arn: "arn:aws:sqs:eu-west-1:000000000000:jobs".to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    fn message(id: &str, body: &str) -> Message {
        Message::builder().message_id(id).receipt_handle(format!("r-{id}")).body(body).build()
    }

    #[test]
    fn an_event_has_the_shape_that_lambda_gives() {
        let text = MessageAttributeValue::builder()
            .data_type("String")
            .string_value("m-1")
            .build()
            .unwrap();
        let binary = MessageAttributeValue::builder()
            .data_type("Binary")
            .binary_value(Blob::new(b"hi".to_vec()))
            .build()
            .unwrap();
        let message = Message::builder()
            .message_id("id-1")
            .receipt_handle("handle")
            .body("{\"v\":1}")
            .md5_of_body("d1")
            .md5_of_message_attributes("d2")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "2")
            .attributes(MessageSystemAttributeName::AwsTraceHeader, "Root=1")
            .message_attributes("messageId", text)
            .message_attributes("blob", binary)
            .build();
        let batches = batches(&source(), vec![message]);
        let event: Json = serde_json::from_slice(&batches[0].event).unwrap();
        let expected = json!({ "Records": [{
            "messageId": "id-1",
            "receiptHandle": "handle",
            "body": "{\"v\":1}",
            "attributes": { "ApproximateReceiveCount": "2", "AWSTraceHeader": "Root=1" },
            "messageAttributes": {
                "messageId": { "stringValue": "m-1", "stringListValues": [], "binaryListValues": [], "dataType": "String" },
                "blob": { "binaryValue": "aGk=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary" },
            },
            "md5OfBody": "d1",
            "md5OfMessageAttributes": "d2",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:jobs",
            "awsRegion": "eu-west-1",
        }]});
        assert_eq!(event, expected);
        let parsed: aws_lambda_events::sqs::SqsEvent =
            serde_json::from_slice(&batches[0].event).unwrap();
        assert_eq!(parsed.records[0].attributes["ApproximateReceiveCount"], "2");
    }

    #[test]
    fn a_batch_that_is_too_large_for_one_event_becomes_several() {
        // A mebibyte of quotes doubles in JSON: three fit into an event.
        let body = "\"".repeat(1_000_000);
        let messages = (0..7).map(|number| message(&number.to_string(), &body)).collect();
        let batches = batches(&source(), messages);
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.messages.len()).collect();
        assert_eq!(sizes, [3, 3, 1]);
        assert!(batches.iter().all(|batch| batch.event.len() <= EVENT_BYTES_MAX));
    }
}
