//! Events as API Gateway and SQS give them to the functions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use relay_core::body::{Body, Pointer};
use relay_core::destination::{Method, Target};
use relay_core::envelope::Envelope;
use relay_core::headers::Headers;
use relay_core::identity::{AcceptedId, CorrelationId, Generation, MessageId, RelayId, SenderId};
use relay_core::lifecycle::Life;
use relay_core::time::Timestamp;
use serde_json::{Value, json};

use crate::error::BenchError;

/// Who sends.
pub const SENDER: &str = "billing";
/// Digits at the end of an item's identifier: its number within the batch.
pub const ITEM_DIGITS: usize = 7;
/// How long a message lives.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// JSON of about so many bytes, never fewer: orders of a shop, in which every tenth character is a quote.
#[must_use]
pub fn payload(bytes: usize) -> String {
    let mut text = String::from("[");
    let mut number = 0_u32;
    while text.len() + 1 < bytes {
        if number > 0 {
            text.push(',');
        }
        let line = format!(
            r#"{{"id":{},"name":"stainless steel water bottle, {number}","price":19.90}}"#,
            10_000_000 + number
        );
        text.push_str(&line);
        number += 1;
    }
    text.push(']');
    text
}

/// The fields of one message.
fn message(id: &str, target: &str, payload: &str) -> String {
    // The payload is put in as it is: a client does not sort its keys either.
    format!(
        r#"{{"messageId":"{id}","senderId":"{SENDER}","targetUrl":"{target}","headers":{{"x-order":"1042"}},"body":{payload}}}"#
    )
}

/// `POST /message` with one message.
#[must_use]
pub fn single(id: &str, target: &str, payload: &str) -> Bytes {
    post("/message", &message(id, target, payload))
}

/// `POST /v1/messages/bulk` with one message for each id.
#[must_use]
pub fn bulk(ids: &[String], target: &str, payload: &str) -> Bytes {
    let messages: Vec<_> = ids.iter().map(|id| message(id, target, payload)).collect();
    post("/v1/messages/bulk", &format!(r#"{{"messages":[{}]}}"#, messages.join(",")))
}

fn post(path: &str, body: &str) -> Bytes {
    let event = json!({
        "version": "2.0",
        "routeKey": format!("POST {path}"),
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "*/*", "content-length": body.len().to_string(), "content-type": "application/json",
            "host": "relay.execute-api.us-east-1.amazonaws.com", "user-agent": "bench/1.0",
            "x-amzn-trace-id": "Root=1-65f0b1d2-3c5f0a5d4e6b7a8c9d0e1f2a",
            "x-forwarded-for": "203.0.113.7", "x-forwarded-port": "443", "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012", "apiId": "relay", "domainName": "relay.execute-api.us-east-1.amazonaws.com",
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "bench/1.0"},
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": format!("POST {path}"), "stage": "$default",
            "time": "21/Nov/2026:05:00:00 +0000", "timeEpoch": 1_795_237_200_000_u64,
        },
        "body": body,
        "isBase64Encoded": false,
    });
    Bytes::from(event.to_string())
}

/// The body of a queued message.
#[derive(Debug, Clone)]
pub enum Content {
    /// It travels with it.
    Inline(Bytes),
    /// It lies in the bucket.
    Stored(Pointer),
}

/// The queue message of a message that has just been accepted.
///
/// # Errors
/// When `target` is no URL that the relay takes.
pub fn envelope(id: &str, target: &str, content: &Content) -> Result<String, BenchError> {
    envelope_at(id, target, content, now())
}

/// The queue message of a message that was accepted at this time.
///
/// # Errors
/// When `target` is no URL that the relay takes.
pub fn envelope_at(
    id: &str,
    target: &str,
    content: &Content,
    now: Timestamp,
) -> Result<String, BenchError> {
    let wrong = |what: &str| BenchError::Unexpected(format!("{what} cannot be sent to the relay"));
    let sender = SenderId::parse(SENDER).map_err(|_| wrong(SENDER))?;
    let message = MessageId::parse(id).map_err(|_| wrong(id))?;
    let (body, retained) = match content {
        Content::Inline(bytes) => (Body::Inline(bytes.clone()), true),
        Content::Stored(pointer) => (Body::Stored(pointer.clone()), true),
    };
    let envelope = Envelope {
        id: RelayId::of(&sender, &message),
        sender_id: sender,
        message_id: message,
        life: Life {
            accepted_id: AcceptedId::from_random([7; 16]),
            generation: Generation::default(),
            generation_started_at: now,
            expires_at: now.plus(LIFE),
        },
        target: Target::parse(target).map_err(|_| wrong(target))?,
        method: Method::Post,
        headers: Headers::default(),
        correlation_id: CorrelationId::parse("bench").map_err(|_| wrong("the correlation id"))?,
        trace: None,
        body,
        retained,
    };
    Ok(envelope.to_json())
}

/// The event of a batch of queue messages, received for the first time.
#[must_use]
pub fn batch(envelopes: &[String]) -> Bytes {
    received(envelopes, now(), 1)
}

/// The same, received for the `receipts`-th time.
#[must_use]
pub fn batch_again(envelopes: &[String], receipts: usize) -> Bytes {
    received(envelopes, now(), receipts)
}

/// The event of a batch of queue messages, received for the first time at this time.
#[must_use]
pub fn batch_at(envelopes: &[String], now: Timestamp) -> Bytes {
    received(envelopes, now, 1)
}

fn received(envelopes: &[String], now: Timestamp, receipts: usize) -> Bytes {
    let sent_at = now.as_millis().to_string();
    let record = |(number, text): (usize, &String)| -> Value {
        let attribute = |value: &str| json!({"stringValue": value, "dataType": "String", "stringListValues": [], "binaryListValues": []});
        json!({
            "messageId": format!("059f36b4-87a3-44ab-83d2-66197{number:0ITEM_DIGITS$}"),
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a6hGJYtIVDmmlCXBq2uYNm7nK0Q0qXZ0zJYyM0hxXbnYqBAk4nNnUZr4pSmj4v1yX9eU6iGyVnQ==",
            "body": text,
            "attributes": {"ApproximateReceiveCount": receipts.to_string(), "SentTimestamp": sent_at, "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": sent_at},
            "messageAttributes": {"messageId": attribute("bench"), "senderId": attribute(SENDER), "correlationId": attribute("bench")},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:queue", "awsRegion": "us-east-1",
        })
    };
    let records: Vec<_> = envelopes.iter().enumerate().map(record).collect();
    Bytes::from(json!({"Records": records}).to_string())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
