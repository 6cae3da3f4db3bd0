//! The HTTP client. Connections, names and TLS sessions live as long as the process.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};
use relay_core::destination::{DestinationPolicy, Method};
use relay_core::outcome::{ANSWER_KEPT_BYTES, ErrorKind, Outcome};
use relay_core::ports::{ByteStream, Header, PortError, Request, RequestBody, Sender};
use relay_core::time::{Timestamp, whole_millis};
use reqwest::{Body, Client, Response, redirect};
use rustls::ClientConfig;

use super::failure::{kind_of, was_not_looked_at};
use super::resolver::{JudgingResolver, Lookup, preflight};
use super::trust::tls;

/// At most this much of an answer is read; then the connection is given up.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// After the status is known, reading the rest of the answer may take this long: it changes nothing.
const ANSWER_READ_MAX: Duration = Duration::from_secs(2);
/// Idle connections to one host that are kept: as many as one batch can open.
const IDLE_CONNECTIONS_PER_HOST_MAX: usize = 10;
/// How long an idle connection is kept: below the 60 s after which common load balancers drop it.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(50);
/// Clients that are kept, one per port. Nearly all targets share two ports; of the rest, those used
/// last keep theirs.
const CLIENTS_KEPT_MAX: usize = 32;
/// What an HTTP/2 target may send of one answer before any of it is read: as much of it as is ever read.
const HTTP2_STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for all answers of one connection: it carries as many as one batch has messages.
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 10 * HTTP2_STREAM_WINDOW_BYTES;
/// After so long without a word from an HTTP/2 target that owes an answer it is asked for a sign of life. An attempt that
/// runs out of time ends its own request and not the connection, which would carry the next ones to nobody.
const HTTP2_SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long it has for that; then the connection is given up. Both together are less than the 10 s that an attempt takes
/// at most as a rule.
const HTTP2_SIGN_OF_LIFE_WITHIN: Duration = Duration::from_secs(3);
/// How often one attempt sends a request again that an HTTP/2 target has not looked at, by its own word. One that ends a
/// connection in good order may meet a request on its way once; a second time is for the next connection.
const SENT_AGAIN_MAX: u32 = 2;
/// Headers that the HTTP client adds: what it accepts, and how long the body is.
const HEADERS_OF_THE_CLIENT: usize = 2;
/// The ports of nearly every target: their clients are built before the first message needs them.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// Why there is no sender on this host.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// It trusts nobody.
    #[error("this host has no root certificates")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built")]
    Client(#[from] reqwest::Error),
}

/// Sends with TLS where the target asks for it, then by HTTP/2 where the target offers it, else by HTTP/1.1. Never by
/// HTTP/2 without TLS: nothing there says that the target speaks it.
pub struct HttpSender {
    policy: Arc<DestinationPolicy>,
    lookup: Arc<dyn Lookup>,
    connect_timeout: Duration,
    tls: ClientConfig,
    /// One client per port, because what may be connected to depends on the port and the client does
    /// not tell its resolver.
    /// The one used last stands first.
    clients: Mutex<Vec<(u16, Client)>>,
}

impl HttpSender {
    /// A sender that connects within `connect_timeout` to what `policy` lets it.
    ///
    /// # Errors
    /// When no client can be built on this host.
    pub fn new(
        policy: DestinationPolicy,
        lookup: Arc<dyn Lookup>,
        connect_timeout: Duration,
    ) -> Result<Self, SenderError> {
        let sender = Self {
            policy: Arc::new(policy),
            lookup,
            connect_timeout,
            tls: tls()?,
            clients: Mutex::new(Vec::new()),
        };
        for port in USUAL_PORTS {
            sender.client(port)?;
        }
        Ok(sender)
    }

    /// The client of a port. One that has to be built is built while others go on.
    fn client(&self, port: u16) -> Result<Client, SenderError> {
        if let Some(client) = self.kept_client(port) {
            return Ok(client);
        }
        let client = self.build_client(port)?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.insert(0, (port, client.clone()));
        clients.truncate(CLIENTS_KEPT_MAX);
        Ok(client)
    }

