//! Looks at queues from inside, without being a client whose calls would be noted.

use std::sync::Arc;

use super::Service;
use crate::sqs::error::SqsError;
use crate::sqs::limits::MILLIS;

/// A message that was received more often does not count as the oldest: SQS puts it behind the others.
const RECEIVES_OF_OLDEST_MAX: i64 = 3;

/// What is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages that could be received now.
    pub visible: u64,
    /// Messages received and not deleted.
    pub not_visible: u64,
    /// Messages whose delay is not over.
    pub delayed: u64,
    /// Age of the oldest, in seconds; 0 if there is none.
    pub oldest_seconds: u64,
}

/// Looks at the queues of a server. The server waits for it to be dropped before it closes its store.
pub struct QueueWatcher(pub(in crate::sqs) Arc<Service>);

impl QueueWatcher {
    /// What is in the queue now.
    ///
    /// # Errors
    /// When there is no such queue, or the store cannot be read.
    pub async fn look(&self, queue: &str) -> Result<QueueState, SqsError> {
        let (name, now) = (queue.to_owned(), self.0.now_millis());
        let look = move |store: &crate::sqs::store::Store| {
            let (_, counts) = store.count(&name, now)?;
            Ok((counts, store.oldest(&name, RECEIVES_OF_OLDEST_MAX)?))
        };
        let (counts, oldest) = self.0.writer.run(look).await?;
        let number = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok(QueueState {
            visible: number(counts.visible),
            not_visible: number(counts.in_flight),
            delayed: number(counts.delayed),
            oldest_seconds: oldest.map_or(0, |sent_at| number((now - sent_at) / MILLIS)),
        })
    }
}
