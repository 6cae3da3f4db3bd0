//! A target that can be broken, mended and made to keep its callers waiting.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A target. What is asked of it by its path it does until it is mended.
#[derive(Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
    mended: watch::Sender<bool>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            calls: Arc::default(),
            mended: watch::Sender::new(false),
        };
        let router = Router::new().fallback(answer).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// `http://` and its address, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it answers 200, to those who wait too.
    pub(crate) fn mend(&self) {
        self.mended.send_replace(true);
    }

    /// How often a message came.
    pub(crate) fn calls(&self, id: &str) -> usize {
        self.calls.lock().unwrap().get(id).copied().unwrap_or_default()
    }

    /// How often any message came.
    pub(crate) fn all_calls(&self) -> usize {
        self.calls.lock().unwrap().values().sum()
    }
}

/// It reads each body to its end: whoever answers before that closes the connection on what is still being sent, and its
/// answer may be lost with it.
async fn answer(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    _body: Bytes,
) -> StatusCode {
    let id = headers.get("webhook-id").unwrap().to_str().unwrap().to_owned();
    *receiver.calls.lock().unwrap().entry(id).or_default() += 1;
    let mut mended = receiver.mended.subscribe();
    if *mended.borrow_and_update() {
        return StatusCode::OK;
    }
    match uri.path() {
        "/gone" => StatusCode::GONE,
        "/rejects" => StatusCode::NOT_FOUND,
        "/waits" => {
            mended.changed().await.unwrap();
            StatusCode::OK
        }
        _ => StatusCode::OK,
    }
}
