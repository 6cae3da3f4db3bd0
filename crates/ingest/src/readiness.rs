//! Whether the services behind the relay answer: all asked at once, each with a limit of its own.

use std::time::Duration;

use relay_core::ports::PortError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accept::Ports;

/// How long a service may take to answer: a load balancer's health check gives up soon after.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How one service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// It answered.
    Ok,
    /// It answered that it cannot, or could not be reached.
    Unavailable,
    /// It did not answer within a second.
    TimedOut,
}

/// How every service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Checks {
    /// The table of messages.
    pub table: Check,
    /// The queue to the worker.
    pub queue: Check,
    /// The bucket of bodies.
    pub bucket: Check,
}

impl Checks {
    /// Whether every service answered.
    pub fn all_ok(self) -> bool {
        [self.table, self.queue, self.bucket].iter().all(|check| *check == Check::Ok)
    }
}

/// Asks every service at once.
pub async fn check(ports: &Ports) -> Checks {
    let (table, queue, bucket) = futures::join!(
        answer("table", ports.store.ready()),
        answer("queue", ports.queue.ready()),
        answer("bucket", ports.payloads.ready()),
    );
    Checks { table, queue, bucket }
}

/// Why a service does not answer is for the log: it may name what only operators should know.
async fn answer(service: &str, ready: impl Future<Output = Result<(), PortError>>) -> Check {
    match tokio::time::timeout(ANSWER_WITHIN, ready).await {
        Ok(Ok(())) => Check::Ok,
        Ok(Err(error)) => {
            tracing::warn!(service, %error, "a service is not ready");
            Check::Unavailable
        }
        Err(_) => {
            tracing::warn!(service, "a service did not answer within a second");
            Check::TimedOut
        }
    }
}
