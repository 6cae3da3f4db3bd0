//! Accepting a message: record it, store its body, send it to the queue, and only then say yes.
//!
//! Each step may fail or be cut off. The record stays PENDING until the queue has the message, so the
//! client's own retry finds it unfinished and finishes it. Knows nothing of HTTP.

use std::sync::Arc;
use std::time::Duration;

use relay_core::body::{Body, Pointer};
use relay_core::envelope::Envelope;
use relay_core::identity::{AcceptedId, CorrelationId, RelayId};
use relay_core::lifecycle::{Life, Status};
use relay_core::message::Message;
use relay_core::ports::{
    Ambient, Breakers, Buckets, Found, Keys, Payloads, PortError, Queue, Recorded, Replays,
    SigningSecrets, Store, Vault,
};
use relay_core::settings::Limits;
use relay_core::time::Timestamp;
use relay_core::trace::Trace;

use crate::plan::{self, Storing};
use crate::submission::{Content, Submission};

/// What accepting and reading messages needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// The records.
    pub store: Arc<dyn Store>,
    /// The queue to the worker.
    pub queue: Arc<dyn Queue>,
    /// The bodies that do not fit elsewhere.
    pub payloads: Arc<dyn Payloads>,
    /// Circuit breakers, for reading.
    pub breakers: Arc<dyn Breakers>,
    /// API keys.
    pub keys: Arc<dyn Keys>,
    /// The signing secrets of senders.
    pub signing_secrets: Arc<dyn SigningSecrets>,
    /// Rate limits.
    pub buckets: Arc<dyn Buckets>,
    /// Signed requests that came before.
    pub replays: Arc<dyn Replays>,
    /// The master secrets.
    pub vault: Arc<dyn Vault>,
    /// Time and chance.
    pub ambient: Arc<dyn Ambient>,
}

/// An accepted message: it will be delivered or end DEAD with a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The relay's id of it.
    pub id: RelayId,
    /// Where it is in its life.
    pub status: Status,
    /// Whether an earlier request had already been accepted with the same id and content.
    pub duplicate: bool,
    /// Whether the queue has a pointer to the body, which is too large for it.
    pub offloaded: bool,
}

/// What a request asks for, and when.
struct Asked<'a> {
    submission: &'a Submission,
    trace: &'a Trace,
    now: Timestamp,
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// Its id belongs to a message with other content.
    #[error("the message id is taken by a message that differs in {}", fields.join(", "))]
    IdReused {
        /// The fields that differ.
        fields: Vec<&'static str>,
    },
    /// Its upload is not there: never finished, or too long ago.
    #[error("nothing of the announced size was uploaded, or it has expired")]
    UploadMissing,
    /// The record was there and then was not: it expired between two reads.
    #[error("the record expired while it was read")]
    RecordGone,
    /// A port could not do its part. What was done stays, and a retry goes on from there.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The use case.
pub struct Accept {
    /// What it needs from outside.
    pub ports: Ports,
    /// Where bodies go by their size.
    pub limits: Limits,
    /// How long a message is kept.
    pub message_ttl: Duration,
}

impl Accept {
    /// Accepts `submission` on behalf of a request of this trace, or says what became of it when it was submitted before.
    ///
    /// # Errors
    /// When it is not accepted. After [`AcceptError::Port`] it may be delivered all the same, and
    /// submitting it again finds out without a second delivery.
    pub async fn accept(
        &self,
        submission: &Submission,
        correlation_id: &CorrelationId,
        trace: &Trace,
    ) -> Result<Accepted, AcceptError> {
        let now = self.ports.ambient.now();
        let asked = Asked { submission, trace, now };
        let message = self.message(submission, correlation_id, now);
        if !self.adopt(&message.id, &submission.content).await? {
            return match self.ports.store.find(&message.id, now).await? {
                // Accepted earlier, when the upload was still there: its body was adopted then.
                Some(found) => self.repeat(found, &message, &asked).await,
                None => Err(AcceptError::UploadMissing),
            };
        }
        match self.ports.store.record(&message, now).await? {
            Recorded::New => self.forward(&message, message.first_life(), &asked).await,
            Recorded::Existing(_) => {
                let found = self.ports.store.find(&message.id, now).await?;
                self.repeat(found.ok_or(AcceptError::RecordGone)?, &message, &asked).await
            }
        }
    }

    /// Makes an upload the body of message `id`; false if it is not there. This comes before the record:
    /// a record without its body would block the id. The hash in the key keeps a message that is refused
    /// afterwards from touching an accepted body.
    async fn adopt(&self, id: &RelayId, content: &Content) -> Result<bool, PortError> {
        match content {
            Content::Given { .. } => Ok(true),
            Content::Uploaded(upload) => {
                self.ports.payloads.adopt(upload, &self.pointer(id, content)).await
            }
        }
    }

