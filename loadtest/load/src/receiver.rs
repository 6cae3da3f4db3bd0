//! The targets: they check every body, note when it arrived, and answer as their path says. `/sound` at once, `/slow`
//! after a while, `/dead` with 503.
//!
//! Only what the generator sent counts; it keeps none of it.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::content::Checked;
use crate::generator::Run;
use crate::plan::Lane;
use crate::scenario::SLOW_MILLISECONDS;

/// Largest body that is read: above the largest of any scenario.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long to wait after a failed accept (out of file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Paths of the targets.
pub(crate) const SOUND_PATH: &str = "/sound";
/// See [`SOUND_PATH`].
pub(crate) const SLOW_PATH: &str = "/slow";
/// See [`SOUND_PATH`].
pub(crate) const DEAD_PATH: &str = "/dead";

/// Opens a port.
///
/// # Errors
/// When the system does not give it.
pub(crate) async fn open(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves until the runtime ends.
pub(crate) fn serve(listener: TcpListener, run: Arc<Run>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&run)))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    })
}

async fn connection(stream: TcpStream, run: Arc<Run>) {
    // Small answers go out at once, as those of any real server do.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let run = Arc::clone(&run);
        async move { Ok::<_, Infallible>(answer(&run, request).await) }
    });
    // A caller that goes away in the middle has delivered nothing, and the count shows it.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(run: &Run, request: Request<Incoming>) -> Response<Empty<Bytes>> {
    let lane = match request.uri().path() {
        path if path.ends_with(SOUND_PATH) => Some(Lane::Sound),
        path if path.ends_with(SLOW_PATH) => Some(Lane::Slow),
        path if path.ends_with(DEAD_PATH) => Some(Lane::Dead),
        _ => None,
    };
    let Some(lane) = lane else { return respond(StatusCode::NOT_FOUND) };
    let Ok(body) = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await else {
        return respond(StatusCode::BAD_REQUEST);
    };
    note(run, &body.to_bytes(), lane);
    match lane {
        Lane::Sound => respond(StatusCode::OK),
        Lane::Slow => {
            tokio::time::sleep(Duration::from_millis(SLOW_MILLISECONDS)).await;
            respond(StatusCode::OK)
        }
        Lane::Dead => respond(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn note(run: &Run, body: &[u8], lane: Lane) {
    let now = run.elapsed();
    match run.content.check(&run.plan, body) {
        Checked::Ours(message) if message.lane == lane => {
            let due = run.plan.due_of_message(message.number);
            run.tally.arrived(message, now.saturating_sub(due), now);
        }
        // At another target than its own it is as wrong as with another body.
        Checked::Ours(_) | Checked::Wrong => run.tally.strange(false),
        Checked::Foreign => run.tally.strange(true),
    }
}

fn respond(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}
