//! One short function for each route: parse, call the use case, answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use relay_core::access::Grant;
use relay_core::identity::{CorrelationId, MessageId, RelayId, SenderId};
use relay_core::message::Message;
use relay_core::trace::Trace;
use relay_core::upload::UploadId;
use tracing::{Instrument, Span, error_span};

use crate::announcement::Announcement;
use crate::answers::{AcceptedAnswer, HealthAnswer, MessageAnswer, ReadyAnswer, UploadAnswer};
use crate::codes::Code;
use crate::mistakes::Mistakes;
use crate::observe::Facts;
use crate::openapi;
use crate::problem::{Problem, ProblemAnswer, RETRY_AFTER_SECONDS};
use crate::read::read;
use crate::readiness;
use crate::request::JsonBytes;
use crate::router::App;
use crate::submission::Submission;

/// Accepts a message. `POST /message` is the same.
#[utoipa::path(
    post, path = "/v1/messages", operation_id = "postMessage", tag = "messages",
    request_body = openapi::MessageRequest,
    responses(
        (status = 202, description = "Accepted and in the queue", body = AcceptedAnswer),
        (status = 200, description = "Accepted before; nothing was sent", body = AcceptedAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 422, description = "MESSAGE_ID_REUSED or TARGET_REFUSED", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_message(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    Extension(trace): Extension<Trace>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let submission =
        covered(&grant, Submission::parse(&bytes, &app.rules)?).map_err(|refused| *refused)?;
    let now = app.accept.ports.ambient.now();
    let draft = app.accept.draft(submission, &correlation_id, &trace, now);
    let (facts, Message { id, message_id, sender_id, .. }) =
        (Facts::of_draft(&draft), &draft.message);
    let span = about(id, message_id, sender_id);
    let accepted = match app.accept.accept(&draft).instrument(span).await {
        Ok(accepted) => accepted,
        Err(error) => return Err(Problem::from(error).about(facts)),
    };
    let status = if accepted.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED };
    let answer = AcceptedAnswer::of(&accepted, message_id.clone(), correlation_id);
    Ok((status, Extension(facts.accepted(&accepted)), Json(answer)).into_response())
}

/// The submission, if its sender is one that the key is for.
pub(crate) fn covered(grant: &Grant, submission: Submission) -> Result<Submission, Box<Problem>> {
    if grant.covers(&submission.sender_id) {
        return Ok(submission);
    }
    let detail = "this key may not send messages of this senderId";
    let problem = Problem::new(Code::Forbidden, detail).because("a sender that is not the key's");
    Err(Box::new(problem.about(Facts::of_submission(&submission))))
}

/// The span around everything that is done for one message.
pub(crate) fn about(id: &RelayId, message_id: &MessageId, sender_id: &SenderId) -> Span {
    // An error, so that no level of the log hides whose lines they are.
    error_span!("message", %id, %message_id, %sender_id)
}

/// How a message stands, and what its attempts came to.
#[utoipa::path(
    get, path = "/v1/messages/{id}", operation_id = "getMessage", tag = "messages",
    params(
        ("id" = String, Path, description = "The relay's id: msg_ and 32 characters"),
        ("include" = Option<String>, Query, description = "`body`: answer with the body, or a link to it"),
    ),
    responses(
        (status = 200, description = "The message", body = MessageAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_message(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    id: Result<Path<String>, PathRejection>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let with_body = includes("body", &query)?;
    let id = message_id(id).ok_or_else(no_message)?;
    let facts = Facts { id: Some(id.clone()), ..Facts::default() };
    let (found, body) = read(&app.accept.ports, &id, with_body, |sender| grant.covers(sender))
        .await
        .map_err(|error| Problem::from(error).about(facts.clone()))?;
    let facts = Facts::of(&found.message);
    Ok((Extension(facts), Json(MessageAnswer::of(found, body))).into_response())
}

/// The id of a path. A text that is no id is the id of no message.
pub(crate) fn message_id(id: Result<Path<String>, PathRejection>) -> Option<RelayId> {
    id.ok().and_then(|Path(text)| RelayId::parse(&text).ok())
}

/// What is answered about a message that is not there.
pub(crate) fn no_message() -> Problem {
    Problem::new(Code::NotFound, "there is no message with this id")
}

/// Whether a query asks to include what is called `part`, the only thing that it may say.
pub(crate) fn includes(part: &str, query: &[(String, String)]) -> Result<bool, Mistakes> {
    let mut mistakes = Mistakes::default();
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("include", value) if value == part => {}
            ("include", _) => mistakes.add("", format!("query parameter include must be {part}")),
            _ => mistakes.add("", "there is no query parameter but include"),
        }
    }
    mistakes.or(Some(!query.is_empty()))
}

/// Announces an upload and gets a link for it.
#[utoipa::path(
    post, path = "/v1/uploads", operation_id = "postUpload", tag = "uploads",
    request_body = openapi::UploadRequest,
    responses(
        (status = 201, description = "Where to send the bytes", body = UploadAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_upload(
    State(app): State<Arc<App>>,
    Extension(correlation_id): Extension<CorrelationId>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let Announcement { bytes, sha256 } = Announcement::parse(&bytes, app.rules.payload_bytes_max)?;
    let ports = &app.accept.ports;
    let upload = UploadId::announce(ports.ambient.bits(), sha256, bytes);
    let link = ports.payloads.upload_link(&upload, ports.ambient.now()).await?;
    let answer = UploadAnswer::of(&upload, link, &correlation_id);
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Whether the process is up.
#[utoipa::path(
    get, path = "/health", operation_id = "getHealth", tag = "health",
    responses((status = 200, description = "It is", body = HealthAnswer))
)]
pub(crate) async fn get_health() -> Json<HealthAnswer> {
    Json(HealthAnswer { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the services behind the relay answer.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "getReady", tag = "health",
    responses(
        (status = 200, description = "All do", body = ReadyAnswer),
        (status = 503, description = "Some do not, each is named", body = ReadyAnswer),
    )
)]
pub(crate) async fn get_ready(State(app): State<Arc<App>>) -> Response {
    let checks = readiness::check(&app.accept.ports).await;
    if checks.all_ok() {
        return Json(ReadyAnswer { status: "ready", checks }).into_response();
    }
    let answer = ReadyAnswer { status: "unavailable", checks };
    let retry = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(answer)).into_response()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getOpenApi", tag = "health",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub(crate) async fn get_openapi(State(app): State<Arc<App>>) -> Response {
    let text = app.openapi.get_or_init(|| openapi::text(app.guard.needs()));
    ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response()
}
