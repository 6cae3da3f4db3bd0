//! The JSON of an envelope, as it is written and as it is read: by one pass each, and with nothing copied that need not
//! be. Which fields make up which version is decided here.

use std::io::{self, Write};

use bytes::Bytes;
use data_encoding::BASE64;
use serde::de;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{Envelope, EnvelopeError, queue_takes_all};
use crate::body::{Body, Pointer};
use crate::destination::{Method, Target};
use crate::headers::Headers;
use crate::identity::{AcceptedId, CorrelationId, Generation, MessageId, RelayId, SenderId, Text};
use crate::json_text::unescaped;
use crate::lifecycle::Life;
use crate::time::Timestamp;
use crate::trace::Trace;

/// What an envelope usually takes besides body, target and headers, in bytes.
const USUAL_BYTES: usize = 768;
/// Text grows by so much of itself in a text of JSON: an eighth, which is much for its quotes.
const ESCAPED_PART: usize = 8;
/// The version that has texts, bytes and pointers as bodies.
const FIRST_VERSION: u32 = 1;
/// The version that has JSON as bodies besides. Only what needs it is written in it.
pub(super) const JSON_VERSION: u32 = 2;

/// An envelope as it is written. The order of the fields is that of the first version.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    v: u32,
    id: &'a str,
    #[serde(rename = "senderId")]
    sender_id: &'a str,
    #[serde(rename = "messageId")]
    message_id: &'a str,
    accepted_id: &'a AcceptedId,
    generation: Generation,
    generation_started_at: Timestamp,
    expires_at: Timestamp,
    target: &'a str,
    method: Method,
    headers: &'a Headers,
    #[serde(rename = "correlationId")]
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<&'a str>,
    #[serde(rename = "xrayTrace", skip_serializing_if = "Option::is_none")]
    xray: Option<String>,
    /// JSON, as it is: quoted, each of its quotes would take two bytes here and four in the text around this one.
    #[serde(rename = "bodyJson", skip_serializing_if = "Option::is_none")]
    body_json: Option<&'a RawValue>,
    /// Other text.
    #[serde(rename = "bodyText", skip_serializing_if = "Option::is_none")]
    body_text: Option<&'a str>,
    /// Anything else.
    #[serde(rename = "bodyBase64", skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(rename = "bodyStored", skip_serializing_if = "Option::is_none")]
    body_stored: Option<&'a Pointer>,
    #[serde(rename = "bodyRetained", skip_serializing_if = "is_yes")]
    retained: bool,
}

/// An envelope that does not say otherwise carries a body that is kept elsewhere as well.
const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
const fn is_yes(retained: &bool) -> bool {
    *retained
}

impl<'a> Written<'a> {
    pub(super) fn of(envelope: &'a Envelope) -> Self {
        let (mut body_json, mut body_text, mut body_base64, mut body_stored) = Default::default();
        match &envelope.body {
            Body::Stored(pointer) | Body::Unretained(pointer) => body_stored = Some(pointer),
            Body::Inline(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if queue_takes_all(text) => {
                    body_json = as_json(text);
                    body_text = body_json.is_none().then_some(text);
                }
                Ok(_) | Err(_) => body_base64 = Some(BASE64.encode(bytes)),
            },
        }
        let (life, trace) = (&envelope.life, envelope.trace.as_ref());
        Self {
            v: if body_json.is_some() { JSON_VERSION } else { FIRST_VERSION },
            id: envelope.id.as_str(),
            sender_id: envelope.sender_id.as_str(),
            message_id: envelope.message_id.as_str(),
            accepted_id: &life.accepted_id,
            generation: life.generation,
            generation_started_at: life.generation_started_at,
            expires_at: life.expires_at,
            target: envelope.target.as_str(),
            method: envelope.method,
            headers: &envelope.headers,
            correlation_id: envelope.correlation_id.as_str(),
            traceparent: trace.map(Trace::traceparent),
            tracestate: trace.and_then(Trace::state),
            xray: trace.and_then(Trace::xray),
            body_json,
            body_text,
            body_base64,
            body_stored,
            retained: envelope.retained,
        }
    }
}

/// The text as a value of JSON, if it is one and nothing else. Not `null`, which reads as no field at all.
fn as_json(text: &str) -> Option<&RawValue> {
    let value = serde_json::from_str::<&RawValue>(text).ok()?;
    (value.get().len() == text.len() && text != "null").then_some(value)
}

