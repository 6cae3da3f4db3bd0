//! A real TLS server on loopback that counts: connections, sessions that were resumed, requests, and how many of them were
//! under way at once. It speaks HTTP/1.1 or HTTP/2, and ends its connections when it is told to.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::server::TlsStream;

use super::authority::Certified;
use super::server::{ANSWER, acceptor, read_request};

/// Which protocol the server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
}

/// How the server behaves.
#[derive(Clone)]
pub(super) struct Manners {
    pub(super) speaks: Speaks,
    /// After so many requests it ends a connection in good order.
    pub(super) requests_per_connection: usize,
    /// So many requests it refuses without a look at them, over HTTP/2.
    pub(super) refused: usize,
    /// So many requests have to be under way before it answers any, if there is more than one.
    pub(super) together: usize,
    /// So many connections, the first ones, it leaves open without another word after the first request, over HTTP/2.
    pub(super) dead: usize,
}

impl Manners {
    pub(super) const fn of(speaks: Speaks) -> Self {
        Self { speaks, requests_per_connection: usize::MAX, refused: 0, together: 1, dead: 0 }
    }
}

/// What the server saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicUsize,
    pub(super) resumed: AtomicUsize,
    pub(super) requests: AtomicUsize,
    pub(super) refused: AtomicUsize,
    /// Connections that it ended.
    pub(super) ended: AtomicUsize,
}

impl Seen {
    pub(super) fn count(of: &AtomicUsize) -> usize {
        of.load(Ordering::SeqCst)
    }
}

/// The running server. It ends with the test's runtime.
pub(super) struct Receiver {
    pub(super) port: u16,
    pub(super) seen: Arc<Seen>,
}

impl Receiver {
    pub(super) async fn start(certified: Certified, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let protocol = match manners.speaks {
            Speaks::Http1 => "http/1.1",
            Speaks::Http2 => "h2",
        };
        let (acceptor, seen) = (acceptor(certified, &[protocol]), Arc::<Seen>::default());
        let serving = Arc::clone(&seen);
        tokio::spawn(async move {
            let together = Arc::new(Barrier::new(manners.together));
            while let Ok((socket, _)) = listener.accept().await {
                let connection = Connection {
                    manners: manners.clone(),
                    seen: Arc::clone(&serving),
                    together: Arc::clone(&together),
                };
                tokio::spawn(connection.serve(acceptor.clone(), socket));
            }
        });
        Self { port, seen }
    }
}

#[derive(Clone)]
struct Connection {
    manners: Manners,
    seen: Arc<Seen>,
    together: Arc<Barrier>,
}

impl Connection {
    async fn serve(self, acceptor: TlsAcceptor, socket: TcpStream) {
        let Ok(stream) = acceptor.accept(socket).await else { return };
        let number = self.seen.connections.fetch_add(1, Ordering::SeqCst);
        if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            self.seen.resumed.fetch_add(1, Ordering::SeqCst);
        }
        match self.manners.speaks {
            Speaks::Http1 => self.serve_http1(stream).await,
            Speaks::Http2 => self.serve_http2(stream, number < self.manners.dead).await,
        }
        self.seen.ended.fetch_add(1, Ordering::SeqCst);
    }

    async fn serve_http1(&self, mut stream: TlsStream<TcpStream>) {
        for _ in 0..self.manners.requests_per_connection {
            if read_request(&mut stream).await.is_none() {
                return;
            }
            self.seen.requests.fetch_add(1, Ordering::SeqCst);
            self.together.wait().await;
            if stream.write_all(ANSWER).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
        // Nothing of the answer says that this comes.
        let _ = stream.shutdown().await;
    }

    async fn serve_http2(&self, stream: TlsStream<TcpStream>, dies: bool) {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        let mut taken = 0;
        while let Some(Ok((request, answer))) = connection.accept().await {
            if dies {
                return pending().await;
            }
            tokio::spawn(self.clone().answer_http2(request, answer));
            taken += 1;
            if taken == self.manners.requests_per_connection {
                connection.graceful_shutdown();
            }
        }
        let _ = poll_fn(|context| connection.poll_closed(context)).await;
    }

    async fn answer_http2(self, mut request: Request<RecvStream>, mut answer: SendResponse<Bytes>) {
        if self.seen.refused.load(Ordering::SeqCst) < self.manners.refused {
            self.seen.refused.fetch_add(1, Ordering::SeqCst);
            answer.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        while let Some(Ok(piece)) = request.body_mut().data().await {
            let _ = request.body_mut().flow_control().release_capacity(piece.len());
        }
        self.seen.requests.fetch_add(1, Ordering::SeqCst);
        self.together.wait().await;
        let head = Response::builder().status(200).header("retry-after", "7").body(()).unwrap();
        if let Ok(mut body) = answer.send_response(head, false) {
            let _ = body.send_data(Bytes::from_static(b"arrived"), true);
        }
    }
}
