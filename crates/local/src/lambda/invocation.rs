//! One invocation: its limits, how it can end, and what travels to the environment that takes it.

use bytes::Bytes;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Lambda's limit for the event of a synchronous invocation: 6 MiB.
pub const EVENT_BYTES_MAX: usize = 6_291_456;
/// Lambda's limit for the response of one, which is the same.
pub const RESPONSE_BYTES_MAX: usize = 6_291_456;

/// How an invocation fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The event is larger than Lambda takes; the function was not invoked.
    #[error("the event of {bytes} bytes is over the limit of {EVENT_BYTES_MAX}")]
    EventTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No environment became free in time; the function was not invoked.
    #[error("all {environments} environments stayed busy for {} s", .waited.as_secs())]
    Throttled {
        /// Environments that may exist.
        environments: usize,
        /// How long the invocation waited.
        waited: Duration,
    },
    /// A new environment could not be started; the function was not invoked.
    #[error("no environment could be started: {0}")]
    ColdStart(String),
    /// The function answered with an error.
    #[error("the function failed with {error_type}: {message}")]
    Function {
        /// As the runtime reports it.
        error_type: String,
        /// As the runtime reports it.
        message: String,
    },
    /// The environment ended during the invocation.
    #[error("the environment ended during the invocation: {how}")]
    Crashed {
        /// Exit code or signal.
        how: String,
    },
    /// The function took longer than it may, and its environment was killed.
    #[error("timed out after {} s", .after.as_secs())]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// The response is larger than Lambda takes.
    #[error("the response is over the limit of {RESPONSE_BYTES_MAX} bytes")]
    ResponseTooLarge,
    /// The stack is stopping.
    #[error("the stack is stopping")]
    Stopping,
}

/// An invocation on its way to an environment.
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) event: Bytes,
    pub(super) answer: oneshot::Sender<Result<Bytes, InvokeError>>,
    /// The right to occupy one environment. It goes back when the environment is idle again or gone.
    pub(super) permit: OwnedSemaphorePermit,
}
