//! Serves the receiver over HTTP.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Json, Router};
use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::behaviour::Behaviour;
use super::body::{self, ReadBody};
use super::store::{Received, Store};

/// Where the receiver tells what arrived.
const RECEIVED_PATH: &str = "/demo/received";
/// One piece of the body that does not end.
const HUGE_PIECE_BYTES: usize = 16 * 1024;

type SharedStore = Arc<Mutex<Store>>;

/// A running receiver.
pub struct Receiver {
    address: SocketAddr,
    store: SharedStore,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Begins to serve on `listener`.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let store = SharedStore::default();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&store));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the receiver stopped");
            }
        });
        Ok(Self { address, store, task })
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived for one message, or for all.
    #[must_use]
    pub fn received(&self, webhook_id: Option<&str>) -> Vec<Received> {
        lock(&self.store).find(webhook_id, None)
    }

    /// Ends it, in the middle of whatever it answers.
    pub async fn stop(self) {
        self.task.abort();
        // The task was just cancelled: that is the only way it ends.
        let _ = self.task.await;
    }
}

fn lock(store: &SharedStore) -> std::sync::MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(State(store): State<SharedStore>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let parameter = |name: &str| query_parameter(&query, name);
    if path == RECEIVED_PATH {
        return received(&store, &parts.method, parameter);
    }
    let received_at = Timestamp::now();
    let behaviour = Behaviour::of(&path, parameter);
    let Some(body) = body::read(body).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let status = {
        let mut store = lock(&store);
        let id = parts.headers.get("webhook-id").and_then(|id| id.to_str().ok());
        let status = status(&behaviour, &mut store, &path, id.unwrap_or_default());
        store.add(entry(&parts, &query, &body, received_at, status));
        status
    };
    answer(behaviour, status).await
}

/// The status a request is answered with.
fn status(behaviour: &Behaviour, store: &mut Store, path: &str, message: &str) -> StatusCode {
    match behaviour {
        Behaviour::Status { code, .. } => {
            StatusCode::from_u16(*code).unwrap_or(StatusCode::NOT_FOUND)
        }
        Behaviour::Flaky(times) if store.fails_again(path, message, *times) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Behaviour::Flaky(_) | Behaviour::Slow(_) | Behaviour::Huge => StatusCode::OK,
        Behaviour::Redirect(_) => StatusCode::FOUND,
        Behaviour::Unknown => StatusCode::NOT_FOUND,
    }
}

async fn answer(behaviour: Behaviour, status: StatusCode) -> Response<Body> {
    let text = if status.is_success() { "{\"ok\":true}" } else { "{\"ok\":false}" };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let mut say = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    match behaviour {
        Behaviour::Status { retry_after: Some(value), .. } => say(header::RETRY_AFTER, &value),
        Behaviour::Redirect(to) => say(header::LOCATION, &to),
        Behaviour::Slow(duration) => tokio::time::sleep(duration).await,
        Behaviour::Huge => {
            let piece = Bytes::from(vec![b'x'; HUGE_PIECE_BYTES]);
            let pieces = futures::stream::repeat_with(move || Ok::<_, Infallible>(piece.clone()));
            *response.body_mut() = Body::from_stream(pieces);
        }
        Behaviour::Status { retry_after: None, .. } | Behaviour::Flaky(_) | Behaviour::Unknown => {}
    }
    response
}

fn entry(
    parts: &axum::http::request::Parts,
    query: &str,
    body: &ReadBody,
    received_at: Timestamp,
    status: StatusCode,
) -> Received {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Received {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: query.to_owned(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: BASE64.encode(&body.kept),
        body_bytes: body.bytes,
        body_sha256: body.sha256.clone(),
        received_at: received_at.to_string(),
        received_at_ms: received_at.as_millisecond(),
        status: status.as_u16(),
    }
}

fn received(
    store: &SharedStore,
    method: &Method,
    parameter: impl Fn(&str) -> Option<String>,
) -> Response<Body> {
    match *method {
        Method::GET => {
            let (webhook_id, path) = (parameter("webhook_id"), parameter("path"));
            let found = lock(store).find(webhook_id.as_deref(), path.as_deref());
            Json(found).into_response()
        }
        Method::DELETE => {
            lock(store).clear();
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// The decoded value of a query parameter.
fn query_parameter(query: &str, name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    let value = query.split('&').find_map(|pair| pair.strip_prefix(&prefix))?;
    Some(crate::gateway::percent_decode(&value.replace('+', " ")))
}
