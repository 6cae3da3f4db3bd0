//! Serves HTTP on the gateway's port and carries each request through: preflight, route, event,
//! invocation, response.

use axum::body::Body;
use axum::http::{HeaderValue, Request as HttpRequest, Response, StatusCode};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::event::{self, ApiIdentity, Caller, Request};
use super::measured::{self, Measured};
use super::routes::Routes;
use super::{admin, connections, cors, response};
use crate::lambda::{EVENT_BYTES_MAX, FunctionHost, unique_id};
use crate::request_body::{self, BodyError};
use crate::schedule::ScheduledEvent;
use crate::services::record::Recorder;
use crate::template::description::Cors;

/// An HTTP API takes bodies of 10 MB. Lambda's limit for events binds earlier, but is found later.
const BODY_BYTES_MAX: usize = 10_000_000;
/// An HTTP API waits this long for its function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a body may take to arrive. The largest takes a fraction of a second on loopback.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long invocations may go on once the gateway stops: as long as an integration may.
const STOP_TIMEOUT: Duration = INTEGRATION_TIMEOUT;
/// How long the last answers may then take to be written. Requests that are not sent in full by the
/// end of it are cut off.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

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
    /// What those of them that have a schedule are told when they are run out of turn.
    pub scheduled: BTreeMap<String, ScheduledEvent>,
    /// Account number in events.
    pub account_id: String,
    /// The calls that `/_local/calls` answers.
    pub recorder: Recorder,
}

struct Shared {
    routes: Routes,
    cors: Option<Cors>,
    functions: BTreeMap<String, Arc<FunctionHost>>,
    scheduled: BTreeMap<String, ScheduledEvent>,
    account_id: String,
    recorder: Recorder,
    /// Requests whose function is at work.
    under_way: watch::Sender<usize>,
}

/// Counts one request for as long as its function is at work.
struct UnderWay<'s>(&'s watch::Sender<usize>);

impl<'s> UnderWay<'s> {
    fn begin(count: &'s watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A running gateway.
pub struct Gateway {
    stop: watch::Sender<bool>,
    under_way: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Begins to serve.
    #[must_use]
    pub fn start(options: GatewayOptions) -> Self {
        let (under_way, under_way_seen) = watch::channel(0);
        let GatewayOptions { listener, .. } = options;
        let shared = Arc::new(Shared {
            routes: options.routes,
            cors: options.cors,
            functions: options.functions,
            scheduled: options.scheduled,
            account_id: options.account_id,
            recorder: options.recorder,
            under_way,
        });
        let (stop, stopping) = watch::channel(false);
        let answer = move |peer, request| serve(Arc::clone(&shared), peer, request);
        let task = tokio::spawn(connections::serve(listener, stopping, answer));
        Self { stop, under_way: under_way_seen, task }
    }

    /// Takes no more requests, lets the functions at work finish, and cuts off everything else, all
    /// within bounds.
    pub async fn stop(self) {
        let Self { stop, mut under_way, mut task } = self;
        stop.send_replace(true);
        let idle = under_way.wait_for(|requests| *requests == 0);
        // An inner error means that nobody serves any more, which is as good as idle.
        if tokio::time::timeout(STOP_TIMEOUT, idle).await.is_err() {
            tracing::warn!("functions were still at work when the gateway stopped");
        }
        if tokio::time::timeout(LAST_ANSWERS_TIMEOUT, &mut task).await.is_err() {
            tracing::debug!("unfinished requests were cut off");
            task.abort();
            // The task was just cancelled: that is the only way it ends.
            let _ = task.await;
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    peer: SocketAddr,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let caller = Caller { source: peer.ip(), at: Timestamp::now() };
    let request_id = unique_id();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if path.starts_with(admin::PREFIX) {
        let Shared { functions, scheduled, recorder, .. } = &*shared;
        let inside = admin::Inside { functions, scheduled, recorder };
        let _under_way = UnderWay::begin(&shared.under_way);
        return admin::answer(&parts.method, path, inside).await;
    }
    if admin::is_metrics(&parts.method, path) && shared.routes.find("GET", path).is_none() {
        return admin::prometheus(shared.recorder.meter());
    }
    let measured = Measured::begin(shared.recorder.meter());
    if let Some(cors) = &shared.cors
        && let Some(answer) = cors::preflight(cors, &parts.method, &parts.headers)
    {
        return answer;
    }
    let reading = request_body::read(body, BODY_BYTES_MAX);
    let mut answer = match tokio::time::timeout(BODY_READ_TIMEOUT, reading).await {
        Ok(Ok(body)) => carry(&shared, &parts, &body, caller, &request_id).await,
        Ok(Err(BodyError::TooLong { .. })) => {
            response::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
        }
        Ok(Err(BodyError::Broken(_))) => response::message(StatusCode::BAD_REQUEST, "Bad Request"),
        Err(_elapsed) => response::message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
    };
    let headers = answer.headers_mut();
    if let Some(cors) = &shared.cors {
        cors::apply(cors, &parts.headers, headers);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert("apigw-requestid", value);
    }
    measured.ended(answer.status());
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
    let _under_way = UnderWay::begin(&shared.under_way);
    // A task of its own: an invocation goes on when its caller hangs up, as on Lambda.
    let invocation = tokio::spawn(async move { function.invoke(Bytes::from(event)).await });
    let asked = Instant::now();
    let ended = tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await;
    measured::integration_ended(shared.recorder.meter(), asked);
    match ended {
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