    /// The id was submitted before: with other content it is refused, unfinished it is finished, else
    /// the answer tells how it stands today.
    async fn repeat(
        &self,
        found: Found,
        message: &Message,
        asked: &Asked<'_>,
    ) -> Result<Accepted, AcceptError> {
        let fields = found.message.fingerprint.differences(&message.fingerprint);
        if !fields.is_empty() {
            return Err(AcceptError::IdReused { fields });
        }
        match found.state.phase.status() {
            Status::Pending => self.forward(&found.message, found.state.life, asked).await,
            status @ (Status::Queued
            | Status::Processing
            | Status::Retrying
            | Status::Delivered
            | Status::Dead
            | Status::Cancelled) => {
                self.keep_body(&found.message, &asked.submission.content).await?;
                Ok(Accepted { id: found.message.id, status, duplicate: true, offloaded: false })
            }
        }
    }

    /// Stores the body of a repeated request again, where the record says that it is stored. An earlier
    /// request may have sent the message to the queue and failed to store its body: the delivery carries it
    /// all the same, but whoever reads, redrives or resends the message would find none (F05). Writing what is
    /// there is harmless.
    async fn keep_body(&self, message: &Message, content: &Content) -> Result<(), PortError> {
        match (&message.body, content) {
            (Body::Stored(pointer), Content::Given { bytes, .. }) => {
                self.ports.payloads.put(pointer, bytes.clone()).await
            }
            (Body::Stored(_), Content::Uploaded(_))
            | (Body::Inline(_) | Body::Unretained(_), _) => Ok(()),
        }
    }

    /// Brings a recorded message into the queue.
    async fn forward(
        &self,
        message: &Message,
        life: Life,
        asked: &Asked<'_>,
    ) -> Result<Accepted, AcceptError> {
        let offloaded = self.store_and_send(message, &life, asked).await?;
        // The queue has it: whatever the record says, the worker will find it.
        if let Err(error) = self.ports.store.mark_queued(&message.id, &life, asked.now).await {
            tracing::warn!(%error, "a queued message is still noted as PENDING");
        }
        let id = message.id.clone();
        Ok(Accepted { id, status: Status::Queued, duplicate: false, offloaded })
    }

    /// Sends a recorded message, its body being where worker and record will look for it. Whether the queue has but a
    /// pointer to it.
    async fn store_and_send(
        &self,
        message: &Message,
        life: &Life,
        asked: &Asked<'_>,
    ) -> Result<bool, PortError> {
        let content = &asked.submission.content;
        let pointer = match &message.body {
            Body::Stored(pointer) | Body::Unretained(pointer) => pointer.clone(),
            Body::Inline(_) => self.pointer(&message.id, content),
        };
        let envelope = self.envelope(message, life, asked, &pointer);
        let in_queue = matches!(envelope.body, Body::Inline(_));
        let send = self.ports.queue.send(&envelope, Duration::ZERO);
        let Content::Given { bytes, .. } = content else {
            return send.await.map(|()| !in_queue);
        };
        let put = self.ports.payloads.put(&pointer, bytes.clone());
        let in_record = matches!(message.body, Body::Inline(_));
        match plan::storing(in_record, in_queue) {
            Storing::Never => send.await?,
            Storing::BesideSend => futures::try_join!(put, send).map(|_| ())?,
            Storing::BeforeSend => {
                put.await?;
                send.await?;
            }
        }
        Ok(!in_queue)
    }

    fn message(
        &self,
        submission: &Submission,
        correlation_id: &CorrelationId,
        now: Timestamp,
    ) -> Message {
        let id = RelayId::of(&submission.sender_id, &submission.message_id);
        let body = match &submission.content {
            Content::Given { bytes, .. } if plan::in_record(bytes.len() as u64, &self.limits) => {
                Body::Inline(bytes.clone())
            }
            content @ (Content::Given { .. } | Content::Uploaded(_)) => {
                Body::Stored(self.pointer(&id, content))
            }
        };
        Message {
            id,
            sender_id: submission.sender_id.clone(),
            message_id: submission.message_id.clone(),
            accepted_id: AcceptedId::from_random(self.ports.ambient.bits()),
            target: submission.target.clone(),
            method: submission.method,
            headers: submission.headers.clone(),
            body,
            fingerprint: submission.fingerprint(),
            timestamp: submission.timestamp.clone(),
            correlation_id: correlation_id.clone(),
            created_at: now,
            expires_at: now.plus(self.message_ttl),
        }
    }

    /// Where the body is stored, if it is.
    fn pointer(&self, id: &RelayId, content: &Content) -> Pointer {
        let bucket = self.ports.payloads.bucket();
        Pointer::for_payload(bucket, id, content.sha256(), content.bytes())
    }

    /// The queue message: with the body, as long as the whole is small enough.
    fn envelope(
        &self,
        message: &Message,
        life: &Life,
        asked: &Asked<'_>,
        pointer: &Pointer,
    ) -> Envelope {
        let with = |body| Envelope::of(message, life.clone(), body).traced(asked.trace.clone());
        let pointing = || with(Body::Stored(pointer.clone()));
        match &asked.submission.content {
            // A body that is too large by itself need not be written out to be measured.
            Content::Given { bytes, .. } if plan::in_queue(bytes.len(), &self.limits) => {
                let carrying = with(Body::Inline(bytes.clone()));
                let fits = plan::in_queue(carrying.queue_bytes(), &self.limits);
                if fits { carrying } else { pointing() }
            }
            Content::Given { .. } | Content::Uploaded(_) => pointing(),
        }
    }
}
