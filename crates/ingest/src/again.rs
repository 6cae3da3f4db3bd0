//! `POST /v1/messages/{id}/redrive` and `/resend`: a message that ended goes once more. What may go again
//! is core's to say, and how it is done is `relay-operate`'s; here are only the request and its answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use relay_core::access::Grant;
use relay_core::identity::{CorrelationId, Generation, RelayId};
use relay_core::lifecycle::{Again, Status};
use relay_core::message::Message;
use relay_core::metrics::Metric;
use relay_core::ports::{Found, PortError};
use relay_core::time::Timestamp;
use relay_operate::{Gone, SetGoing, Stopped};
use serde::Serialize;
use tracing::Instrument;
use utoipa::ToSchema;

use crate::codes::Code;
use crate::handlers::{about as about_message, message_id, no_message};
use crate::mistakes::Mistakes;
use crate::object::read_request;
use crate::observe::Facts;
use crate::problem::{Problem, ProblemAnswer};
use crate::request::JsonBytes;
use crate::router::App;

/// The answer to a message that was set going again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgainAnswer {
    /// The relay's id of the message.
    pub id: String,
    /// Always QUEUED: the message is in the queue.
    pub status: &'static str,
    /// How often the message was set going again, this time included.
    pub generation: u32,
    /// Until when the message is kept, and so the latest that it can be delivered (RFC 3339). Setting it
    /// going again does not make that later.
    pub expires_at: String,
    /// Ties the request to its logs.
    pub correlation_id: String,
}

/// Sets a dead letter going again, in its next generation.
#[utoipa::path(
    post, path = "/v1/messages/{id}/redrive", operation_id = "postRedrive", tag = "messages",
    params(("id" = String, Path, description = "The relay's id: msg_ and 32 characters")),
    responses(
        (status = 202, description = "In the queue again", body = AgainAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 409, description = "STATE_CONFLICT: it is not DEAD", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_redrive(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    id: Result<Path<String>, PathRejection>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let id = message_id(id).ok_or_else(no_message)?;
    set_going(&app, &grant, &id, &bytes, Again::Redrive, &correlation_id).await
}

/// Sends a message that was delivered or given up once more, in its next generation.
#[utoipa::path(
    post, path = "/v1/messages/{id}/resend", operation_id = "postResend", tag = "messages",
    params(("id" = String, Path, description = "The relay's id: msg_ and 32 characters")),
    responses(
        (status = 202, description = "In the queue again", body = AgainAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 409, description = "STATE_CONFLICT: it is neither DELIVERED nor DEAD", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_resend(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    id: Result<Path<String>, PathRejection>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let id = message_id(id).ok_or_else(no_message)?;
    set_going(&app, &grant, &id, &bytes, Again::Resend, &correlation_id).await
}

/// A message that was set going again.
pub(crate) struct Going {
    /// How often it was, this time included.
    pub(crate) generation: Generation,
    /// Until when it is kept.
    pub(crate) expires_at: Timestamp,
    /// What it is called.
    pub(crate) facts: Facts,
}

/// Sets a message going again, if it is one of a sender that the key is for.
pub(crate) async fn go(
    app: &App,
    grant: &Grant,
    id: &RelayId,
    again: Again,
) -> Result<Going, Problem> {
    let ports = &app.accept.ports;
    let found = find(app, grant, id).await?;
    let facts = Facts::of(&found.message);
    let Message { id, message_id, sender_id, .. } = &found.message;
    let span = about_message(id, message_id, sender_id);
    let set_going = SetGoing {
        store: ports.store.clone(),
        queue: ports.queue.clone(),
        payloads: ports.payloads.clone(),
        ambient: ports.ambient.clone(),
    };
    let generation = match set_going.again_from(&found, again).instrument(span).await {
        Ok(Gone::Again(generation)) => generation,
        Ok(Gone::Refused(status)) => {
            return Err(conflict(status, &Status::takes(again.event())).about(facts));
        }
        Ok(Gone::NoBody) => return Err(no_body().about(facts)),
        Ok(Gone::Unknown) => return Err(no_message().about(facts)),
        Err(Stopped(error)) => return Err(stopped(error, again).about(facts)),
    };
    app.recorder.count(match again {
        Again::Redrive => Metric::Redriven,
        Again::Resend => Metric::Resent,
    });
    Ok(Going { generation, expires_at: found.message.expires_at, facts })
}

/// A message and its state, if it is one of a sender that the key is for.
pub(crate) async fn find(app: &App, grant: &Grant, id: &RelayId) -> Result<Found, Problem> {
    let ports = &app.accept.ports;
    let facts = || Facts { id: Some(id.clone()), ..Facts::default() };
    let found = ports.store.find(id, ports.ambient.now()).await;
    let found = found.map_err(|error| Problem::from(error).about(facts()))?;
    let found = found.filter(|found| grant.covers(&found.message.sender_id));
    found.ok_or_else(|| no_message().about(facts()))
}

async fn set_going(
    app: &App,
    grant: &Grant,
    id: &RelayId,
    bytes: &[u8],
    again: Again,
    correlation_id: &CorrelationId,
) -> Result<Response, Problem> {
    nothing_asked(bytes)?;
    let Going { generation, expires_at, facts } = go(app, grant, id, again).await?;
    let answer = AgainAnswer {
        id: id.to_string(),
        status: Status::Queued.as_str(),
        generation: generation.0,
        expires_at: expires_at.to_string(),
        correlation_id: correlation_id.to_string(),
    };
    Ok((StatusCode::ACCEPTED, Extension(facts), Json(answer)).into_response())
}

/// There is nothing to be said besides the path: a body is absent, blank or an object of no fields.
fn nothing_asked(bytes: &[u8]) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    if !bytes.trim_ascii().is_empty() {
        read_request(bytes, &[], &mut mistakes);
    }
    mistakes.or(Some(()))
}

/// What was asked follows from other states than the one that the message is in.
pub(crate) fn conflict(status: Status, takes: &[Status]) -> Problem {
    if takes.contains(&status) {
        let detail = "its state has just changed: somebody else was faster";
        return Problem::new(Code::StateConflict, detail);
    }
    let status = status.as_str();
    let takes = match takes {
        [first @ .., last] if !first.is_empty() => {
            let first: Vec<&str> = first.iter().map(|status| status.as_str()).collect();
            format!("{} or {}", first.join(", "), last.as_str())
        }
        takes => takes.iter().map(|status| status.as_str()).collect(),
    };
    let detail = format!("the message is {status}, and only {takes} allows it");
    Problem::new(Code::StateConflict, detail)
}

/// A body that was in the queue alone is gone with the queue item.
fn no_body() -> Problem {
    Problem::new(
        Code::StateConflict,
        "its body was not retained, so there is nothing to send again",
    )
}

/// What was begun may have been done, in which case a repetition comes to something else.
fn stopped(error: PortError, again: Again) -> Problem {
    let problem = Problem::from(error);
    let more = match again {
        // A repetition is refused, unless the message has died of the redrive in between.
        Again::Redrive => "; a message that died again in between goes once more",
        Again::Resend => "; a message that was delivered in between goes once more",
    };
    Problem { detail: format!("{}{more}", problem.detail), ..problem }
}
