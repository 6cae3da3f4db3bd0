//! The targets of deliveries: servers on loopback that answer as their paths say, and count.
//!
//! `/hooks` answers 200, `/fail` 503, `/slow/<milliseconds>` 200 after that time. Every answer is short.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::error::BenchError;

/// How often an idle connection is looked at.
const IDLE_LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the targets have seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections that were opened.
    pub connections: AtomicU64,
    /// Requests that were answered 200.
    pub delivered: AtomicU64,
    /// Requests at all.
    pub requests: AtomicU64,
    /// Bytes of their bodies.
    pub body_bytes: AtomicU64,
    /// Requests under way, and the most of them at a time.
    in_flight: AtomicUsize,
    in_flight_max: AtomicUsize,
    slowest: Mutex<Duration>,
    paths: Mutex<BTreeSet<String>>,
}

impl Seen {
    /// All paths below `/hooks/` that were asked for.
    pub fn paths(&self) -> BTreeSet<String> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most requests that were under way at one time since this was asked for the last time.
    pub fn take_in_flight_max(&self) -> usize {
        self.in_flight_max.swap(0, Ordering::SeqCst)
    }

    /// The longest answer since this was asked for the last time, from the request's head to its answer.
    pub fn take_slowest(&self) -> Duration {
        std::mem::take(&mut *self.slowest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How targets are set up.
#[derive(Debug, Clone, Copy)]
pub struct TargetOptions {
    /// Hosts, from 127.0.0.1 on, all with the same port.
    pub hosts: u8,
    /// Whether they speak TLS.
    pub has_tls: bool,
    /// Connections that are idle for so long are closed.
    pub idle_kept: Option<Duration>,
}

impl Default for TargetOptions {
    fn default() -> Self {
        Self { hosts: 1, has_tls: false, idle_kept: None }
    }
}

/// Running targets; they end when this is dropped.
pub struct Target {
    /// What they have seen, all together.
    pub seen: Arc<Seen>,
    /// The certificate that clients have to trust.
    pub authority: Option<PathBuf>,
    port: u16,
    has_tls: bool,
    servers: Vec<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl Target {
    /// Starts targets.
    ///
    /// # Errors
    /// When no port is to be had on all hosts, or no certificate can be made.
    pub async fn start(options: TargetOptions) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::Loopback)?;
        let (acceptor, authority) = if options.has_tls {
            let path = folder.path().join("authority.pem");
            (Some(acceptor(options.hosts, &path)?), Some(path))
        } else {
            (None, None)
        };
        let seen = Arc::new(Seen::default());
        let mut servers = Vec::new();
        let mut port = 0;
        for host in 1..=options.hosts {
            let address = SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), port));
            let listener = TcpListener::bind(address).await.map_err(BenchError::Loopback)?;
            port = listener.local_addr().map_err(BenchError::Loopback)?.port();
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            servers.push(tokio::spawn(accept(listener, acceptor, seen, options.idle_kept)));
        }
        let has_tls = options.has_tls;
        Ok(Self { seen, authority, port, has_tls, servers, _folder: folder })
    }

    /// A URL of the host of this number, from 1 on.
    #[must_use]
    pub fn url(&self, host: u8, path: &str) -> String {
        let scheme = if self.has_tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.{host}:{}{path}", self.port)
    }
}

/// A certificate for all hosts, by an authority of its own whose certificate is written to `path`.
fn acceptor(hosts: u8, path: &std::path::Path) -> Result<TlsAcceptor, BenchError> {
    let wrong = |error: rcgen::Error| BenchError::Unexpected(format!("no certificate: {error}"));
    let authority_key = KeyPair::generate().map_err(wrong)?;
    let mut authority = CertificateParams::new(Vec::new()).map_err(wrong)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).map_err(wrong)?;
    let file = |source| BenchError::File { path: path.to_owned(), source };
    std::fs::write(path, authority_certificate.pem()).map_err(file)?;
    let issuer = Issuer::new(authority, authority_key);
    let names: Vec<_> = (1..=hosts).map(|host| format!("127.0.0.{host}")).collect();
    let key = KeyPair::generate().map_err(wrong)?;
    let leaf = CertificateParams::new(names).map_err(wrong)?;
    let leaf = leaf.signed_by(&key, &issuer).map_err(wrong)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key)
        });
    let config = config.map_err(|error| BenchError::Unexpected(format!("no TLS: {error}")))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    seen: Arc<Seen>,
    idle_kept: Option<Duration>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        tokio::spawn(open(stream, acceptor, seen, idle_kept));
    }
}

async fn open(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    seen: Arc<Seen>,
    idle_kept: Option<Duration>,
) {
    seen.connections.fetch_add(1, Ordering::SeqCst);
    match acceptor {
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, seen, idle_kept).await;
            }
        }
        None => serve(stream, seen, idle_kept).await,
    }
}

async fn serve<S>(stream: S, seen: Arc<Seen>, idle_kept: Option<Duration>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let used_at = Arc::new(Mutex::new(Instant::now()));
    let touch = Arc::clone(&used_at);
    let service = service_fn(move |request| {
        let (seen, touch) = (Arc::clone(&seen), Arc::clone(&touch));
        async move {
            let answer = answer(request, &seen).await;
            *touch.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            answer
        }
    });
    let builder = hyper::server::conn::http1::Builder::new();
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let Some(idle_kept) = idle_kept else {
        let _ = connection.await;
        return;
    };
    let mut looks = tokio::time::interval(IDLE_LOOK_EVERY);
    loop {
        tokio::select! {
            _ = &mut connection => return,
            _ = looks.tick() => {
                let used_at = *used_at.lock().unwrap_or_else(PoisonError::into_inner);
                if used_at.elapsed() >= idle_kept {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: &Seen,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let begun = Instant::now();
    let path = request.uri().path().to_owned();
    let now = seen.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    seen.in_flight_max.fetch_max(now, Ordering::SeqCst);
    let mut body = request.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    if let Some(millis) = path.strip_prefix("/slow/").and_then(|millis| millis.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    seen.in_flight.fetch_sub(1, Ordering::SeqCst);
    seen.requests.fetch_add(1, Ordering::SeqCst);
    seen.body_bytes.fetch_add(bytes, Ordering::SeqCst);
    let mut slowest = seen.slowest.lock().unwrap_or_else(PoisonError::into_inner);
    *slowest = (*slowest).max(begun.elapsed());
    if path.starts_with("/hooks/") {
        seen.paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
    }
    let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
    if path == "/fail" {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    } else {
        seen.delivered.fetch_add(1, Ordering::SeqCst);
    }
    Ok(response)
}
