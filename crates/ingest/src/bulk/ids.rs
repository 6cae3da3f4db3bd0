//! Setting many messages going again, and cancelling many: by id, each as it is done to one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::StatusCode;
use relay_core::access::Grant;
use relay_core::identity::{CorrelationId, RelayId};
use relay_core::lifecycle::{Again, Status};

use super::answers::{BulkAnswer, Done, Told};
use super::{answer, requests};
use crate::again::{Going, go};
use crate::cancel::cancel;
use crate::handlers::no_message;
use crate::problem::{Problem, ProblemAnswer};
use crate::request::JsonBytes;
use crate::router::App;

/// Messages that are worked on at the same time for one request: a hundred take ten times as long as one, and the calls of
/// one request stay few among those of others.
const AT_ONCE: usize = 10;

/// What is done to each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Redrive,
    Cancel,
}

/// Sets up to a hundred dead letters going again, each as `POST /v1/messages/{id}/redrive` does.
#[utoipa::path(
    post, path = "/v1/messages/bulk/redrive", operation_id = "postRedrives", tag = "messages",
    request_body = requests::IdsRequest,
    responses(
        (status = 207, description = "One result for each id, in order: 202, 404, 409 or 503", body = BulkAnswer),
        (status = 400, description = "VALIDATION_ERROR: the request itself cannot be read", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_redrive(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    JsonBytes(bytes): JsonBytes,
) -> Response {
    each(&app, &grant, &correlation_id, &bytes, Act::Redrive).await
}

/// Cancels up to a hundred messages that are not delivered yet and that no worker holds. They end CANCELLED, without dead
/// letters.
#[utoipa::path(
    delete, path = "/v1/messages/bulk", operation_id = "deleteMessages", tag = "messages",
    request_body = requests::IdsRequest,
    responses(
        (status = 207, description = "One result for each id, in order: 200, 404, 409 or 503", body = BulkAnswer),
        (status = 400, description = "VALIDATION_ERROR: the request itself cannot be read", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete_messages(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    JsonBytes(bytes): JsonBytes,
) -> Response {
    each(&app, &grant, &correlation_id, &bytes, Act::Cancel).await
}

/// Does it to every message that the request names; once to one that is named several times.
async fn each(
    app: &App,
    grant: &Grant,
    correlation_id: &CorrelationId,
    bytes: &[u8],
    act: Act,
) -> Response {
    let ids = match requests::ids(bytes) {
        Ok(ids) => ids,
        Err(mistakes) => return Problem::from(mistakes).into_response(),
    };
    let spent = match app.guard.spend_for_each(grant, ids.len()).await {
        Ok(spent) => spent,
        Err(refused) => return refused,
    };
    let mut places = HashMap::with_capacity(ids.len());
    let mut distinct = Vec::with_capacity(ids.len());
    for id in ids.iter().flatten() {
        places.entry(id).or_insert_with(|| {
            distinct.push(id);
            distinct.len() - 1
        });
    }
    let work: Vec<_> = distinct.into_iter().map(|id| one(app, grant, id, act)).collect();
    let told: Vec<Told> = futures::stream::iter(work).buffered(AT_ONCE).collect().await;
    let mut named = HashSet::with_capacity(places.len());
    let told = ids.iter().map(|id| {
        let place = id.as_ref().and_then(|id| places.get(id));
        let told = place.and_then(|place| told.get(*place)).cloned();
        let told = told.unwrap_or_else(|| Err(Box::new(no_message())));
        told.map(|done| Done { is_repeated: !named.insert(id), ..done })
    });
    answer(told.collect(), correlation_id, spent)
}

async fn one(app: &App, grant: &Grant, id: &RelayId, act: Act) -> Told {
    match act {
        Act::Redrive => {
            let Going { generation, expires_at, facts } =
                go(app, grant, id, Again::Redrive).await.map_err(Box::new)?;
            Ok(Done {
                status: StatusCode::ACCEPTED,
                message_status: Status::Queued,
                generation: Some(generation.0),
                expires_at: Some(expires_at.to_string()),
                is_repeated: false,
                facts,
            })
        }
        Act::Cancel => Ok(Done {
            status: StatusCode::OK,
            message_status: Status::Cancelled,
            generation: None,
            expires_at: None,
            is_repeated: false,
            facts: cancel(app, grant, id).await.map_err(Box::new)?,
        }),
    }
}
