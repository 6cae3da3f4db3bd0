//! What travels through the queue: one JSON text, version 1, and the attributes beside it.
//!
//! Readers ignore fields they do not know, and hand an unknown version back instead of judging it.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize};

use crate::body::{Body, Pointer};
use crate::destination::{Method, Target};
use crate::headers::Headers;
use crate::identity::{CorrelationId, Generation, MessageId, RelayId, SenderId};
use crate::lifecycle::{Life, State};
use crate::message::Message;
use crate::outcome::DeadReason;
use crate::trace::Trace;

/// The version this code writes.
const VERSION: u32 = 1;
/// What SQS counts besides names and values of attributes: the data type of each, `String`.
const ATTRIBUTE_TYPE_BYTES: usize = "String".len();
/// The attribute that marks a copy in the dead-letter queue with the generation that died.
pub const DEAD_LETTER_ATTRIBUTE: &str = "deadLetter";
/// The attribute that says, in whole seconds, how long a copy was to wait unseen in the queue.
pub const DELAY_ATTRIBUTE: &str = "delaySeconds";

/// A message on its way from ingest to worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The relay's id.
    pub id: RelayId,
    /// Who sends it.
    pub sender_id: SenderId,
    /// What the sender calls it.
    pub message_id: MessageId,
    /// The life this copy belongs to.
    pub life: Life,
    /// Where it goes.
    pub target: Target,
    /// How the target is called.
    pub method: Method,
    /// The headers to send.
    pub headers: Headers,
    /// Of the accepting request.
    pub correlation_id: CorrelationId,
    /// The trace of the accepting request. None for a message that was set going again: another request did that.
    pub trace: Option<Trace>,
    /// The body, or where it is kept.
    pub body: Body,
    /// Whether the body is kept anywhere but here. If it is not, it has to be when the message dies.
    pub retained: bool,
}

/// Why a queue item is not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It was written by newer code; a worker that can read it is on its way.
    #[error("envelope version {0} is newer than version {VERSION}")]
    UnknownVersion(u32),
    /// It is not an envelope at all. The text holds nothing of the item but where it broke.
    #[error("not an envelope: {0}")]
    Malformed(String),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    id: RelayId,
    #[serde(rename = "senderId")]
    sender_id: SenderId,
    #[serde(rename = "messageId")]
    message_id: MessageId,
    #[serde(flatten)]
    life: Life,
    target: Target,
    method: Method,
    headers: Headers,
    #[serde(rename = "correlationId")]
    correlation_id: CorrelationId,
    #[serde(flatten)]
    trace: WireTrace,
    #[serde(flatten)]
    body: WireBody,
    #[serde(rename = "bodyRetained", default = "yes", skip_serializing_if = "is_yes")]
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

/// A trace in the form of its headers. No trouble with it is trouble with the message.
#[derive(Default, Serialize, Deserialize)]
struct WireTrace {
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text_if_any")]
    traceparent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text_if_any")]
    tracestate: Option<String>,
    #[serde(
        rename = "xrayTrace",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text_if_any"
    )]
    xray: Option<String>,
}

impl WireTrace {
    fn of(trace: &Trace) -> Self {
        Self {
            traceparent: Some(trace.traceparent()),
            tracestate: trace.state().map(str::to_owned),
            xray: trace.xray(),
        }
    }

    fn read(&self) -> Option<Trace> {
        let Self { traceparent, tracestate, xray } = self;
        Trace::read(traceparent.as_deref(), tracestate.as_deref(), xray.as_deref())
    }
}

/// Reads a text; whatever else is there is as nothing.
fn text_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Any {
        Text(String),
        Else(serde::de::IgnoredAny),
    }
    Ok(match Any::deserialize(deserializer)? {
        Any::Text(text) => Some(text),
        Any::Else(_) => None,
    })
}

#[derive(Serialize, Deserialize)]
enum WireBody {
    /// Text of characters that SQS takes.
    #[serde(rename = "bodyText")]
    Text(String),
    /// Anything else.
    #[serde(rename = "bodyBase64")]
    Base64(String),
    #[serde(rename = "bodyStored")]
    Stored(Pointer),
}

