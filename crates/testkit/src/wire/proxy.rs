//! The proxy itself: takes a call, asks what is to become of it, and does that.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use super::call::Call;
use super::cut::{BrokenOff, CutBody};
use super::fault::Fault;
use super::faults::Faults;
use super::service::Service;

type Answer = Response<Either<Incoming, Either<Full<Bytes>, CutBody>>>;
/// The way on to the service. A connection carries one call at a time, so one way is enough for it.
type Onward = Arc<Mutex<Option<client::SendRequest<Incoming>>>>;

/// Opens a loopback port for a proxy, whose address is then known before the service's is.
///
/// # Errors
/// When the system gives none.
pub async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// A proxy in front of one service. It ends when it is dropped, and every connection with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Passes calls on to `service` at `upstream`, as `faults` lets it. Has to be called on a runtime.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(
        listener: TcpListener,
        service: Service,
        upstream: SocketAddr,
        faults: Faults,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, Passage { service, upstream, faults }));
        Ok(Self { address, task })
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every connection of a proxy shares.
#[derive(Debug, Clone)]
struct Passage {
    service: Service,
    upstream: SocketAddr,
    faults: Faults,
}

async fn accept(listener: TcpListener, passage: Passage) {
    let mut connections = JoinSet::new();
    // A listener that fails ends the proxy: its callers see that, and the test with them.
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, passage.clone()));
    }
}

/// Serves one connection. Errors are what it is for: they end the connection and nothing else.
async fn serve(stream: TcpStream, passage: Passage) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    // A second handle of the same socket, by which its end can be made a reset.
    let handle = Arc::new(TcpStream::from_std(stream.try_clone()?)?);
    let onward = Onward::default();
    let socket = Arc::clone(&handle);
    let service = service_fn(move |request| {
        let (passage, onward) = (passage.clone(), Arc::clone(&onward));
        let socket = Arc::clone(&socket);
        async move { passage.answer(request, &onward, &socket).await }
    });
    let io = TokioIo::new(TcpStream::from_std(stream)?);
    // The error is the broken connection that somebody asked for, or a caller that is gone.
    let _ = server::Builder::new().header_read_timeout(None).serve_connection(io, service).await;
    Ok(())
}

impl Passage {
    async fn answer(
        &self,
        request: Request<Incoming>,
        onward: &Onward,
        socket: &TcpStream,
    ) -> Result<Answer, BrokenOff> {
        let fault = Call::of(self.service, &request).and_then(|call| self.faults.decide(&call));
        match fault {
            None => self.pass_on(request, onward).await.map(|answer| answer.map(Either::Left)),
            Some(Fault::Slow(pause)) => {
                tokio::time::sleep(pause).await;
                self.pass_on(request, onward).await.map(|answer| answer.map(Either::Left))
            }
            Some(Fault::Error(error)) => {
                // Read first, or the end of the connection could overtake the answer.
                drain(request.into_body()).await?;
                let answer = self.service.answer(error);
                Ok(answer.map(|body| Either::Right(Either::Left(body))))
            }
            Some(Fault::Reset) => reset(socket),
            Some(Fault::AnswerLost) => {
                let answer = self.pass_on(request, onward).await?;
                drain(answer.into_body()).await?;
                reset(socket)
            }
            Some(Fault::AnswerCut) => {
                let (head, body) = self.pass_on(request, onward).await?.into_parts();
                let whole = body.collect().await.map_err(|_| BrokenOff)?.to_bytes();
                if whole.len() < 2 {
                    return reset(socket);
                }
                let cut = CutBody::of(&whole);
                Ok(Response::from_parts(head, Either::Right(Either::Right(cut))))
            }
        }
    }

    /// Sends a request as it is to the service.
    async fn pass_on(
        &self,
        request: Request<Incoming>,
        onward: &Onward,
    ) -> Result<Response<Incoming>, BrokenOff> {
        let mut way = onward.lock().await;
        let mut known = way.take();
        let is_open = match &mut known {
            Some(known) => known.ready().await.is_ok(),
            None => false,
        };
        let mut sender = match known.filter(|_| is_open) {
            Some(known) => known,
            None => self.connect().await?,
        };
        let answer = sender.send_request(request).await.map_err(|_| BrokenOff)?;
        *way = Some(sender);
        Ok(answer)
    }

    /// A new connection to the service; the caller of a service that is gone sees its own break off.
    async fn connect(&self) -> Result<client::SendRequest<Incoming>, BrokenOff> {
        let stream = TcpStream::connect(self.upstream).await.map_err(|_| BrokenOff)?;
        stream.set_nodelay(true).map_err(|_| BrokenOff)?;
        let handshake = client::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|_| BrokenOff)?;
        // Ends with its sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Reads a body to its end.
async fn drain(mut body: Incoming) -> Result<(), BrokenOff> {
    while let Some(frame) = body.frame().await {
        frame.map_err(|_| BrokenOff)?;
    }
    Ok(())
}

/// Makes the connection end without an answer, and at once.
fn reset<A>(socket: &TcpStream) -> Result<A, BrokenOff> {
    // Without it the connection ends in order, which is as good as no answer.
    let _ = socket.set_zero_linger();
    Err(BrokenOff)
}
