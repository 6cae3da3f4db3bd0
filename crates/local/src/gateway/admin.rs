//! What the local stack tells about itself, and does for people and tests, under `/_local/` on the
//! gateway's port:
//!
//! - `GET /_local/environments`: the environments of every function;
//! - `GET /_local/calls`: who called what of the services;
//! - `GET /_local/metrics`: every metric by minute, as JSON; as Prometheus text it is at `/metrics`;
//! - `POST /_local/functions/<logical id>/invoke`: runs a function that the template schedules, at once
//!   and once, with the event that its schedule would give it; the answer is the function's own.
//!
//! The deployed API has nothing of the kind.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::response;
use crate::lambda::{EnvironmentStatus, FunctionHost, InvokeError};
use crate::metrics::Meter;
use crate::schedule::ScheduledEvent;
use crate::services::record::Recorder;

/// Start of the paths that are answered here.
pub(super) const PREFIX: &str = "/_local/";

/// What the paths here look at.
pub(super) struct Inside<'a> {
    pub(super) functions: &'a BTreeMap<String, Arc<FunctionHost>>,
    pub(super) scheduled: &'a BTreeMap<String, ScheduledEvent>,
    pub(super) recorder: &'a Recorder,
}

/// Answers a request for one of the paths here.
pub(super) async fn answer(method: &Method, path: &str, inside: Inside<'_>) -> Response<Body> {
    let rest = path.strip_prefix(PREFIX).unwrap_or_default();
    let invoked = rest.strip_prefix("functions/").and_then(|rest| rest.strip_suffix("/invoke"));
    match (method, rest, invoked) {
        (&Method::GET, "environments", _) => {
            let environments: Vec<EnvironmentStatus> =
                inside.functions.values().flat_map(|function| function.environments()).collect();
            Json(environments).into_response()
        }
        (&Method::GET, "metrics", _) => Json(inside.recorder.meter().json()).into_response(),
        (&Method::GET, "calls", _) => Json(inside.recorder.snapshot()).into_response(),
        (&Method::POST, _, Some(logical_id)) => invoke(logical_id, &inside).await,
        _ => response::message(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// Whether a request is for what [`prometheus`] answers.
pub(super) fn is_metrics(method: &Method, path: &str) -> bool {
    method == Method::GET && path == "/metrics"
}

/// Every metric as Prometheus text.
pub(super) fn prometheus(meter: &Meter) -> Response<Body> {
    let mut response = Response::new(Body::from(meter.prometheus()));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// Runs a scheduled function now.
async fn invoke(logical_id: &str, inside: &Inside<'_>) -> Response<Body> {
    let (Some(scheduled), Some(function)) =
        (inside.scheduled.get(logical_id), inside.functions.get(logical_id).map(Arc::clone))
    else {
        let names: Vec<&String> = inside.scheduled.keys().collect();
        let text = format!("`{logical_id}` is no scheduled function; there are {names:?}");
        return (StatusCode::NOT_FOUND, Json(json!({ "message": text }))).into_response();
    };
    let event = scheduled.due_at(Timestamp::now());
    // A task of its own: an invocation goes on when its caller hangs up, as on Lambda.
    match tokio::spawn(async move { function.invoke(event).await }).await {
        Ok(Ok(answer)) => {
            let mut response = Response::new(Body::from(answer));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Ok(Err(error)) => {
            let status = status_of(&error);
            (status, Json(json!({ "message": error.to_string() }))).into_response()
        }
        Err(_ended) => response::message(StatusCode::BAD_GATEWAY, "Bad Gateway"),
    }
}

/// Whether it was the function that failed, or nothing was there to run it.
fn status_of(error: &InvokeError) -> StatusCode {
    match error {
        InvokeError::Throttled { .. } | InvokeError::Stopping | InvokeError::ColdStart(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        InvokeError::EventTooLarge { .. }
        | InvokeError::Function { .. }
        | InvokeError::Crashed { .. }
        | InvokeError::TimedOut { .. }
        | InvokeError::ResponseTooLarge => StatusCode::BAD_GATEWAY,
    }
}
