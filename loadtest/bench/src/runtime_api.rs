//! The Lambda Runtime API for one function: hands out events one after the other and takes the answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::error::BenchError;

/// The function's own limit in the template of the worker, the longer of the two.
const INVOCATION_TIMEOUT: Duration = Duration::from_secs(120);
/// Lambda's limit for the start of an environment.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// What a function says.
enum Said {
    /// It wants an event, for the first time.
    Ready(SystemTime),
    /// It has answered.
    Answered(Bytes),
    /// It has failed.
    Failed(Bytes),
}

/// The API; it ends when it is dropped.
pub struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::Sender<Bytes>,
    said: mpsc::Receiver<Said>,
    server: JoinHandle<()>,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Shared {
    events: Mutex<(mpsc::Receiver<Bytes>, bool)>,
    said: mpsc::Sender<Said>,
}

impl RuntimeApi {
    /// Starts it on a port of its own.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start() -> Result<Self, BenchError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(BenchError::Loopback)?;
        let address = listener.local_addr().map_err(BenchError::Loopback)?;
        let (events, receiver) = mpsc::channel(1);
        let (sender, said) = mpsc::channel(4);
        let shared = Arc::new(Shared { events: Mutex::new((receiver, false)), said: sender });
        let server = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, events, said, server })
    }

    /// `127.0.0.1:<port>`.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the function asks for its first event; when it did.
    ///
    /// # Errors
    /// When it does not within the time that Lambda gives it.
    pub async fn ready(&mut self, function: &str) -> Result<SystemTime, BenchError> {
        match self.next_said(function, START_TIMEOUT).await? {
            Said::Ready(at) => Ok(at),
            Said::Answered(body) | Said::Failed(body) => Err(BenchError::wrong(function, &body)),
        }
    }

    /// Has the function work on `event`; its answer.
    ///
    /// # Errors
    /// When it fails, or does not answer in time.
    pub async fn invoke(&mut self, function: &str, event: Bytes) -> Result<Bytes, BenchError> {
        let ended = || BenchError::NoAnswer {
            function: function.to_owned(),
            reason: "its runtime api has ended".to_owned(),
        };
        self.events.send(event).await.map_err(|_| ended())?;
        match self.next_said(function, INVOCATION_TIMEOUT).await? {
            Said::Answered(body) => Ok(body),
            Said::Failed(body) => Err(BenchError::wrong(function, &body)),
            Said::Ready(_) => Err(ended()),
        }
    }

    async fn next_said(&mut self, function: &str, within: Duration) -> Result<Said, BenchError> {
        let silent = || BenchError::NoAnswer {
            function: function.to_owned(),
            reason: format!("silent for {} s", within.as_secs()),
        };
        let said = tokio::time::timeout(within, self.said.recv()).await;
        said.ok().flatten().ok_or_else(silent)
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(request, &shared).await }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    // A function that is ended breaks its connection.
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() == Method::GET {
        return Ok(next(shared).await);
    }
    let failed = !request.uri().path().ends_with("/response");
    let body = request.into_body().collect().await?.to_bytes();
    let said = if failed { Said::Failed(body) } else { Said::Answered(body) };
    // Nobody waits when the benchmark is over.
    let _ = shared.said.send(said).await;
    Ok(plain(StatusCode::ACCEPTED))
}

async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    let at = SystemTime::now();
    let mut events = shared.events.lock().await;
    if !events.1 {
        events.1 = true;
        let _ = shared.said.send(Said::Ready(at)).await;
    }
    let Some(event) = events.0.recv().await else { return plain(StatusCode::GONE) };
    let deadline = SystemTime::now() + INVOCATION_TIMEOUT;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:1:function:f")
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
        .body(Full::new(event))
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
