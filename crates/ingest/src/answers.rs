//! What clients get: the JSON of every answer that is not a problem. Holds no logic but the mapping.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use relay_core::identity::{CorrelationId, MessageId, RelayId};
use relay_core::lifecycle::{Phase, Status};
use relay_core::message::Message;
use relay_core::outcome::AttemptRecord;
use relay_core::ports::{Found, SignedLink};
use relay_core::upload::UploadId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accept::Accepted;
use crate::read::ShownBody;
use crate::readiness::Checks;

/// The answer to an accepted message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedAnswer {
    /// Always true.
    pub success: bool,
    /// The relay's id of the message.
    #[schema(value_type = String)]
    pub id: RelayId,
    /// The sender's id of it.
    #[schema(value_type = String)]
    pub message_id: MessageId,
    /// Where it is in its life.
    pub status: &'static str,
    /// Always true: the message is recorded durably.
    pub stored: bool,
    /// Always true: the message is, or was, in the queue.
    pub queued: bool,
    /// Whether the same message had been accepted before. Nothing is sent for a duplicate.
    pub duplicate: bool,
    /// Ties the request to its logs and its delivery.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
}

impl AcceptedAnswer {
    /// The answer about `accepted`, which the sender calls `message_id`.
    pub fn of(accepted: &Accepted, message_id: MessageId, correlation_id: CorrelationId) -> Self {
        Self {
            success: true,
            id: accepted.id.clone(),
            message_id,
            status: accepted.status.as_str(),
            stored: true,
            // What is not in the queue is not answered at all, but refused as SYSTEM_ERROR.
            queued: true,
            duplicate: accepted.duplicate,
            correlation_id,
        }
    }
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeAnswer {
    /// Which generation it belongs to: 0 until the message was set going again.
    pub generation: u32,
    /// Which attempt of its generation, from 1.
    pub attempt: u32,
    /// When it began (RFC 3339).
    pub at: String,
    /// The status the target answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The first bytes of the target's answer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

impl OutcomeAnswer {
    fn of(record: AttemptRecord) -> Self {
        Self {
            generation: record.generation.0,
            attempt: record.attempt,
            at: record.at.to_string(),
            status: record.status,
            error: record.error.map(|error| error.as_str()),
            duration_ms: record.millis,
            answer: record.answer,
        }
    }
}

/// How a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageAnswer {
    /// The relay's id of the message.
    pub id: String,
    /// The sender's id of it.
    pub message_id: String,
    /// Who sent it.
    pub sender_id: String,
    /// Where it is in its life: PENDING, QUEUED, PROCESSING, RETRYING, DELIVERED, DEAD or CANCELLED.
    pub status: &'static str,
    /// Why it is DEAD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The earliest time of the next attempt, when RETRYING (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Attempts begun in this generation.
    pub attempts: u32,
    /// The last outcomes, oldest first.
    pub outcomes: Vec<OutcomeAnswer>,
    /// How often it was set going again.
    pub generation: u32,
    /// Where it goes.
    pub target_url: String,
    /// How the target is called.
    pub method: &'static str,
    /// The event's time, as the sender gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// When it was accepted (RFC 3339).
    pub created_at: String,
    /// When its status changed last (RFC 3339).
    pub updated_at: String,
    /// Until when it is kept (RFC 3339).
    pub expires_at: String,
    /// Of the request that was accepted.
    pub correlation_id: String,
    /// How many bytes the body has.
    pub body_bytes: u64,
    /// The SHA-256 of the body, in hexadecimal digits.
    pub body_sha256: String,
    /// The body, when asked for.
    #[serde(flatten)]
    pub body: BodyAnswer,
}

/// The body, when asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BodyAnswer {
    /// The body, up to 256 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How `body` is written: `text` when it is UTF-8, else `base64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_encoding: Option<&'static str>,
    /// Where a larger body can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_url: Option<String>,
    /// When `bodyUrl` stops to work (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_url_expires_at: Option<String>,
    /// True when the body is not stored, or not any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_missing: Option<bool>,
}

impl BodyAnswer {
    fn of(shown: ShownBody) -> Self {
        match shown {
            ShownBody::NotAsked => Self::default(),
            ShownBody::Missing => Self { body_missing: Some(true), ..Self::default() },
            ShownBody::Link(link) => Self {
                body_url_expires_at: Some(link.expires_at.to_string()),
                body_url: Some(link.url),
                ..Self::default()
            },
            ShownBody::Whole(bytes) => {
                let (body, encoding) = match std::str::from_utf8(&bytes) {
                    Ok(text) => (text.to_owned(), "text"),
                    Err(_) => (BASE64.encode(&bytes), "base64"),
                };
                Self { body: Some(body), body_encoding: Some(encoding), ..Self::default() }
            }
        }
    }
}

impl MessageAnswer {
    /// The answer about a message that was found.
    pub fn of(found: Found, body: ShownBody) -> Self {
        let Found { message, state } = found;
        let (reason, not_before) = match &state.phase {
            Phase::Dead { reason, .. } => (Some(reason.as_str()), None),
            Phase::Retrying { not_before } => (None, Some(not_before.to_string())),
            Phase::Pending
            | Phase::Queued
            | Phase::Processing { .. }
            | Phase::Delivered
            | Phase::Cancelled => (None, None),
        };
        let status: Status = state.phase.status();
        let Message { id, message_id, sender_id, target, method, timestamp, .. } = message;
        Self {
            id: id.to_string(),
            message_id: message_id.to_string(),
            sender_id: sender_id.to_string(),
            status: status.as_str(),
            reason,
            not_before,
            attempts: state.attempts,
            outcomes: state.outcomes.into_iter().map(OutcomeAnswer::of).collect(),
            generation: state.life.generation.0,
            target_url: target.to_string(),
            method: method.as_str(),
            timestamp,
            created_at: message.created_at.to_string(),
            updated_at: state.updated_at.to_string(),
            expires_at: message.expires_at.to_string(),
            correlation_id: message.correlation_id.to_string(),
            body_bytes: message.body.bytes(),
            body_sha256: message.body.sha256().to_string(),
            body: BodyAnswer::of(body),
        }
    }
}

/// The answer to an announced upload.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UploadAnswer {
    /// What `payload.uploadId` of the message is to be.
    pub upload_id: String,
    /// Where to send the bytes.
    pub url: String,
    /// The method to send them with.
    pub method: &'static str,
    /// The headers that must go with them, exactly as they are.
    pub headers: BTreeMap<String, String>,
    /// When the link stops to work (RFC 3339).
    pub expires_at: String,
    /// Ties the request to its logs.
    pub correlation_id: String,
}

impl UploadAnswer {
    /// The answer about an upload that may be sent through `link`.
    pub fn of(upload: &UploadId, link: SignedLink, correlation_id: &CorrelationId) -> Self {
        Self {
            upload_id: upload.to_string(),
            url: link.url,
            method: link.method,
            headers: link.headers.into_iter().collect(),
            expires_at: link.expires_at.to_string(),
            correlation_id: correlation_id.to_string(),
        }
    }
}

/// The answer of a process that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthAnswer {
    /// Always `ok`.
    pub status: &'static str,
    /// The version that runs.
    pub version: &'static str,
}

/// Whether the services behind the relay answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadyAnswer {
    /// `ready` when every service answers, else `unavailable`.
    pub status: &'static str,
    /// Each service with its result.
    pub checks: Checks,
}
