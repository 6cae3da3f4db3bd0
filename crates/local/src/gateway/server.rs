//! Serves HTTP on the gateway's port and carries each request through: preflight, route, event,
//! invocation, response.

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, Request as HttpRequest, Response, StatusCode};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::event::{self, ApiIdentity, Caller, Request};
use super::routes::Routes;
use super::{admin, cors, response};
use crate::lambda::{EVENT_BYTES_MAX, FunctionHost, unique_id};
use crate::services::record::Recorder;
use crate::template::description::Cors;

/// An HTTP API takes bodies of 10 MB. Lambda's limit for events binds earlier, but is found later.
const BODY_BYTES_MAX: usize = 10_000_000;
/// An HTTP API waits this long for its function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long open requests may take once the gateway stops: as long as an integration may.
const STOP_TIMEOUT: Duration = INTEGRATION_TIMEOUT;

/// What a gateway serves.
pub struct GatewayOptions {
    /// Where it listens.
    pub listener: TcpListener,
    /// Which function answers what.
    pub routes: Routes,
    /// CORS, if the API does any.
    pub cors: Option<Cors>,
    /// The functions by logical id.
    pub functions: BTreeMap<String, Arc<FunctionHost>>,
    /// Account number in events.
    pub account_id: String,
    /// The calls that `/_local/calls` answers.
    pub recorder: Recorder,
}

struct Shared {
    routes: Routes,
    cors: Option<Cors>,
    functions: BTreeMap<String, Arc<FunctionHost>>,
    account_id: String,
    recorder: Recorder,
}

/// A running gateway.
pub struct Gateway {
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Gateway {
    /// Begins to serve.
    #[must_use]
    pub fn start(options: GatewayOptions) -> Self {
        let GatewayOptions { listener, routes, cors, functions, account_id, recorder } = options;
        let shared = Arc::new(Shared { routes, cors, functions, account_id, recorder });
        let service = Router::new()
            .fallback(serve)
            .with_state(shared)
            .into_make_service_with_connect_info::<SocketAddr>();
        let (stop, mut stopping) = watch::channel(false);
        let stopped = async move {
            // A sender that is gone means the same as one that says stop.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        let serving = axum::serve(listener, service).with_graceful_shutdown(stopped);
        Self { stop, task: tokio::spawn(async move { serving.await }) }
    }

    /// Takes no more requests and lets the open ones finish, within bounds.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(STOP_TIMEOUT, self.task).await.is_err() {
            tracing::warn!("requests were still open when the gateway stopped");
        }
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let caller = Caller { source: peer.ip(), at: Timestamp::now() };
    let request_id = unique_id();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if path.starts_with(admin::PREFIX) {
        return admin::answer(&parts.method, path, &shared.functions, &shared.recorder);
    }
    if let Some(cors) = &shared.cors
        && let Some(answer) = cors::preflight(cors, &parts.method, &parts.headers)
    {
        return answer;
    }
    let mut answer = match axum::body::to_bytes(body, BODY_BYTES_MAX).await {
        Ok(body) => carry(&shared, &parts, &body, caller, &request_id).await,
        Err(_) => response::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
    };
    let headers = answer.headers_mut();
    if let Some(cors) = &shared.cors {
        cors::apply(cors, &parts.headers, headers);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert("apigw-requestid", value);
    }
    answer
}

/// Finds the function, invokes it, and makes a response of what comes back.
async fn carry(
    shared: &Shared,
    parts: &axum::http::request::Parts,
    body: &[u8],
    caller: Caller,
    request_id: &str,
) -> Response<Body> {
    let Some(found) = shared.routes.find(parts.method.as_str(), parts.uri.path()) else {
        return response::message(StatusCode::NOT_FOUND, "Not Found");
    };
    let Some(function) = shared.functions.get(found.function).map(Arc::clone) else {
        tracing::error!(function = found.function, "a route names a function that does not run");
        return response::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    let request = Request {
        method: &parts.method,
        uri: &parts.uri,
        version: parts.version,
        headers: &parts.headers,
        body,
    };
    let identity = ApiIdentity { account_id: &shared.account_id, request_id };
    let event = event::build(&request, &found, caller, &identity).to_string();
    if event.len() > EVENT_BYTES_MAX {
        return response::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    }
    // A task of its own: an invocation goes on when its caller hangs up, as on Lambda.
    let invocation = tokio::spawn(async move { function.invoke(Bytes::from(event)).await });
    match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
        Ok(Ok(Ok(answer))) => response::from_answer(&answer),
        Ok(Ok(Err(error))) => {
            tracing::error!(%error, route = found.route_key, "a request failed");
            response::from_error(&error)
        }
        Ok(Err(_ended)) => {
            response::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Err(_elapsed) => response::message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    }
}
