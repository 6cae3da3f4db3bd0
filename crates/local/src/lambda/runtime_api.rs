//! The Lambda Runtime API of one environment, on a loopback port of its own.
//!
//! It speaks HTTP and passes every call to the environment, which alone knows what may happen when.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::invocation::{InvokeError, RESPONSE_BYTES_MAX};
use crate::request_body::{self, BodyError};
use crate::services::http::is_delivery;

/// Calls that may wait for the environment at one time. A runtime makes one after the other.
pub(super) const CALLS_MAX: usize = 8;
/// Longest error type or message that is kept of a function's own error.
const ERROR_TEXT_CHARACTERS_MAX: usize = 2_000;

/// What a function's runtime asks or says.
pub(super) enum RuntimeCall {
    /// It wants the next event.
    Next(oneshot::Sender<Handout>),
    /// It has finished an invocation.
    Finished {
        request_id: String,
        result: Result<Bytes, InvokeError>,
        /// Told whether the invocation was the one under way.
        accepted: oneshot::Sender<bool>,
    },
    /// It cannot start.
    CannotStart(String),
}

/// The next event, as a runtime gets it.
pub(super) struct Handout {
    pub(super) request_id: String,
    pub(super) deadline_milliseconds: u64,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) event: Bytes,
}

type Calls = mpsc::Sender<RuntimeCall>;

/// The routes of the Runtime API.
pub(super) fn router(calls: Calls) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{request_id}/response", post(respond))
        .route("/2018-06-01/runtime/invocation/{request_id}/error", post(fail))
        .route("/2018-06-01/runtime/init/error", post(cannot_start))
        // The limit is judged below, where passing it fails the invocation.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(refuse_deliveries))
        .with_state(calls)
}

/// A message whose target is this port would otherwise take another invocation's event, or answer it.
async fn refuse_deliveries(request: Request, next: Next) -> Response<Body> {
    if is_delivery(request.headers()) {
        return plain(StatusCode::FORBIDDEN);
    }
    next.run(request).await
}

async fn next(State(calls): State<Calls>) -> Response<Body> {
    let (reply, handout) = oneshot::channel();
    if calls.send(RuntimeCall::Next(reply)).await.is_err() {
        return plain(StatusCode::GONE);
    }
    let Ok(handout) = handout.await else { return plain(StatusCode::GONE) };
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", handout.request_id)
        .header("lambda-runtime-deadline-ms", handout.deadline_milliseconds)
        .header("lambda-runtime-invoked-function-arn", handout.function_arn)
        .header("lambda-runtime-trace-id", handout.trace_id)
        .body(Body::from(handout.event))
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn respond(
    State(calls): State<Calls>,
    Path(request_id): Path<String>,
    body: Body,
) -> Response<Body> {
    match request_body::read(body, RESPONSE_BYTES_MAX).await {
        Ok(body) => finish(&calls, request_id, Ok(body), StatusCode::ACCEPTED).await,
        Err(BodyError::TooLong { .. }) => {
            let result = Err(InvokeError::ResponseTooLarge);
            finish(&calls, request_id, result, StatusCode::PAYLOAD_TOO_LARGE).await
        }
        // Nothing was answered: the invocation goes on until its function answers or ends.
        Err(BodyError::Broken(_)) => plain(StatusCode::BAD_REQUEST),
    }
}

async fn fail(
    State(calls): State<Calls>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let body = axum::body::to_bytes(body, RESPONSE_BYTES_MAX).await.unwrap_or_default();
    let error_type = headers
        .get("lambda-runtime-function-error-type")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let result = Err(function_error(error_type, &body));
    finish(&calls, request_id, result, StatusCode::ACCEPTED).await
}

async fn cannot_start(State(calls): State<Calls>, body: Body) -> Response<Body> {
    let body = axum::body::to_bytes(body, RESPONSE_BYTES_MAX).await.unwrap_or_default();
    let reason = function_error(None, &body).to_string();
    match calls.send(RuntimeCall::CannotStart(reason)).await {
        Ok(()) => plain(StatusCode::ACCEPTED),
        Err(_) => plain(StatusCode::GONE),
    }
}

async fn finish(
    calls: &Calls,
    request_id: String,
    result: Result<Bytes, InvokeError>,
    success: StatusCode,
) -> Response<Body> {
    let (accepted, was_accepted) = oneshot::channel();
    if calls.send(RuntimeCall::Finished { request_id, result, accepted }).await.is_err() {
        return plain(StatusCode::GONE);
    }
    match was_accepted.await {
        Ok(true) => plain(success),
        Ok(false) => plain(StatusCode::BAD_REQUEST),
        Err(_) => plain(StatusCode::GONE),
    }
}

/// What a runtime reports of an error: `{"errorType": …, "errorMessage": …}`.
fn function_error(error_type: Option<String>, body: &[u8]) -> InvokeError {
    let report: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| report.get(name).and_then(serde_json::Value::as_str);
    let cut = |text: &str| text.chars().take(ERROR_TEXT_CHARACTERS_MAX).collect::<String>();
    InvokeError::Function {
        error_type: cut(field("errorType").or(error_type.as_deref()).unwrap_or("Unknown")),
        message: cut(field("errorMessage").unwrap_or_default()),
    }
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[tokio::test]
    async fn a_delivered_message_is_no_call() {
        let listener = crate::services::bind(0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mut calls) = mpsc::channel(CALLS_MAX);
        let server = tokio::spawn(async move { axum::serve(listener, router(sender)).await });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let error = client.post(format!("http://{address}/2018-06-01/runtime/init/error"));
        let delivered = error.try_clone().unwrap().header("webhook-id", "m").send().await.unwrap();
        assert_eq!(delivered.status(), StatusCode::FORBIDDEN);
        assert!(calls.try_recv().is_err(), "the environment heard of it");
        assert_eq!(error.send().await.unwrap().status(), StatusCode::ACCEPTED);
        assert!(calls.try_recv().is_ok());
        server.abort();
    }
}
