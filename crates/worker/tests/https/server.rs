//! A real TLS server on loopback that answers every request alike and tells what it saw. It speaks just
//! enough HTTP/1.1 to be asked again over the same connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{AlertDescription, Error, ServerConfig};

use super::authority::Certified;

/// What every request is answered with.
pub(super) const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nRetry-After: 7\r\nContent-Length: 7\r\n\r\narrived";
/// More than any request of these tests, so that a client that never ends fails the test.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// More than happens in any one test: the server never waits to tell what it saw.
const EVENTS_MAX: usize = 16;

/// How a handshake ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// It was completed; the client asked for this name.
    Completed(Option<String>),
    /// The client gave it up with this alert.
    Alert(AlertDescription),
}

/// The running server. It ends with the test's runtime.
pub(super) struct Server {
    pub(super) port: u16,
    peers: mpsc::Receiver<SocketAddr>,
    handshakes: mpsc::Receiver<Handshake>,
    requests: mpsc::Receiver<String>,
}

impl Server {
    /// Serves with this certificate.
    pub(super) async fn start(certified: Certified) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = acceptor(certified, &["http/1.1"]);
        let (saw_peer, peers) = mpsc::channel(EVENTS_MAX);
        let (saw_handshake, handshakes) = mpsc::channel(EVENTS_MAX);
        let (saw_request, requests) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(async move {
            while let Ok((socket, peer)) = listener.accept().await {
                saw_peer.try_send(peer).unwrap();
                let connection =
                    serve(acceptor.clone(), socket, saw_handshake.clone(), saw_request.clone());
                tokio::spawn(connection);
            }
        });
        Self { port, peers, handshakes, requests }
    }

    /// How many connections were opened since this was last asked. Connections are accepted in their
    /// order, so one of its own tells that none is still on its way.
    pub(super) async fn connections(&mut self) -> usize {
        let marker = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let marker = marker.local_addr().unwrap();
        let mut others = 0;
        while self.peers.recv().await.unwrap() != marker {
            others += 1;
        }
        others
    }

    /// The next handshake's end.
    pub(super) async fn handshake(&mut self) -> Handshake {
        self.handshakes.recv().await.unwrap()
    }

    /// The next request, head and body.
    pub(super) async fn request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }

    /// Whether no request was read that the test has not taken.
    pub(super) fn has_no_request(&self) -> bool {
        self.requests.is_empty()
    }
}

/// Accepts connections with this certificate that speak one of the protocols.
pub(super) fn acceptor(certified: Certified, protocols: &[&str]) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.certificate], certified.key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    saw_handshake: mpsc::Sender<Handshake>,
    saw_request: mpsc::Sender<String>,
) {
    let mut stream = match acceptor.accept(socket).await {
        Ok(stream) => stream,
        Err(error) => {
            // A connection that ends without an alert was the marker's.
            if let Some(alert) = alert_of(&error) {
                saw_handshake.try_send(Handshake::Alert(alert)).unwrap();
            }
            return;
        }
    };
    let asked_for = stream.get_ref().1.server_name().map(str::to_owned);
    saw_handshake.try_send(Handshake::Completed(asked_for)).unwrap();
    while let Some(request) = read_request(&mut stream).await {
        saw_request.try_send(request).unwrap();
        if stream.write_all(ANSWER).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

fn alert_of(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::AlertReceived(alert) => Some(*alert),
        other => panic!("the handshake failed on the server's side: {other}"),
    }
}

/// Reads a request with a content length; nothing once the client has closed.
pub(super) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    while read.len() < REQUEST_BYTES_MAX {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").and_then(|length| length.parse::<usize>().ok())
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
    panic!("a request is longer than {REQUEST_BYTES_MAX} bytes");
}
