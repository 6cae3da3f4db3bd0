//! What the local stack tells about itself, under `/_local/` on the gateway's port.
//!
//! The deployed API has nothing of the kind; tests and curious people use it.

use axum::Json;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use axum::response::IntoResponse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::response;
use crate::lambda::{EnvironmentStatus, FunctionHost};
use crate::services::record::Recorder;

/// Start of the paths that are answered here.
pub(super) const PREFIX: &str = "/_local/";

/// Answers a request for one of the paths here.
pub(super) fn answer(
    method: &Method,
    path: &str,
    functions: &BTreeMap<String, Arc<FunctionHost>>,
    recorder: &Recorder,
) -> Response<Body> {
    match (method, path.strip_prefix(PREFIX)) {
        (&Method::GET, Some("environments")) => {
            let environments: Vec<EnvironmentStatus> =
                functions.values().flat_map(|function| function.environments()).collect();
            Json(environments).into_response()
        }
        (&Method::GET, Some("calls")) => Json(recorder.snapshot()).into_response(),
        _ => response::message(StatusCode::NOT_FOUND, "Not Found"),
    }
}
