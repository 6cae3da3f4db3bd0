//! MESSAGE: the request as it was accepted, to and from an item.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use relay_core::body::Body;
use relay_core::destination::{Method, Target};
use relay_core::fingerprint::Fingerprint;
use relay_core::identity::{AcceptedId, CorrelationId, MessageId, RelayId, SenderId};
use relay_core::message::Message;
use relay_core::ports::PortError;
use serde::Serialize;

use super::item::{Attributes, Item, Reader, name, removal_time, text, time};
use super::table::Key;
use crate::error::failed;

/// How many attributes a message has at most.
const ATTRIBUTES_MAX: usize = 15;

/// The item of a message.
pub(super) fn write(message: &Message) -> Result<Attributes, PortError> {
    let mut item = Attributes::with_capacity(ATTRIBUTES_MAX);
    item.extend(Key::message(&message.id).into_attributes());
    let mut set = |name, value| item.push((name, value));
    set(name::ACCEPTED_ID, text(message.accepted_id.as_str()));
    set(name::SENDER_ID, text(message.sender_id.as_str()));
    set(name::MESSAGE_ID, text(message.message_id.as_str()));
    set(name::TARGET, text(message.target.as_str()));
    set(name::METHOD, text(message.method.as_str()));
    set(name::HEADERS, json(&message.headers)?);
    set(name::FINGERPRINT, text(message.fingerprint.to_string()));
    set(name::CORRELATION_ID, text(message.correlation_id.as_str()));
    set(name::CREATED_AT, time(message.created_at));
    set(name::EXPIRES_AT_MS, time(message.expires_at));
    set(name::EXPIRES_AT, removal_time(message.expires_at));
    if let Some(timestamp) = &message.timestamp {
        set(name::TIMESTAMP, text(timestamp));
    }
    match &message.body {
        Body::Inline(bytes) => set(name::BODY, AttributeValue::B(Blob::new(bytes.to_vec()))),
        Body::Stored(pointer) => set(name::BODY_STORED, json(pointer)?),
        Body::Unretained(pointer) => set(name::BODY_UNRETAINED, json(pointer)?),
    }
    Ok(item)
}

/// Headers and pointers are written and read as a whole and never looked into by the table.
fn json<T: Serialize>(value: &T) -> Result<AttributeValue, PortError> {
    let written = serde_json::to_string(value);
    written.map(text).map_err(|_| failed(super::RECORD, "a part of it is not JSON"))
}

/// The message of an item.
pub(super) fn read(action: &'static str, item: &Item) -> Result<Message, PortError> {
    let reader = Reader::new(action, item);
    let timestamp =
        reader.has(name::TIMESTAMP).then(|| reader.text(name::TIMESTAMP)).transpose()?;
    Ok(Message {
        id: reader.parsed(name::PARTITION, "a relay id", |id| RelayId::parse(id).ok())?,
        sender_id: reader.parsed(name::SENDER_ID, "a sender id", |id| SenderId::parse(id).ok())?,
        message_id: reader
            .parsed(name::MESSAGE_ID, "a message id", |id| MessageId::parse(id).ok())?,
        accepted_id: AcceptedId::from_stored(reader.text(name::ACCEPTED_ID)?.to_owned()),
        target: reader.parsed(name::TARGET, "a target", |target| Target::parse(target).ok())?,
        method: reader.parsed(name::METHOD, "a method", |method| Method::parse(method).ok())?,
        headers: reader.json(name::HEADERS)?,
        body: read_body(&reader)?,
        fingerprint: reader.parsed(name::FINGERPRINT, "a fingerprint", Fingerprint::parse)?,
        timestamp: timestamp.map(str::to_owned),
        correlation_id: reader
            .parsed(name::CORRELATION_ID, "a correlation id", |id| CorrelationId::parse(id).ok())?,
        created_at: reader.time(name::CREATED_AT)?,
        expires_at: reader.time(name::EXPIRES_AT_MS)?,
    })
}

fn read_body(reader: &Reader<'_>) -> Result<Body, PortError> {
    if reader.has(name::BODY_STORED) {
        return reader.json(name::BODY_STORED).map(Body::Stored);
    }
    if reader.has(name::BODY_UNRETAINED) {
        return reader.json(name::BODY_UNRETAINED).map(Body::Unretained);
    }
    reader.bytes(name::BODY).map(|bytes| Body::Inline(Bytes::copy_from_slice(bytes)))
}
