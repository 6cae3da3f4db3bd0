//! Serving HTTP/1.1 on loopback, with an end that closes idle connections and lets running
//! requests finish. Shared by all services. About requests it decides one thing: a delivered
//! message is not one, whoever allowed loopback as a target.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use ::http::{HeaderMap, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long running requests may go on after the end was asked for. They are short: the one long
/// kind, the long poll, is told to answer at once.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait after a failed accept (out of file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Opens a listener on `127.0.0.1:port`; port 0 lets the system choose.
///
/// # Errors
/// When the port is taken or may not be used.
pub async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// A header that every delivery carries, and no call of a service.
const DELIVERY_HEADER: &str = "webhook-id";

/// Whether a request is a message on its way to its target. Once an operator opens loopback to
/// deliveries, senders may not reach the stack's own insides through them.
pub(crate) fn is_delivery(headers: &HeaderMap) -> bool {
    headers.contains_key(DELIVERY_HEADER)
}

type BoxedError = Box<dyn Error + Send + Sync>;

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `service` on `listener` until [`Server::stop`]. `stop` is what ends it, so that a
    /// service can watch it too.
    pub(crate) fn start<S, B>(
        listener: TcpListener,
        stop: watch::Sender<bool>,
        service: S,
    ) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxedError>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxedError>,
    {
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, stop.subscribe(), service));
        Ok(Self { address, stop, task })
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops accepting, lets running requests finish for a few seconds, and ends.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, address = %self.address, "a local service ended badly");
        }
    }
}

async fn accept<S, B>(listener: TcpListener, mut stop: watch::Receiver<bool>, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxedError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxedError>,
{
    let mut connections = JoinSet::new();
    while !*stop.borrow_and_update() {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, stop.clone(), service.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a local service could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // Finished connections are taken out, or the set would grow for ever.
            Some(_) = connections.join_next() => {}
            // An error means that the sender is gone: nobody is left to serve for.
            changed = stop.changed() => if changed.is_err() { break },
        }
    }
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FINISH_TIMEOUT, finish).await.is_err() {
        tracing::warn!("a local service ended with requests unfinished");
    }
}

async fn serve<S, B>(stream: TcpStream, mut stop: watch::Receiver<bool>, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxedError>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BoxedError>,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let called = (!is_delivery(request.headers())).then(|| service.call(request));
        async {
            match called {
                Some(answer) => answer.await.map(|answer| answer.map(Either::Left)),
                None => {
                    let mut refusal = Response::new(Either::Right(Full::new(Bytes::new())));
                    *refusal.status_mut() = StatusCode::FORBIDDEN;
                    Ok(refusal)
                }
            }
        }
    });
    // Without this, small answers wait for the peer's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's algorithm");
    }
    // Clients of the local stack keep idle connections for long; none is closed on them.
    let mut connection = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a local service broke");
    }
}

/// Until the end is asked for, or nobody is left to ask.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::convert::Infallible;

    #[tokio::test]
    async fn a_delivered_message_is_no_call() {
        let service = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("called"))))
        });
        let server = Server::start(bind(0).await.unwrap(), watch::channel(false).0, service);
        let server = server.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let delivered = client.post(server.url()).header("webhook-id", "m").send().await.unwrap();
        assert_eq!(delivered.status(), StatusCode::FORBIDDEN);
        assert_eq!(client.post(server.url()).send().await.unwrap().status(), StatusCode::OK);
        server.stop().await;
    }
}
