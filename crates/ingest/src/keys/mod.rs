//! `/v1/api-keys`: the API keys, for those who hold one with the scope `admin`. Here are only the requests and their
//! answers.

pub(crate) mod answers;
pub(crate) mod fields;
pub(crate) mod manage;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use relay_core::access::{Grant, KeyId, Senders};
use relay_core::identity::CorrelationId;
use relay_core::ports::StoredKey;

use crate::codes::Code;
use crate::openapi::{ApiKeyChangeRequest, ApiKeyRequest, RotateRequest};
use crate::paging::{Paging, listed, listed_among_others};
use crate::problem::{Problem, ProblemAnswer};
use crate::request::JsonBytes;
use crate::rotation::grace;
use crate::router::App;
use answers::{KeyAnswer, KeySecretsAnswer, KeysAnswer};
use manage::{KeyError, ManageKeys};

fn manage<'a>(app: &'a App, grant: &'a Grant) -> ManageKeys<'a> {
    ManageKeys { ports: &app.accept.ports, remembered: app.guard.keys(), grant }
}

/// The id of a path. A text that is no id is the id of no key.
fn key_id(id: Result<Path<String>, PathRejection>) -> Result<KeyId, KeyError> {
    id.ok().and_then(|Path(text)| KeyId::parse(&text).ok()).ok_or(KeyError::NotFound)
}

fn shown(app: &App, stored: StoredKey) -> KeyAnswer {
    KeyAnswer::of(stored.record, stored.last_used_at, app.accept.ports.ambient.now())
}

/// Makes an API key. Its secrets are shown in this answer and never again.
#[utoipa::path(
    post, path = "/v1/api-keys", operation_id = "postApiKey", tag = "access",
    request_body = ApiKeyRequest,
    responses(
        (status = 201, description = "The key, with its secrets", body = KeySecretsAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_key(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let rules = fields::rules(&bytes, app.accept.ports.ambient.now())?;
    let (record, secrets) = manage(&app, &grant).create(rules).await?;
    let answer = shown(&app, StoredKey { record, last_used_at: None });
    Ok((StatusCode::CREATED, Json(answer.revealing(&secrets, &correlation_id))).into_response())
}

/// Lists the API keys, revoked ones included.
#[utoipa::path(
    get, path = "/v1/api-keys", operation_id = "getApiKeys", tag = "access",
    params(
        ("limit" = Option<usize>, Query, description = "Keys of a page: 1 to 100, else 50"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of keys", body = KeysAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_keys(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<KeysAnswer>, Problem> {
    let paging = Paging::parse(&query)?;
    let manage = manage(&app, &grant);
    let keys = &app.accept.ports.keys;
    let list = |after| {
        let keys = keys.clone();
        async move { keys.list(Option::as_ref(&after)).await }
    };
    let may_see = |stored: &StoredKey| manage.may_see(&stored.record);
    let name: fn(&StoredKey) -> &str = |stored| stored.record.id.as_str();
    let page = match &grant.senders {
        Senders::All => listed(paging, list, name, may_see).await?,
        Senders::Only(_) => listed_among_others(paging, list, name, may_see).await?,
    };
    let items = page.items.into_iter().map(|stored| shown(&app, stored)).collect();
    Ok(Json(KeysAnswer { items, next_cursor: page.next_cursor }))
}

/// Shows an API key, without its secrets.
#[utoipa::path(
    get, path = "/v1/api-keys/{id}", operation_id = "getApiKey", tag = "access",
    params(("id" = String, Path, description = "The key's id: 16 characters")),
    responses(
        (status = 200, description = "The key", body = KeyAnswer),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get_key(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<KeyAnswer>, Problem> {
    let stored = manage(&app, &grant).find(&key_id(id)?).await?;
    Ok(Json(shown(&app, stored)))
}

/// Changes what an API key may do. What the request does not name stays as it is; null takes a limit away.
#[utoipa::path(
    patch, path = "/v1/api-keys/{id}", operation_id = "patchApiKey", tag = "access",
    params(("id" = String, Path, description = "The key's id: 16 characters")),
    request_body = ApiKeyChangeRequest,
    responses(
        (status = 200, description = "The key as it is now", body = KeyAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 409, description = "STATE_CONFLICT: it is revoked, or others change it all the time", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn patch_key(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    id: Result<Path<String>, PathRejection>,
    JsonBytes(bytes): JsonBytes,
) -> Result<Json<KeyAnswer>, Problem> {
    let id = key_id(id)?;
    let change = fields::Change::parse(&bytes, app.accept.ports.ambient.now())?;
    let stored = manage(&app, &grant).change(&id, &change).await?;
    Ok(Json(shown(&app, stored)))
}

/// Revokes an API key, for ever. Everywhere it is refused within a minute.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", operation_id = "deleteApiKey", tag = "access",
    params(("id" = String, Path, description = "The key's id: 16 characters")),
    responses(
        (status = 204, description = "It is revoked, now or since earlier"),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 409, description = "STATE_CONFLICT: others change it all the time", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_key(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    manage(&app, &grant).revoke(&key_id(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an API key new secrets. The old ones stay valid for the grace period.
#[utoipa::path(
    post, path = "/v1/api-keys/{id}/rotate", operation_id = "postApiKeyRotate", tag = "access",
    params(("id" = String, Path, description = "The key's id: 16 characters")),
    request_body = Option<RotateRequest>,
    responses(
        (status = 200, description = "The key, with its new secrets", body = KeySecretsAnswer),
        (status = 400, description = "VALIDATION_ERROR", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "NOT_FOUND", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 409, description = "STATE_CONFLICT: it is revoked, too many versions are valid, or somebody else rotated it at the same time", body = ProblemAnswer, content_type = "application/problem+json"),
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
) -> Result<Json<KeySecretsAnswer>, Problem> {
    let (id, grace) = (key_id(id)?, grace(&bytes)?);
    let (stored, secrets) = manage(&app, &grant).rotate(&id, grace).await?;
    Ok(Json(shown(&app, stored).revealing(&secrets, &correlation_id)))
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => Self::new(Code::NotFound, error.to_string()),
            KeyError::NotCovered => Self::new(Code::Forbidden, error.to_string()),
            KeyError::Revoked
            | KeyError::TooManyVersions(_)
            | KeyError::Overtaken
            | KeyError::Busy => Self::new(Code::StateConflict, error.to_string()),
            KeyError::Port(error) => error.into(),
        }
    }
}
