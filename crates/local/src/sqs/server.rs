//! The queue service on HTTP: reads a request, finds caller and operation, writes the answer or
//! the typed error. Decides nothing about queues.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::clock::Clock;
use super::error::SqsError;
use super::limits;
use super::service::{QueueWatcher, Service};
use super::store::{Identity, Store, random_id};
use super::writer::{Writer, WriterThread};
use crate::services::http::Server;
use crate::services::record::{RECORD_PATH, Recorder, access_key_id};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const TARGET_PREFIX: &str = "AmazonSQS.";
/// The namespace of error shapes in `__type`.
const SHAPE_PREFIX: &str = "com.amazonaws.sqs#";
/// How long to wait for the store's thread after the last request: it only has to commit.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a queue server is started with.
pub struct SqsOptions {
    /// Where it listens; see [`crate::services::bind`].
    pub listener: TcpListener,
    /// File the queues are kept in; in memory if absent.
    pub database_path: Option<PathBuf>,
    /// Region in ARNs.
    pub region: String,
    /// Account number in ARNs and queue addresses.
    pub account: String,
    /// What time it is for delays, visibility and retention.
    pub clock: Clock,
    /// Where calls are noted.
    pub recorder: Recorder,
}

/// Where a queue is reached. The address holds the port and so is good for this run only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueAddress {
    /// `http://127.0.0.1:<port>/<account>/<name>`.
    pub url: String,
    /// `arn:aws:sqs:<region>:<account>:<name>`.
    pub arn: String,
}

/// A running queue server.
pub struct SqsServer {
    server: Server,
    service: Arc<Service>,
    store_thread: WriterThread,
}

impl SqsServer {
    /// Opens the store, goes on with interrupted move tasks, and serves.
    ///
    /// # Errors
    /// When the file cannot be opened or is no queue store.
    pub async fn start(options: SqsOptions) -> Result<Self, SqsError> {
        let failed = |error: std::io::Error| SqsError::Store(error.to_string());
        let identity = Identity { region: options.region, account: options.account };
        let store = Store::open(options.database_path.as_deref(), identity.clone())?;
        let unfinished = store.running_move_tasks()?;
        let (writer, store_thread) = Writer::start(store)?;
        let (stop, stopping) = watch::channel(false);
        let address = options.listener.local_addr().map_err(failed)?;
        let service = Arc::new(Service {
            writer,
            clock: options.clock,
            identity,
            recorder: options.recorder,
            url: format!("http://{address}"),
            stopping,
            arrivals: Mutex::new(HashMap::new()),
        });
        for task in unfinished {
            service.run_move_task(task.handle, task.moves_per_second);
        }
        let shared = Arc::clone(&service);
        let handler = service_fn(move |request| answer(Arc::clone(&shared), request));
        let server = Server::start(options.listener, stop, handler).map_err(failed)?;
        Ok(Self { server, service, store_thread })
    }

    /// `http://127.0.0.1:<port>`: the value for `AWS_ENDPOINT_URL_SQS`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes a queue exist with exactly these attributes and defaults for the rest. Differing
    /// attributes of an existing queue are changed, with a log line; its messages stay.
    ///
    /// # Errors
    /// As `CreateQueue`: a bad name or attribute, a dead-letter queue that does not exist.
    pub async fn create_queue(
        &self,
        name: &str,
        attributes: BTreeMap<String, String>,
    ) -> Result<QueueAddress, SqsError> {
        self.service.declare_queue(name, attributes).await?;
        Ok(QueueAddress { url: self.service.queue_url(name), arn: self.service.identity.arn(name) })
    }

    /// Makes every received message of a queue visible at once. For a queue whose only consumer ended
    /// with an earlier run of this process: nobody is left who could use the receipts.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn release_received(&self, name: &str) -> Result<(), SqsError> {
        self.service.release_received(name).await
    }

    /// Something that looks at the queues; to be dropped before the server is shut down.
    pub fn watcher(&self) -> QueueWatcher {
        QueueWatcher(Arc::clone(&self.service))
    }

    /// Ends long polls, lets running calls finish, and closes the store.
    pub async fn shutdown(self) {
        self.server.stop().await;
        drop(self.service);
        let closed = tokio::task::spawn_blocking(|| self.store_thread.join());
        match tokio::time::timeout(CLOSE_TIMEOUT, closed).await {
            Ok(Ok(Ok(()))) => {}
            Ok(_) => tracing::error!("the queue store ended badly"),
            Err(_) => tracing::error!("the queue store did not close in time"),
        }
    }
}

async fn answer(
    service: Arc<Service>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET && request.uri().path() == RECORD_PATH {
        return Ok(response(200, service.recorder.to_json().into()));
    }
    let operation = operation(request.headers()).map(str::to_owned);
    let result = call(&service, operation.as_deref(), request).await;
    Ok(match result {
        Ok(value) => response(200, value.to_string().into()),
        Err(error) => {
            let operation = operation.unwrap_or_default();
            tracing::debug!(%operation, %error, "the queue server refused a call");
            refusal(&error)
        }
    })
}

fn operation(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-amz-target")?.to_str().ok()?.strip_prefix(TARGET_PREFIX)
}

async fn call(
    service: &Arc<Service>,
    operation: Option<&str>,
    request: Request<Incoming>,
) -> Result<Value, SqsError> {
    let operation = operation.ok_or(SqsError::UnknownOperation)?;
    let caller =
        access_key_id(request.headers(), request.uri()).ok_or(SqsError::MissingAuthentication)?;
    let body = Limited::new(request.into_body(), limits::REQUEST_BYTES_MAX);
    let body = body.collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            SqsError::RequestTooLong
        } else {
            SqsError::Serialization(error.to_string())
        }
    })?;
    service.call(operation, &caller, &body.to_bytes()).await
}

fn refusal(error: &SqsError) -> Response<Full<Bytes>> {
    let code = error.code();
    let body = serde_json::json!({
        "__type": format!("{SHAPE_PREFIX}{}", code.shape),
        "message": error.to_string(),
    });
    let mut response = response(code.status, body.to_string().into());
    let fault = if code.is_sender_fault() { "Sender" } else { "Receiver" };
    if let Ok(value) = format!("{};{fault}", code.query()).parse() {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

fn response(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    if let Ok(status) = http::StatusCode::from_u16(status) {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
    if let Some(id) = random_id().ok().and_then(|id| id.parse().ok()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
