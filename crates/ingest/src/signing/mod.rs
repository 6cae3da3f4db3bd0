//! `/v1/signing-secrets`: what receivers verify deliveries with, for those who hold a key with the scope `admin`. Here
//! are only the requests and their answers.

mod answers;
mod manage;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use relay_core::access::{Grant, SigningRecord};
use relay_core::identity::{CorrelationId, SenderId};

use crate::codes::Code;
use crate::handlers::includes;
use crate::mistakes::Mistakes;
use crate::object::read_request;
use crate::openapi::{RotateRequest, SigningSecretRequest};
use crate::paging::{Paging, listed};
use crate::problem::{Problem, ProblemAnswer};
use crate::request::JsonBytes;
use crate::rotation::grace_of_deliveries;
use crate::router::App;
use answers::{NewSigningAnswer, SigningAnswer, SigningsAnswer};
use manage::{ManageSigning, SigningError};

/// The fields of `POST /v1/signing-secrets`.
pub(crate) const FIELDS: [&str; 1] = ["senderId"];

fn manage<'a>(app: &'a App, grant: &'a Grant) -> ManageSigning<'a> {
    ManageSigning { ports: &app.accept.ports, grant }
}

/// The sender of a path. A text that is no sender's id is that of no sender.
fn sender_id(id: Result<Path<String>, PathRejection>) -> Result<SenderId, SigningError> {
    id.ok().and_then(|Path(text)| SenderId::parse(&text).ok()).ok_or(SigningError::NotFound)
}

/// Makes the first signing secret of a sender. From then on its deliveries are signed.
#[utoipa::path(
    post, path = "/v1/signing-secrets", operation_id = "postSigningSecret", tag = "access",
    request_body = SigningSecretRequest,
    responses(
        (status = 201, description = "The secret", body = NewSigningAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 409, description = "STATE_CONFLICT: the sender has one", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_secret(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let mut mistakes = Mistakes::default();
    let sender = read_request(&bytes, &FIELDS, &mut mistakes)
        .and_then(|object| object.required(FIELDS[0], SenderId::parse, &mut mistakes));
    let sender = mistakes.or(sender)?;
    let (record, secret) = manage(&app, &grant).create(&sender).await?;
    let answer = SigningAnswer::of(&record, None, app.accept.ports.ambient.now());
    Ok((StatusCode::CREATED, Json(answer.revealing(secret, &correlation_id))).into_response())
}

/// Lists the senders that have signing secrets.
#[utoipa::path(
    get, path = "/v1/signing-secrets", operation_id = "getSigningSecrets", tag = "access",
    params(
        ("limit" = Option<usize>, Query, description = "Senders of a page: 1 to 100, else 50"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of senders", body = SigningsAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_secrets(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<SigningsAnswer>, Problem> {
    let paging = Paging::parse(&query)?;
    let (manage, now) = (manage(&app, &grant), app.accept.ports.ambient.now());
    let may_see = |record: &SigningRecord| grant.covers(&record.sender);
    let list = |after| manage.list(after);
    let page = listed(paging, list, |record| record.sender.as_str(), may_see).await?;
    let items = page.items.iter().map(|record| SigningAnswer::of(record, None, now)).collect();
    Ok(Json(SigningsAnswer { items, next_cursor: page.next_cursor }))
}

/// Shows the signing secrets of a sender.
#[utoipa::path(
    get, path = "/v1/signing-secrets/{senderId}", operation_id = "getSigningSecret", tag = "access",
    params(
        ("senderId" = String, Path, description = "Who sends"),
        ("include" = Option<String>, Query, description = "`secret`: answer with the secrets themselves"),
    ),
    responses(
        (status = 200, description = "The secrets", body = SigningAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_secret(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    id: Result<Path<String>, PathRejection>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<SigningAnswer>, Problem> {
    let with_secret = includes("secret", &query)?;
    let manage = manage(&app, &grant);
    let record = manage.find(&sender_id(id)?).await?;
    let masters = if with_secret { Some(manage.masters().await?) } else { None };
    let now = app.accept.ports.ambient.now();
    Ok(Json(SigningAnswer::of(&record, masters.as_ref(), now)))
}

/// Gives a sender a new signing secret. Deliveries are signed with the old ones too for the grace period,
/// which is 0 or at least 60 seconds: workers know of a new secret within a minute.
#[utoipa::path(
    post, path = "/v1/signing-secrets/{senderId}/rotate", operation_id = "postSigningSecretRotate", tag = "access",
    params(("senderId" = String, Path, description = "Who sends")),
    request_body = Option<RotateRequest>,
    responses(
        (status = 200, description = "The new secret", body = NewSigningAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 409, description = "STATE_CONFLICT: too many versions are in use, or somebody else rotated it at the same time", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_rotate(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    id: Result<Path<String>, PathRejection>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<NewSigningAnswer>, Problem> {
    let (sender, grace) = (sender_id(id)?, grace_of_deliveries(&bytes)?);
    let (record, secret) = manage(&app, &grant).rotate(&sender, grace).await?;
    let answer = SigningAnswer::of(&record, None, app.accept.ports.ambient.now());
    Ok(Json(answer.revealing(secret, &correlation_id)))
}

impl From<SigningError> for Problem {
    fn from(error: SigningError) -> Self {
        match error {
            SigningError::NotFound => Self::new(Code::NotFound, error.to_string()),
            SigningError::NotCovered => Self::new(Code::Forbidden, error.to_string()),
            SigningError::Exists
            | SigningError::TooManyVersions(_)
            | SigningError::Overtaken
            | SigningError::Busy => Self::new(Code::StateConflict, error.to_string()),
            SigningError::Port(error) => error.into(),
        }
    }
}