/// How much room the text of an envelope is given at first, in bytes: enough for nearly every one.
pub(super) fn usual_bytes(written: &Written<'_>) -> usize {
    let headers: usize = written.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let body = match (written.body_json, written.body_text, &written.body_base64) {
        (Some(value), _, _) => value.get().len(),
        (_, Some(text), _) => text.len() + text.len() / ESCAPED_PART,
        (_, _, Some(text)) => text.len(),
        (None, None, None) => 0,
    };
    USUAL_BYTES + written.target.len() + headers + body
}

/// How many bytes the text has, without making it.
pub(super) fn bytes_of(written: &Written<'_>) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting does not fail, and neither does writing (`Envelope::to_json`).
    let _ = serde_json::to_writer(&mut count, written);
    count.0
}

/// An envelope as it is read. Fields that are not known are passed by.
#[derive(Deserialize)]
pub(super) struct Read<'a> {
    pub(super) v: u32,
    id: RelayId,
    #[serde(rename = "senderId")]
    sender_id: SenderId,
    #[serde(rename = "messageId")]
    message_id: MessageId,
    accepted_id: AcceptedId,
    generation: Generation,
    generation_started_at: Timestamp,
    expires_at: Timestamp,
    #[serde(deserialize_with = "target")]
    target: Target,
    method: Method,
    headers: Headers,
    #[serde(rename = "correlationId")]
    correlation_id: CorrelationId,
    #[serde(default, deserialize_with = "text_if_any")]
    traceparent: Option<String>,
    #[serde(default, deserialize_with = "text_if_any")]
    tracestate: Option<String>,
    #[serde(rename = "xrayTrace", default, deserialize_with = "text_if_any")]
    xray: Option<String>,
    /// As it stands in the envelope, as the next: it is by far the largest field.
    #[serde(rename = "bodyJson", borrow)]
    body_json: Option<&'a RawValue>,
    #[serde(rename = "bodyText", borrow)]
    body_text: Option<&'a RawValue>,
    #[serde(rename = "bodyBase64")]
    body_base64: Option<String>,
    #[serde(rename = "bodyStored")]
    body_stored: Option<Pointer>,
    #[serde(rename = "bodyRetained", default = "yes")]
    retained: bool,
}

impl Read<'_> {
    /// What was read, with the body that `piece` makes of a part of the text.
    pub(super) fn envelope(
        self,
        piece: impl FnOnce(&str) -> Bytes,
    ) -> Result<Envelope, EnvelopeError> {
        let broken = |what: &str| EnvelopeError::Malformed(what.to_owned());
        let body = match (self.body_json, self.body_text, self.body_base64, self.body_stored) {
            (Some(value), None, None, None) => Body::Inline(piece(value.get())),
            (None, Some(text), None, None) => {
                let text = unescaped(text.get()).ok_or_else(|| broken("bodyText is not text"))?;
                Body::Inline(Bytes::from(text))
            }
            (None, None, Some(text), None) => {
                let bytes = BASE64.decode(text.as_bytes());
                Body::Inline(bytes.map_err(|_| broken("bodyBase64 is not base64"))?.into())
            }
            (None, None, None, Some(pointer)) => Body::Stored(pointer),
            _ => return Err(broken("there must be one body")),
        };
        let (parent, state) = (self.traceparent.as_deref(), self.tracestate.as_deref());
        Ok(Envelope {
            trace: Trace::read(parent, state, self.xray.as_deref()),
            id: self.id,
            sender_id: self.sender_id,
            message_id: self.message_id,
            life: Life {
                accepted_id: self.accepted_id,
                generation: self.generation,
                generation_started_at: self.generation_started_at,
                expires_at: self.expires_at,
            },
            target: self.target,
            method: self.method,
            headers: self.headers,
            correlation_id: self.correlation_id,
            body,
            retained: self.retained,
        })
    }
}

/// Whose an item is.
#[derive(Deserialize)]
pub(super) struct Identity {
    id: RelayId,
    accepted_id: AcceptedId,
    generation: Generation,
    generation_started_at: Timestamp,
    expires_at: Timestamp,
}

impl Identity {
    pub(super) fn read(self) -> (RelayId, Life) {
        let Self { id, accepted_id, generation, generation_started_at, expires_at } = self;
        (id, Life { accepted_id, generation, generation_started_at, expires_at })
    }
}

/// Which version an item is of.
#[derive(Deserialize)]
pub(super) struct VersionOnly {
    pub(super) v: u32,
}

/// Reads a text; whatever else is there is as nothing. No trouble with a trace is trouble with its message.
fn text_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Any {
        Text(String),
        Else(de::IgnoredAny),
    }
    Ok(match Any::deserialize(deserializer)? {
        Any::Text(text) => Some(text),
        Any::Else(_) => None,
    })
}

fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
    deserializer.deserialize_str(Text(Target::parse))
}
