//! Every route, and what surrounds all of them. CORS is the gateway's business: it answers preflights
//! and adds the headers, so nothing here does.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use relay_core::destination::DestinationPolicy;
use relay_core::settings::IngestSettings;
use tower_http::catch_panic::CatchPanicLayer;

use crate::accept::{Accept, Ports};
use crate::codes::Code;
use crate::destinations::get_destination;
use crate::observe::observe;
use crate::problem::Problem;
use crate::request::REQUEST_BYTES_MAX;
use crate::submission::Rules;
use crate::{again, handlers};

/// What the routes share.
pub(crate) struct App {
    pub(crate) accept: Accept,
    pub(crate) rules: Rules,
    /// Whether a request was answered before: the first one pays for the cold start.
    pub(crate) warm: AtomicBool,
}

/// The router of the whole API over the given ports.
pub fn router(ports: Ports, settings: &IngestSettings, destinations: DestinationPolicy) -> Router {
    let limits = settings.limits;
    let app = Arc::new(App {
        accept: Accept { ports, limits, message_ttl: settings.message_ttl },
        rules: Rules { destinations, payload_bytes_max: limits.payload_bytes_max },
        warm: AtomicBool::new(false),
    });
    Router::new()
        .route("/message", post(handlers::post_message))
        .route("/v1/messages", post(handlers::post_message))
        .route("/v1/messages/{id}", get(handlers::get_message))
        .route("/v1/messages/{id}/redrive", post(again::post_redrive))
        .route("/v1/messages/{id}/resend", post(again::post_resend))
        .route("/v1/destinations/{host}", get(get_destination))
        .route("/v1/uploads", post(handlers::post_upload))
        .route("/health", get(handlers::get_health))
        .route("/health/ready", get(handlers::get_ready))
        .route("/openapi.json", get(handlers::get_openapi))
        .fallback(|| async { Problem::new(Code::NotFound, "there is no such path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "the allow header lists the methods of this path")
        })
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        // What panicked is on stderr already; the client is told that it was our fault.
        .layer(CatchPanicLayer::custom(|_| Problem::system("a panic").into_response()))
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}
