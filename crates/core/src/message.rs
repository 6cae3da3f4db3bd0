//! A message as it was accepted: written once, never changed.

use crate::body::Body;
use crate::destination::{Method, Target};
use crate::fingerprint::Fingerprint;
use crate::headers::Headers;
use crate::identity::{AcceptedId, CorrelationId, Generation, MessageId, RelayId, SenderId};
use crate::lifecycle::Life;
use crate::time::Timestamp;

/// A message as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The relay's id, computed from the two ids that follow.
    pub id: RelayId,
    /// Who sends it.
    pub sender_id: SenderId,
    /// What the sender calls it.
    pub message_id: MessageId,
    /// This acceptance of it.
    pub accepted_id: AcceptedId,
    /// Where it goes.
    pub target: Target,
    /// How the target is called.
    pub method: Method,
    /// The headers to send, content type included.
    pub headers: Headers,
    /// The body, or where it is kept.
    pub body: Body,
    /// What tells a repeated request from a reused id.
    pub fingerprint: Fingerprint,
    /// The event's time, if the client sent one; data that the relay does not act on.
    pub timestamp: Option<String>,
    /// The correlation id of the accepting request.
    pub correlation_id: CorrelationId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the record stops to exist for every reader.
    pub expires_at: Timestamp,
}

impl Message {
    /// The life that acceptance begins.
    pub fn first_life(&self) -> Life {
        Life {
            accepted_id: self.accepted_id.clone(),
            generation: Generation::default(),
            generation_started_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}
