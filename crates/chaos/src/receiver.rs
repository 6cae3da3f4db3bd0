//! The targets: servers that behave as the path asks, and remember what they answered to whom.
//!
//! Paths: `/ok`, `/slow/<milliseconds>`, `/flaky/<times>` (503 that often to each message, then 200),
//! `/down` (503 until it recovers), `/refusing` (422), `/silent` (never answers).

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use data_encoding::HEXLOWER;
use http_body_util::{BodyExt, Limited};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Largest body that is read: above the largest that is sent here.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest that a target waits, whatever its path asks for: past every timeout of the relay.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// One call of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its `webhook-attempt`.
    pub attempt: u32,
    /// SHA-256 of the body, in hexadecimal.
    pub body_sha256: String,
    /// What it was answered; none while it is not, or if the caller was gone by then.
    pub status: Option<u16>,
    /// Whether another call of the same message was under way when it came.
    pub overlaps: bool,
    /// When it was over.
    pub ended_at: Option<Instant>,
}

/// What arrived, by `webhook-id`.
#[derive(Debug, Clone, Default)]
pub struct Arrivals {
    calls: Arc<Mutex<HashMap<String, Vec<Arrival>>>>,
    has_recovered: Arc<AtomicBool>,
}

impl Arrivals {
    /// From now on the targets that were down say yes.
    pub fn recover(&self) {
        self.has_recovered.store(true, Ordering::SeqCst);
    }

    /// The calls of one message, in their order.
    #[must_use]
    pub fn of(&self, id: &str) -> Vec<Arrival> {
        self.lock().get(id).cloned().unwrap_or_default()
    }

    /// Whether a target has said yes to a message.
    #[must_use]
    pub fn has_taken(&self, id: &str) -> bool {
        self.lock().get(id).is_some_and(|calls| calls.iter().any(|call| call.status == Some(200)))
    }

    /// How many messages came at least once.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Arrival>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, id: &str, attempt: u32, body_sha256: String) -> Call {
        let mut all = self.lock();
        let calls = all.entry(id.to_owned()).or_default();
        let failures = calls.iter().filter(|call| call.status == Some(503)).count() as u64;
        let overlaps = calls.iter().any(|call| call.ended_at.is_none());
        calls.push(Arrival { attempt, body_sha256, status: None, overlaps, ended_at: None });
        let place = calls.len() - 1;
        Call { arrivals: self.clone(), id: id.to_owned(), place, failures, status: None }
    }
}

/// A call under way. It is over when this is dropped, which is also what happens when its caller goes.
struct Call {
    arrivals: Arrivals,
    id: String,
    place: usize,
    /// How many calls of its message were answered 503 before.
    failures: u64,
    status: Option<StatusCode>,
}

impl Call {
    fn end(mut self, status: StatusCode) -> StatusCode {
        self.status = Some(status);
        status
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut all = self.arrivals.lock();
        if let Some(call) = all.get_mut(&self.id).and_then(|calls| calls.get_mut(self.place)) {
            call.status = self.status.map(|status| status.as_u16());
            call.ended_at = Some(Instant::now());
        }
    }
}

/// A server of targets. It ends when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one on a port of its own, which makes it a destination of its own.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn start(arrivals: Arrivals) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer).with_state(arrivals);
        let task = tokio::spawn(async move {
            // It serves until it is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    /// `127.0.0.1:<port>`.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(arrivals): State<Arrivals>, request: Request<Body>) -> StatusCode {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        // The caller is gone, or sends what nobody asked it to; the audit misses the message then.
        return StatusCode::BAD_REQUEST;
    };
    let text = |name: &str| header(&head.headers, name);
    let attempt = text("webhook-attempt").parse().unwrap_or_default();
    let body_sha256 = HEXLOWER.encode(&Sha256::digest(body.to_bytes()));
    let call = arrivals.begin(text("webhook-id"), attempt, body_sha256);
    let mut path = head.uri.path().trim_start_matches('/').split('/');
    let (name, number) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let number: u64 = number.parse().unwrap_or_default();
    let status = match name {
        "ok" => StatusCode::OK,
        "slow" => {
            tokio::time::sleep(Duration::from_millis(number).min(WAIT_MAX)).await;
            StatusCode::OK
        }
        "flaky" if call.failures < number => StatusCode::SERVICE_UNAVAILABLE,
        "flaky" => StatusCode::OK,
        "down" if !arrivals.has_recovered.load(Ordering::SeqCst) => StatusCode::SERVICE_UNAVAILABLE,
        "down" => StatusCode::OK,
        "refusing" => StatusCode::UNPROCESSABLE_ENTITY,
        "silent" => {
            tokio::time::sleep(WAIT_MAX).await;
            StatusCode::OK
        }
        _ => StatusCode::NOT_FOUND,
    };
    call.end(status)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