#[derive(Deserialize)]
struct Identity {
    id: RelayId,
    #[serde(flatten)]
    life: Life,
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// Whether SQS takes the character (API reference of SendMessage: #x9, #xA, #xD, #x20 to #xD7FF,
/// #xE000 to #xFFFD, #x10000 to #x10FFFF).
pub const fn queue_takes(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

impl Envelope {
    /// The envelope of `message` in the given life, carrying `body`.
    pub fn of(message: &Message, life: Life, body: Body) -> Self {
        let retained = match (&message.body, &body) {
            (Body::Unretained(_), Body::Inline(_)) => false,
            (Body::Inline(_) | Body::Stored(_) | Body::Unretained(_), _) => true,
        };
        Self {
            id: message.id.clone(),
            sender_id: message.sender_id.clone(),
            message_id: message.message_id.clone(),
            life,
            target: message.target.clone(),
            method: message.method,
            headers: message.headers.clone(),
            correlation_id: message.correlation_id.clone(),
            trace: None,
            body,
            retained,
        }
    }

    /// The same on behalf of a request of this trace.
    #[must_use]
    pub fn traced(self, trace: Trace) -> Self {
        Self { trace: Some(trace), ..self }
    }

    /// The trace it belongs to: that of the accepting request, else one of its life.
    pub fn trace(&self) -> Trace {
        self.trace.clone().unwrap_or_else(|| Trace::of_life(&self.life))
    }

    /// The text that is put into the queue: one line of JSON, of characters that SQS takes.
    pub fn to_json(&self) -> String {
        let body = match &self.body {
            Body::Stored(pointer) | Body::Unretained(pointer) => WireBody::Stored(pointer.clone()),
            Body::Inline(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if text.chars().all(queue_takes) => WireBody::Text(text.to_owned()),
                Ok(_) | Err(_) => WireBody::Base64(BASE64.encode(bytes)),
            },
        };
        let wire = Wire {
            v: VERSION,
            id: self.id.clone(),
            sender_id: self.sender_id.clone(),
            message_id: self.message_id.clone(),
            life: self.life.clone(),
            target: self.target.clone(),
            method: self.method,
            headers: self.headers.clone(),
            correlation_id: self.correlation_id.clone(),
            trace: self.trace.as_ref().map(WireTrace::of).unwrap_or_default(),
            body,
            retained: self.retained,
        };
        // Every field is text, a number or a map with text keys: this cannot fail.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Reads a queue item.
    ///
    /// # Errors
    /// When it is of a newer version, or no envelope.
    pub fn from_json(text: &str) -> Result<Self, EnvelopeError> {
        let broken = |error: serde_json::Error| {
            EnvelopeError::Malformed(format!("line {} column {}", error.line(), error.column()))
        };
        let VersionOnly { v } = serde_json::from_str(text).map_err(broken)?;
        if v > VERSION {
            return Err(EnvelopeError::UnknownVersion(v));
        }
        let wire: Wire = serde_json::from_str(text).map_err(broken)?;
        let body = match wire.body {
            WireBody::Text(text) => Body::Inline(Bytes::from(text)),
            WireBody::Base64(text) => BASE64
                .decode(text.as_bytes())
                .map(|bytes| Body::Inline(Bytes::from(bytes)))
                .map_err(|_| EnvelopeError::Malformed("bodyBase64 is not base64".to_owned()))?,
            WireBody::Stored(pointer) => Body::Stored(pointer),
        };
        Ok(Self {
            id: wire.id,
            sender_id: wire.sender_id,
            message_id: wire.message_id,
            life: wire.life,
            target: wire.target,
            method: wire.method,
            headers: wire.headers,
            correlation_id: wire.correlation_id,
            trace: wire.trace.read(),
            body,
            retained: wire.retained,
        })
    }

    /// Which message and life an unreadable item belongs to, if that much of it can be read.
    pub fn identity_in(text: &str) -> Option<(RelayId, Life)> {
        let identity: Identity = serde_json::from_str(text).ok()?;
        Some((identity.id, identity.life))
    }

    /// The attributes beside the text, for consoles and filters.
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![
            ("messageId", self.message_id.to_string()),
            ("senderId", self.sender_id.to_string()),
            ("correlationId", self.correlation_id.to_string()),
        ]
    }

    /// The attributes of the copy in the dead-letter queue. Nothing in them comes from the target.
    pub fn dead_letter_attributes(
        &self,
        reason: DeadReason,
        state: &State,
    ) -> Vec<(&'static str, String)> {
        let mut attributes = self.attributes();
        attributes.push(("reason", reason.as_str().to_owned()));
        attributes.push(("attempts", state.attempts.to_string()));
        if let Some(last) = state.outcomes.last() {
            attributes.push(("lastOutcome", last.summary()));
        }
        attributes.push((DEAD_LETTER_ATTRIBUTE, state.life.generation.to_string()));
        attributes
    }

    /// What the queue counts for this envelope: the text and all attributes, in bytes.
    pub fn queue_bytes(&self) -> usize {
        let attribute =
            |(name, value): &(&str, String)| name.len() + value.len() + ATTRIBUTE_TYPE_BYTES;
        self.to_json().len() + self.attributes().iter().map(attribute).sum::<usize>()
    }
}

/// Reads the generation of the dead letter from the attribute's text.
pub fn dead_letter_generation(text: &str) -> Option<Generation> {
    text.parse().ok().map(Generation)
}

#[cfg(test)]
mod tests;
