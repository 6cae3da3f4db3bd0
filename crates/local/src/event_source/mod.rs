//! Polls a queue and invokes a function with what it finds, as Lambda's SQS event source mapping does.
//!
//! It never decides about a message: what the function reports as done is deleted, and everything else
//! is left to its visibility timeout. Not simulated: the slow start and the scaling of real pollers.

mod answer;
mod batch;
mod mapping;
mod queue;
mod record;

pub use mapping::{EventSourceMapping, MappingOptions};
pub use queue::QueueAccess;

/// Why an event source cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The queue does not answer.
    #[error("the queue of the event source does not answer: {0}")]
    Queue(String),
    /// Lambda refuses such a mapping: a message would come back while it is still being worked on.
    #[error(
        "the queue's visibility timeout of {visibility_seconds} s is below the function's timeout of {function_seconds} s"
    )]
    VisibilityTooShort {
        /// Of the queue.
        visibility_seconds: u64,
        /// Of the function.
        function_seconds: u64,
    },
}
