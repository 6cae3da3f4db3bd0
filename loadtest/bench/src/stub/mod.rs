//! A stand-in for the AWS services that answers with as little work as it can, and counts.
//!
//! It judges no condition but one: a record of a message is inserted once. It proves nothing about the services; the
//! emulated ones of the local stack are there for that.

mod counts;
mod dynamodb;
mod faults;
mod sizes;
mod sqs;
mod statement;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use self::counts::Counters;
pub use self::counts::Counts;
pub use self::dynamodb::Table;
use self::faults::Fault;
pub use self::faults::Faults;
use crate::error::BenchError;

/// The master secret that the stub hands out. It protects nothing.
pub const MASTER_SECRETS: &str =
    r#"{"current":"1","1":"0123456789012345678901234567890123456789012345678901234567890123"}"#;

/// An answer of the stub.
pub(crate) type Answer = Response<Full<Bytes>>;

/// What all connections share.
struct Shared {
    counters: Counters,
    table: Mutex<Table>,
    faults: Mutex<Faults>,
    sent: Mutex<Vec<String>>,
    captured: Mutex<Option<Vec<(String, Bytes)>>>,
    object: Mutex<Bytes>,
}

/// The stub; it ends when it is dropped.
pub struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stub {
    /// Starts it on a port of its own.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start() -> Result<Self, BenchError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(BenchError::Loopback)?;
        let address = listener.local_addr().map_err(BenchError::Loopback)?;
        let shared = Arc::new(Shared {
            counters: Counters::default(),
            table: Mutex::default(),
            faults: Mutex::default(),
            sent: Mutex::default(),
            captured: Mutex::default(),
            object: Mutex::default(),
        });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// Its URL, for all services.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was counted since this was asked for the last time.
    #[must_use]
    pub fn take_counts(&self) -> Counts {
        self.shared.counters.take()
    }

    /// From now on requests fare as `faults` has it.
    pub fn set_faults(&self, faults: Faults) {
        *locked(&self.shared.faults) = faults;
    }

    /// What the table knows.
    pub fn with_table<T>(&self, ask: impl FnOnce(&mut Table) -> T) -> T {
        ask(&mut locked(&self.shared.table))
    }

    /// The texts of all queue messages since this was asked for the last time.
    #[must_use]
    pub fn take_sent(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.shared.sent))
    }

    /// Keeps operation and body of every request from now on, until [`Stub::captured`].
    pub fn capture(&self) {
        *locked(&self.shared.captured) = Some(Vec::new());
    }

    /// What was kept.
    #[must_use]
    pub fn captured(&self) -> Vec<(String, Bytes)> {
        locked(&self.shared.captured).take().unwrap_or_default()
    }

    /// What the bucket has under every key.
    pub fn set_object(&self, bytes: Bytes) {
        *locked(&self.shared.object) = bytes;
    }
}

/// A panic elsewhere leaves counters as they are.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // One that breaks while it is opened is its client's trouble.
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(serve(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Without it small answers wait for acknowledgements; a fact of loopback alone.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(shared.counters.counted(stream));
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(request, &shared).await }
    });
    // An answer that is to be lost ends the connection with an error.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
}

/// The connection is to be cut instead of answered.
#[derive(Debug, thiserror::Error)]
enum Cut {
    /// The fault wants it.
    #[error("the answer is lost on purpose")]
    Wanted,
    /// The client went away.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Result<Answer, Cut> {
    let (head, body) = request.into_parts();
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    let body = body.collect().await?.to_bytes();
    let (service, operation) = match target.split_once('.') {
        Some((service, operation)) => (service, operation.to_owned()),
        None if head.headers.contains_key("smithy-protocol") => {
            ("CloudWatch", head.uri.path().rsplit('/').next().unwrap_or_default().to_owned())
        }
        None => ("S3", format!("{}Object", pascal(&head.method))),
    };
    shared.counters.with(|counts| *counts.calls.entry(operation.clone()).or_default() += 1);
    if let Some(captured) = &mut *locked(&shared.captured) {
        captured.push((operation.clone(), body.clone()));
    }
    let fault = locked(&shared.faults).next();
    if let Some(Fault::Refuse) = fault {
        return Ok(if service == "S3" { slow_down() } else { error(service) });
    }
    let answer = match service {
        "S3" => object(&head.method, shared),
        "CloudWatch" => cbor(),
        "AmazonSQS" => json(&sqs::answer(&operation, &body, fault == Some(Fault::Partly), shared)),
        "secretsmanager" => {
            json(&json!({"ARN": "arn", "Name": "master", "SecretString": MASTER_SECRETS}))
        }
        _ => dynamodb::answer(&operation, &body, fault == Some(Fault::Partly), shared),
    };
    match fault {
        Some(Fault::LoseAnswer) => Err(Cut::Wanted),
        Some(Fault::Refuse | Fault::Partly) | None => Ok(answer),
    }
}

fn pascal(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "Put",
        Method::GET => "Get",
        Method::HEAD => "Head",
        _ => "Other",
    }
}

/// An answer in JSON.
fn json(value: &Value) -> Answer {
    with_status(StatusCode::OK, "application/x-amz-json-1.0", value.to_string())
}

/// What a service says that cannot serve now: half of them are told to be throttled.
fn error(service: &str) -> Answer {
    let code = if service.starts_with("DynamoDB") {
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
    } else {
        "com.amazonaws.sqs#InternalFailure"
    };
    let status = if service.starts_with("DynamoDB") { 400 } else { 500 };
    let text = json!({"__type": code, "message": "a fault"}).to_string();
    let status = StatusCode::from_u16(status).unwrap_or_default();
    with_status(status, "application/x-amz-json-1.0", text)
}

fn slow_down() -> Answer {
    let text = "<Error><Code>SlowDown</Code><Message>a fault</Message></Error>".to_owned();
    with_status(StatusCode::SERVICE_UNAVAILABLE, "application/xml", text)
}

fn cbor() -> Answer {
    // An empty map.
    let mut answer = with_status(StatusCode::OK, "application/cbor", "\u{0}".to_owned());
    *answer.body_mut() = Full::new(Bytes::from_static(&[0xa0]));
    answer.headers_mut().insert("smithy-protocol", http::HeaderValue::from_static("rpc-v2-cbor"));
    answer
}

fn object(method: &Method, shared: &Shared) -> Answer {
    let mut answer = Response::new(Full::default());
    answer.headers_mut().insert("etag", http::HeaderValue::from_static("\"0\""));
    if *method == Method::GET {
        *answer.body_mut() = Full::new(locked(&shared.object).clone());
    }
    answer
}

fn with_status(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
    answer
}
