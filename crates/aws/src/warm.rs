//! Opens the connections of a function before its first message: the first call to each service pays
//! for DNS, TCP and TLS, and initialisation is not billed against anybody's latency.

use std::time::Duration;

use futures::future::join3;
use relay_core::ports::{Payloads, PortError, Queue, Store};

/// How long a start waits for its connections. A service that does not answer by then is somebody
/// else's news: messages find out for themselves.
const WARM_TIMEOUT: Duration = Duration::from_secs(2);

/// Calls table, queue and bucket once, at the same time. A failure is logged and nothing else: a start
/// that fails because of a service that hiccups turns a hiccup into an outage.
pub async fn warm(store: &dyn Store, queue: &dyn Queue, payloads: &dyn Payloads) {
    let ready = join3(store.ready(), queue.ready(), payloads.ready());
    match tokio::time::timeout(WARM_TIMEOUT, ready).await {
        Ok((table, queue, bucket)) => {
            for (part, answer) in [("table", table), ("queue", queue), ("bucket", bucket)] {
                note(part, answer);
            }
        }
        Err(_) => tracing::warn!("connections were not open in time"),
    }
}

fn note(part: &'static str, answer: Result<(), PortError>) {
    if let Err(error) = answer {
        tracing::warn!(service = part, %error, "a connection could not be opened ahead of time");
    }
}
