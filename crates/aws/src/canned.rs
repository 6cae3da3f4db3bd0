//! A service for tests that answers each request with what a test says, and keeps what it was asked.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::config::Credentials;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::http::Http;
use crate::{Clients, Endpoints};

/// The longest request that is read.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a service was asked: the operation, and the arguments.
pub(crate) type Asked = (String, Value);

/// A service on loopback, until it is dropped.
pub(crate) struct Canned {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Canned {
    /// A service that answers as `answer` says: a status and a text for an operation, its arguments, and how often this
    /// service was asked before.
    pub(crate) async fn start<A>(answer: A) -> Self
    where
        A: Fn(&str, &Value, usize) -> (u16, Value) + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(answer));
        let kept = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                tokio::spawn(async move {
                    let told = |operation: &str, arguments: Value| {
                        let mut kept = kept.lock().unwrap();
                        let answer = answer(operation, &arguments, kept.len());
                        kept.push((operation.to_owned(), arguments));
                        answer
                    };
                    serve(socket, told).await;
                });
            }
        });
        Self { url, asked, task }
    }

    /// Clients of this service, whatever they ask for.
    pub(crate) async fn clients(&self) -> Clients {
        let credentials = Credentials::new("id", "key", None, None, "test");
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Http::default())
            .region(Region::new("eu-central-1"))
            .credentials_provider(credentials);
        let (dynamodb, sqs) = (Some(self.url.clone()), Some(self.url.clone()));
        Clients::load(loader, Endpoints { dynamodb, sqs, ..Endpoints::default() }).await
    }

    /// The address of a queue there.
    pub(crate) fn queue_url(&self) -> String {
        format!("{}/1/queue", self.url)
    }

    /// What it was asked so far, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The operations it was asked for so far, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.asked().into_iter().map(|(operation, _)| operation).collect()
    }
}

async fn serve(mut socket: TcpStream, told: impl Fn(&str, Value) -> (u16, Value)) {
    let mut request = Vec::new();
    let (head, body_at) = loop {
        let mut piece = vec![0; 64 * 1024];
        let read = socket.read(&mut piece).await.unwrap_or(0);
        request.extend_from_slice(&piece[..read]);
        assert!(read > 0 && request.len() < REQUEST_BYTES_MAX, "the request is cut off");
        if let Some(at) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&request[..at]).to_ascii_lowercase(), at + 4);
        }
    };
    let header = |name: &str| {
        let line = head.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let length: usize = header("content-length").parse().unwrap_or(0);
    while request.len() < body_at + length {
        let mut piece = vec![0; 64 * 1024];
        let read = socket.read(&mut piece).await.unwrap_or(0);
        request.extend_from_slice(&piece[..read]);
        assert!(read > 0 && request.len() < REQUEST_BYTES_MAX, "the request is cut off");
    }
    let target = header("x-amz-target");
    let operation = target.rsplit('.').next().unwrap_or_default();
    let arguments = serde_json::from_slice(&request[body_at..]).unwrap_or_default();
    let (status, answer) = told(operation, arguments);
    let answer = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} Told\r\nContent-Type: application/x-amz-json-1.0\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    let _ = socket.write_all(format!("{head}{answer}").as_bytes()).await;
}