    fn kept_client(&self, port: u16) -> Option<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let place = clients.iter().position(|(kept, _)| *kept == port)?;
        clients[..=place].rotate_right(1);
        Some(clients[0].1.clone())
    }

    fn build_client(&self, port: u16) -> Result<Client, SenderError> {
        let resolver =
            JudgingResolver { policy: self.policy.clone(), lookup: self.lookup.clone(), port };
        Ok(Client::builder()
            .dns_resolver(Arc::new(resolver))
            .tls_backend_preconfigured(self.tls.clone())
            .redirect(redirect::Policy::none())
            // Not even the client's own: that keeps a copy of every request's headers for it.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .no_proxy()
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_CONNECTION_KEPT)
            .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(HTTP2_SILENCE_MAX)
            .http2_keep_alive_timeout(HTTP2_SIGN_OF_LIFE_WITHIN)
            // An idle connection lives in no invocation: nobody would wait for the answer.
            .http2_keep_alive_while_idle(false)
            .tcp_nodelay(true)
            .build()?)
    }

    /// The exchange up to the answer's head. `lacks_body` says at any time whether it waits for the stored body.
    async fn exchange(
        &self,
        request: Request,
        lacks_body: &Arc<AtomicBool>,
    ) -> Result<Response, ErrorKind> {
        // A literal address never reaches the resolver, so it is judged here.
        if request.target.literal_address().is_some() {
            let judged = preflight(&self.policy, &*self.lookup, &request.target).await;
            judged.map_err(|_| ErrorKind::AddressRefused)?;
        }
        let client = self.client(request.target.port()).map_err(|_| ErrorKind::Tls)?;
        let Request { target, method, headers, body, .. } = request;
        let mut headers = header_map(headers).map_err(|_| ErrorKind::Network)?;
        let call = |headers, body| {
            let mut call = reqwest::Request::new(verb(method), target.url().clone());
            (*call.headers_mut(), *call.body_mut()) = (headers, body);
            client.execute(call)
        };
        let answered = match body {
            RequestBody::Bytes(bytes) => {
                let has_body = !bytes.is_empty() || needs_body(method);
                let body = || has_body.then(|| Body::from(bytes.clone()));
                sent(|| call(headers.clone(), body())).await
            }
            // What was read of a stream cannot be sent again.
            RequestBody::Stream { bytes, stream } => {
                let stream = watched(stream, Arc::clone(lacks_body));
                headers.insert(CONTENT_LENGTH, bytes.into());
                call(headers, Some(Body::wrap_stream(stream))).await
            }
        };
        let response = answered.map_err(|error| kind_of(&error))?;
        // The resolver decided where to connect; this asserts that it was obeyed.
        match response.remote_addr() {
            Some(peer) if self.policy.judge(target.host(), peer).is_ok() => Ok(response),
            peer => {
                let peer = peer.map(tracing::field::display);
                tracing::error!(peer, "connected to an address that is refused");
                Err(ErrorKind::AddressRefused)
            }
        }
    }
}

#[async_trait]
impl Sender for HttpSender {
    async fn send(&self, request: Request, started_at: Timestamp) -> Outcome {
        let begun = Instant::now();
        let timeout = request.timeout;
        let lacks_body = Arc::new(AtomicBool::new(false));
        let exchange = self.exchange(request, &lacks_body);
        let answered = tokio::time::timeout(timeout, exchange).await;
        let (result, retry_after, answer) = match answered {
            Err(_elapsed) if lacks_body.load(Ordering::Relaxed) => {
                (Err(ErrorKind::BodyUnavailable), None, String::new())
            }
            Err(_elapsed) => (Err(ErrorKind::Timeout), None, String::new()),
            Ok(Err(kind)) => (Err(kind), None, String::new()),
            Ok(Ok(mut response)) => {
                let retry_after = response.headers().get("retry-after");
                let retry_after =
                    retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
                let left = timeout.saturating_sub(begun.elapsed()).min(ANSWER_READ_MAX);
                let answer = beginning_of(&mut response, left).await;
                (Ok(response.status().as_u16()), retry_after, answer)
            }
        };
        let duration_millis = whole_millis(begun.elapsed());
        Outcome { result, retry_after, answer, started_at, duration_millis }
    }
}

/// The headers as the HTTP client takes them. They were judged when the message was accepted.
fn header_map(headers: Vec<Header>) -> Result<HeaderMap, http::Error> {
    let mut map = HeaderMap::with_capacity(headers.len() + HEADERS_OF_THE_CLIENT);
    for (name, value) in headers {
        let name = match name {
            Cow::Borrowed(name) => HeaderName::from_static(name),
            Cow::Owned(name) => HeaderName::try_from(name)?,
        };
        let value = match value {
            Cow::Borrowed(value) => HeaderValue::from_static(value),
            Cow::Owned(value) => HeaderValue::try_from(value)?,
        };
        map.append(name, value);
    }
    Ok(map)
}

/// What a call is answered with. One that the target has not looked at is made again.
async fn sent<C>(call: impl Fn() -> C) -> reqwest::Result<Response>
where
    C: Future<Output = reqwest::Result<Response>>,
{
    let mut answered = call().await;
    for _ in 0..SENT_AGAIN_MAX {
        match &answered {
            Err(error) if was_not_looked_at(error) => answered = call().await,
            Ok(_) | Err(_) => break,
        }
    }
    answered
}

/// The same stream, which says in `lacks_body` whether its next piece is asked for and not there.
fn watched(
    mut stream: ByteStream,
    lacks_body: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, PortError>> + Send + 'static {
    futures::stream::poll_fn(move |context| {
        let polled = stream.poll_next_unpin(context);
        lacks_body.store(polled.is_pending(), Ordering::Relaxed);
        polled
    })
}

/// The first bytes of the answer as text. It is read on to its end within limits, so that the
/// connection can be used again.
async fn beginning_of(response: &mut Response, within: Duration) -> String {
    let mut kept = Vec::new();
    let reading = async {
        let mut bytes_read = 0;
        while let Ok(Some(piece)) = response.chunk().await {
            let room = ANSWER_KEPT_BYTES - kept.len();
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
            bytes_read += piece.len();
            if bytes_read > ANSWER_BYTES_MAX {
                return;
            }
        }
    };
    // A slow answer's rest is of no interest: its status is known.
    let _ = tokio::time::timeout(within, reading).await;
    String::from_utf8_lossy(&kept).into_owned()
}

/// Whether a request of this method states a body even if it is empty.
fn needs_body(method: Method) -> bool {
    matches!(method, Method::Post | Method::Put | Method::Patch)
}

fn verb(method: Method) -> reqwest::Method {
    match method {
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
        Method::Get => reqwest::Method::GET,
    }
}
