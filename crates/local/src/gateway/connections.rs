//! The connections of the gateway: HTTP/1.1, with a limit on how long a caller may take to ask.
//!
//! It decides nothing about requests. Once told to stop it takes no new connections and lets the open
//! ones finish; how long they may is for its caller to say, who ends it.

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a connection may go without the whole head of a request, idle ones included: about as long
/// as front doors keep idle connections, and well over what any head takes.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait after a failed accept (out of file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections until told to stop and the last one has ended. Dropping the future cuts off what
/// is still open.
pub(super) async fn serve<A, F>(
    listener: TcpListener,
    mut stopping: watch::Receiver<bool>,
    answer: A,
) where
    A: Fn(SocketAddr, Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send,
{
    let mut connections = JoinSet::new();
    while !*stopping.borrow_and_update() {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (stopping, answer) = (stopping.clone(), answer.clone());
                    connections.spawn(async move {
                        serve_one(stream, stopping, |request| answer(peer, request)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the gateway could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // Finished connections are taken out, or the set would grow for ever.
            Some(_) = connections.join_next() => {}
            // An error means that the sender is gone: nobody is left to serve for.
            changed = stopping.changed() => if changed.is_err() { break },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_one<A, F>(stream: TcpStream, mut stopping: watch::Receiver<bool>, answer: A)
where
    A: Fn(Request<Body>) -> F,
    F: Future<Output = Response<Body>>,
{
    // Without this, small answers wait for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's algorithm");
    }
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let answered = answer(request.map(Body::new));
        async { Ok::<_, Infallible>(answered.await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
    );
    let stopped = async {
        // A sender that is gone means the same as one that says stop.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the gateway broke");
    }
}
