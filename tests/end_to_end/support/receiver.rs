//! What the tests listen with themselves: a receiver that outlives the relay, and a listener that
//! nobody may ever connect to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use tokio::net::TcpListener;

/// A receiver that says yes after a while and counts what came, by webhook id.
pub(crate) struct OwnReceiver {
    address: SocketAddr,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl OwnReceiver {
    pub(crate) async fn start(answers_after: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let address = listener.local_addr().expect("a listener has an address");
        let counts = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let take = async move |State(counts): State<Arc<Mutex<BTreeMap<String, usize>>>>,
                               headers: HeaderMap| {
            let id = headers.get("webhook-id").and_then(|id| id.to_str().ok());
            let id = id.unwrap_or("without an id").to_owned();
            *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default() += 1;
            tokio::time::sleep(answers_after).await;
        };
        let router = Router::new().fallback(take).with_state(Arc::clone(&counts));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, counts }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn target(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How often each message came.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts connections and answers nothing.
pub(crate) struct Listener {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
}

impl Listener {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let connections = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
