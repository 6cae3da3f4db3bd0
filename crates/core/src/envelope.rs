//! What travels through the queue: one JSON text, version 1 or 2, and the attributes beside it.
//!
//! Readers ignore fields they do not know, and hand an unknown version back instead of judging it. A text is of the
//! oldest version that can say it.

mod wire;

use bytes::Bytes;
use bytestring::ByteString;

use crate::body::{Body, Pointer, Sha256};
use crate::destination::{Method, Target};
use crate::headers::Headers;
use crate::identity::{CorrelationId, Generation, MessageId, RelayId, SenderId};
use crate::lifecycle::{Life, State};
use crate::message::Message;
use crate::outcome::DeadReason;
use crate::trace::Trace;

use wire::{Identity, Read, VersionOnly, Written};

/// The newest version that this code writes and reads.
pub const VERSION: u32 = wire::JSON_VERSION;
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

/// Whether SQS takes the character (API reference of SendMessage: #x9, #xA, #xD, #x20 to #xD7FF,
/// #xE000 to #xFFFD, #x10000 to #x10FFFF).
pub const fn queue_takes(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Whether SQS takes every character of the text.
fn queue_takes_all(text: &str) -> bool {
    // All bytes at first, without stopping: many are looked at in one step then. Nearly all that is refused are control
    // characters, and both others begin with one byte that few texts have.
    let is_control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    let has_control = text.bytes().fold(false, |found, byte| found | is_control(byte));
    let has_others = || text.as_bytes().contains(&0xef) && text.contains(['\u{fffe}', '\u{ffff}']);
    !(has_control || has_others())
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

    /// The body that is kept nowhere but here, and where in `bucket` it has to be put before the last copy of a dead message
    /// goes: a redrive looks for it there.
    pub fn only_here(&self, bucket: &str) -> Option<(Pointer, Bytes)> {
        match &self.body {
            Body::Inline(bytes) if !self.retained => {
                let sha256 = Sha256::of(bytes);
                let pointer = Pointer::for_payload(bucket, &self.id, sha256, bytes.len() as u64);
                Some((pointer, bytes.clone()))
            }
            Body::Inline(_) | Body::Stored(_) | Body::Unretained(_) => None,
        }
    }

    /// The trace it belongs to: that of the accepting request, else one of its life.
    pub fn trace(&self) -> Trace {
        self.trace.clone().unwrap_or_else(|| Trace::of_life(&self.life))
    }

    /// The text that is put into the queue: JSON, of characters that SQS takes.
    pub fn to_json(&self) -> String {
        let written = Written::of(self);
        let mut text = Vec::with_capacity(wire::usual_bytes(&written));
        // Every field is text, a number, a map with text keys, or JSON already: none can fail.
        let _ = serde_json::to_writer(&mut text, &written);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Reads a queue item.
    ///
    /// # Errors
    /// When it is of a newer version, or no envelope.
    pub fn from_json(text: &str) -> Result<Self, EnvelopeError> {
        Self::read(text, |piece| Bytes::copy_from_slice(piece.as_bytes()))
    }

    /// Reads a queue item. A body that is JSON stays where it is in the item's text, which is kept as long as the body.
    ///
    /// # Errors
    /// When it is of a newer version, or no envelope.
    pub fn within(text: &ByteString) -> Result<Self, EnvelopeError> {
        Self::read(text, |piece| text.slice_ref(piece).into_bytes())
    }

    fn read(text: &str, piece: impl FnOnce(&str) -> Bytes) -> Result<Self, EnvelopeError> {
        match serde_json::from_str::<Read<'_>>(text) {
            Ok(read) if read.v <= VERSION => read.envelope(piece),
            Ok(read) => Err(EnvelopeError::UnknownVersion(read.v)),
            // What newer code wrote need not have the fields of today.
            Err(error) => match serde_json::from_str(text) {
                Ok(VersionOnly { v }) if v > VERSION => Err(EnvelopeError::UnknownVersion(v)),
                Ok(VersionOnly { .. }) | Err(_) => Err(EnvelopeError::Malformed(format!(
                    "line {} column {}",
                    error.line(),
                    error.column()
                ))),
            },
        }
    }

    /// Which message and life an unreadable item belongs to, if that much of it can be read.
    pub fn identity_in(text: &str) -> Option<(RelayId, Life)> {
        serde_json::from_str::<Identity>(text).ok().map(Identity::read)
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
        wire::bytes_of(&Written::of(self)) + self.attributes().iter().map(attribute).sum::<usize>()
    }
}

/// Reads the generation of the dead letter from the attribute's text.
pub fn dead_letter_generation(text: &str) -> Option<Generation> {
    text.parse().ok().map(Generation)
}

#[cfg(test)]
mod tests;
