//! Many messages in one request: `POST /v1/messages/bulk`, `POST /v1/messages/bulk/redrive` and
//! `DELETE /v1/messages/bulk`. Each is answered by itself, in order and in the words of the single answers; the request
//! as a whole is refused only if it cannot be read, or is one too many.

pub mod answers;
mod ids;
pub mod requests;

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use relay_core::access::Grant;
use relay_core::identity::CorrelationId;
use relay_core::trace::Trace;
use serde_json::value::RawValue;

use crate::access::SpentMore;
use crate::handlers::covered;
use crate::observe::Facts;
use crate::problem::{Problem, ProblemAnswer};
use crate::request::JsonBytes;
use crate::router::App;
use crate::submission::Submission;

use answers::{BulkAnswer, Told, told_of};

pub(crate) use ids::{__path_delete_messages, __path_post_redrive, delete_messages, post_redrive};

/// Accepts up to a hundred messages, each as `POST /v1/messages` does.
#[utoipa::path(
    post, path = "/v1/messages/bulk", operation_id = "postMessages", tag = "messages",
    request_body = requests::BulkRequest,
    responses(
        (status = 207, description = "One result for each message, in order", body = BulkAnswer),
        (status = 400, description = "VALIDATION_ERROR: the request itself cannot be read", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "PAYLOAD_TOO_LARGE: the request itself", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "UNSUPPORTED_MEDIA_TYPE", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "SYSTEM_ERROR: try again", body = ProblemAnswer, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_messages(
    State(app): State<Arc<App>>,
    Extension(grant): Extension<Arc<Grant>>,
    Extension(correlation_id): Extension<CorrelationId>,
    Extension(trace): Extension<Trace>,
    JsonBytes(bytes): JsonBytes,
) -> Response {
    let items = match requests::messages(&bytes) {
        Ok(items) => items,
        Err(mistakes) => return Problem::from(mistakes).into_response(),
    };
    let spent = match app.guard.spend_for_each(&grant, items.len()).await {
        Ok(spent) => spent,
        Err(refused) => return refused,
    };
    let now = app.accept.ports.ambient.now();
    let mut told: Vec<Option<Told>> = Vec::with_capacity(items.len());
    let (mut drafts, mut submitted) = (Vec::with_capacity(items.len()), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let at = requests::place(index);
        match submission(&app, &grant, item, &at, &bytes) {
            Ok(submission) => {
                let draft = app.accept.draft(submission, &correlation_id, &trace, now);
                submitted.push((index, at, Facts::of_draft(&draft)));
                drafts.push(draft);
                told.push(None);
            }
            Err(problem) => told.push(Some(Err(problem))),
        }
    }
    let outcomes = app.accept.accept_all(drafts, now).await;
    for ((index, at, facts), outcome) in submitted.into_iter().zip(outcomes) {
        let outcome = match outcome {
            Ok(accepted) => Ok(told_of(&accepted, facts.accepted(&accepted))),
            Err(error) => Err(Box::new(Problem::from(error).at(&at).about(facts))),
        };
        if let Some(place) = told.get_mut(index) {
            *place = Some(outcome);
        }
    }
    let forgotten = || Err(Box::new(Problem::system("a message was left out")));
    let told = told.into_iter().map(|told| told.unwrap_or_else(forgotten)).collect();
    answer(told, &correlation_id, spent)
}

/// Reads one message, whose sender must be one that the key is for.
fn submission(
    app: &App,
    grant: &Grant,
    item: &RawValue,
    at: &str,
    request: &bytes::Bytes,
) -> Result<Submission, Box<Problem>> {
    let submission =
        Submission::parse_item(item, at, request, &app.rules).map_err(Problem::from)?;
    covered(grant, submission)
}

/// The answer to a request, and what counting and the log need of it.
fn answer(told: Vec<Told>, correlation_id: &CorrelationId, spent: Option<SpentMore>) -> Response {
    let (answer, many) = BulkAnswer::of(told, correlation_id);
    let mut response = (Extension(many), answer).into_response();
    if let Some(spent) = spent {
        response.extensions_mut().insert(spent);
    }
    response
}
