//! Every route with what it needs, and what surrounds all of them. CORS is the gateway's business: it answers preflights
//! and adds the headers, so nothing here does.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use relay_core::access::Scope;
use relay_core::destination::DestinationPolicy;
use relay_core::metrics::Recorder;
use relay_core::settings::IngestSettings;
use tower_http::catch_panic::CatchPanicLayer;

use crate::accept::{Accept, Ports};
use crate::access::{Guard, Needs, Routes, guard};
use crate::codes::Code;
use crate::destinations::get_destination;
use crate::observe::observe;
use crate::problem::Problem;
use crate::request::REQUEST_BYTES_MAX;
use crate::submission::Rules;
use crate::{again, bulk, handlers, keys, signing};

/// What the routes share.
pub(crate) struct App {
    pub(crate) accept: Accept,
    pub(crate) rules: Rules,
    pub(crate) guard: Guard,
    /// The OpenAPI document, once somebody has asked for it.
    pub(crate) openapi: OnceLock<String>,
    /// Whether a request was answered before: the first one pays for the cold start.
    pub(crate) warm: AtomicBool,
    /// Share of messages whose plain success is logged.
    pub(crate) success_percent: u8,
    /// Where it is counted what happens.
    pub(crate) recorder: Arc<Recorder>,
}

/// The router of the whole API over the given ports. What happens is counted by `recorder`.
pub fn router(
    ports: Ports,
    settings: &IngestSettings,
    destinations: DestinationPolicy,
    recorder: Arc<Recorder>,
) -> Router {
    let limits = settings.limits;
    let (routes, needs) = routes().done();
    let app = Arc::new(App {
        guard: Guard::new(&ports, settings.access, needs, &recorder),
        accept: Accept::new(ports, settings),
        rules: Rules { destinations, payload_bytes_max: limits.payload_bytes_max },
        openapi: OnceLock::new(),
        warm: AtomicBool::new(false),
        success_percent: settings.logging.success_percent,
        recorder,
    });
    routes
        .fallback(|| async { Problem::new(Code::NotFound, "there is no such path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "the allow header lists the methods of this path")
        })
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn_with_state(app.clone(), guard))
        // What panicked is on stderr already; the client is told that it was our fault.
        .layer(CatchPanicLayer::custom(|_| Problem::system("a panic").into_response()))
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

pub(crate) fn routes() -> Routes {
    let send = Needs::Scope(Scope::Send);
    let read = Needs::Scope(Scope::Read);
    let operate = Needs::Scope(Scope::Operate);
    let admin = Needs::Scope(Scope::Admin);
    Routes::default()
        .post("/message", send, handlers::post_message)
        .post("/v1/messages", send, handlers::post_message)
        .post("/v1/messages/bulk", send, bulk::post_messages)
        .delete("/v1/messages/bulk", operate, bulk::delete_messages)
        .post("/v1/messages/bulk/redrive", operate, bulk::post_redrive)
        .post("/v1/uploads", send, handlers::post_upload)
        .get("/v1/messages/{id}", read, handlers::get_message)
        .post("/v1/messages/{id}/redrive", operate, again::post_redrive)
        .post("/v1/messages/{id}/resend", operate, again::post_resend)
        .get("/v1/destinations/{host}", operate, get_destination)
        .post("/v1/api-keys", admin, keys::post_key)
        .get("/v1/api-keys", admin, keys::get_keys)
        .get("/v1/api-keys/{id}", admin, keys::get_key)
        .patch("/v1/api-keys/{id}", admin, keys::patch_key)
        .delete("/v1/api-keys/{id}", admin, keys::delete_key)
        .post("/v1/api-keys/{id}/rotate", admin, keys::post_rotate)
        .post("/v1/signing-secrets", admin, signing::post_secret)
        .get("/v1/signing-secrets", admin, signing::get_secrets)
        .get("/v1/signing-secrets/{senderId}", admin, signing::get_secret)
        .post("/v1/signing-secrets/{senderId}/rotate", admin, signing::post_rotate)
        .get("/health/ready", Needs::AnyKey, handlers::get_ready)
        .get("/health", Needs::Nothing, handlers::get_health)
        .get("/openapi.json", Needs::Nothing, handlers::get_openapi)
}
