//! A message about to be accepted: its record and its queue message, made of what was submitted. Makes no calls.

use relay_core::body::{Body, Pointer};
use relay_core::envelope::Envelope;
use relay_core::identity::{AcceptedId, CorrelationId, RelayId};
use relay_core::lifecycle::Life;
use relay_core::message::Message;
use relay_core::time::Timestamp;
use relay_core::trace::Trace;

use super::Accept;
use crate::plan;
use crate::submission::{Content, Submission};

/// A message about to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// As it is to be recorded; or as it was recorded, if an earlier request is to be finished.
    pub message: Message,
    /// As it is to be sent.
    pub(super) envelope: Envelope,
    /// The body, as the request has it.
    pub(super) content: Content,
    /// When it was submitted.
    pub(super) now: Timestamp,
}

impl Draft {
    /// How many bytes its body has.
    pub fn body_bytes(&self) -> u64 {
        self.content.bytes()
    }

    /// Whether the queue message carries the body.
    pub(super) const fn is_in_queue(&self) -> bool {
        matches!(self.envelope.body, Body::Inline(_))
    }

    /// The place of the body in the payload store, if either record or queue message names one.
    pub(super) fn pointer(&self) -> Option<&Pointer> {
        match (&self.envelope.body, &self.message.body) {
            (Body::Stored(pointer) | Body::Unretained(pointer), _)
            | (Body::Inline(_), Body::Stored(pointer) | Body::Unretained(pointer)) => Some(pointer),
            (Body::Inline(_), Body::Inline(_)) => None,
        }
    }
}

impl Accept {
    /// Makes a message of what a request of this trace submits at `now`.
    pub fn draft(
        &self,
        submission: Submission,
        correlation_id: &CorrelationId,
        trace: &Trace,
        now: Timestamp,
    ) -> Draft {
        let fingerprint = submission.fingerprint();
        let Submission { sender_id, message_id, target, method, headers, content, timestamp } =
            submission;
        let id = RelayId::of(&sender_id, &message_id);
        let body = self.body_in_record(&id, &content, self.retain_bodies);
        let mut message = Message {
            id,
            sender_id,
            message_id,
            accepted_id: AcceptedId::from_random(self.ports.ambient.bits()),
            target,
            method,
            headers,
            body,
            fingerprint,
            timestamp,
            correlation_id: correlation_id.clone(),
            created_at: now,
            expires_at: now.plus(self.message_ttl),
        };
        let envelope = self.envelope(&message, message.first_life(), &content, trace);
        if matches!((&message.body, &envelope.body), (Body::Unretained(_), Body::Stored(_))) {
            // It does not fit the queue: somebody has to keep it.
            message.body = self.body_in_record(&message.id, &content, true);
        }
        Draft { message, envelope, content, now }
    }

    /// The draft that finishes a message which was recorded by an earlier request.
    pub(super) fn finishing(&self, message: Message, life: Life, draft: &Draft) -> Draft {
        let Draft { envelope, content, now, .. } = draft;
        let (trace, content) = (envelope.trace(), content.clone());
        let envelope = self.envelope(&message, life, &content, &trace);
        Draft { message, envelope, content, now: *now }
    }

    /// What the record says of the body; `is_retained` unless the queue alone is to have it.
    fn body_in_record(&self, id: &RelayId, content: &Content, is_retained: bool) -> Body {
        match content {
            Content::Given { .. } if !is_retained => Body::Unretained(self.place(id, content)),
            Content::Given { bytes, .. } if plan::in_record(bytes.len() as u64, &self.limits) => {
                Body::Inline(bytes.clone())
            }
            Content::Given { .. } | Content::Uploaded(_) => Body::Stored(self.place(id, content)),
        }
    }

    /// Where the body is stored, if it is.
    pub(super) fn place(&self, id: &RelayId, content: &Content) -> Pointer {
        let bucket = self.ports.payloads.bucket();
        Pointer::for_payload(bucket, id, content.sha256(), content.bytes())
    }

    /// The queue message: with the body, as long as the whole is small enough.
    fn envelope(
        &self,
        message: &Message,
        life: Life,
        content: &Content,
        trace: &Trace,
    ) -> Envelope {
        let pointing = |life| {
            let pointer = match &message.body {
                Body::Stored(pointer) | Body::Unretained(pointer) => pointer.clone(),
                Body::Inline(_) => self.place(&message.id, content),
            };
            Envelope::of(message, life, Body::Stored(pointer)).traced(trace.clone())
        };
        match content {
            // A body that is too large by itself need not be written out to be measured.
            Content::Given { bytes, .. } if plan::in_queue(bytes.len(), &self.limits) => {
                let body = Body::Inline(bytes.clone());
                let carrying = Envelope::of(message, life, body).traced(trace.clone());
                if plan::fits_queue(&carrying, &self.limits) {
                    carrying
                } else {
                    pointing(carrying.life)
                }
            }
            Content::Given { .. } | Content::Uploaded(_) => pointing(life),
        }
    }
}
