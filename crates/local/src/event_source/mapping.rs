//! The mapping itself: up to a maximum of invocations at one time, each for one batch.

use aws_sdk_sqs::types::Message;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::MappingError;
use super::answer::{self, Verdict};
use super::batch::{self, Limits};
use super::queue::{Queue, QueueAccess};
use super::record::{self, Batch, Source};
use crate::lambda::FunctionHost;
use crate::template::description::EventSource;

/// Time beyond the function's own timeout that a running batch gets when the stack stops, to delete
/// what is done.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// What a mapping is started with.
pub struct MappingOptions {
    /// What the template says.
    pub source: EventSource,
    /// How its queue is reached.
    pub access: QueueAccess,
    /// The function it invokes.
    pub function: Arc<FunctionHost>,
    /// Most invocations at one time.
    pub maximum_concurrency: usize,
}

/// A running event source mapping.
pub struct EventSourceMapping {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    stop_timeout: Duration,
}

struct Mapping {
    queue: Queue,
    source: Source,
    limits: Limits,
    report_failures: bool,
    function: Arc<FunctionHost>,
}

impl EventSourceMapping {
    /// Begins to poll.
    ///
    /// # Errors
    /// When the queue does not answer, or hides messages for a shorter time than the function may take.
    pub async fn start(options: MappingOptions) -> Result<Self, MappingError> {
        let MappingOptions { source, access, function, maximum_concurrency } = options;
        let queue = Queue::new(&access);
        let visibility_seconds = queue.visibility_seconds().await.map_err(MappingError::Queue)?;
        let function_seconds = function.timeout().as_secs();
        if visibility_seconds < function_seconds {
            return Err(MappingError::VisibilityTooShort { visibility_seconds, function_seconds });
        }
        let stop_timeout = function.timeout() + STOP_MARGIN;
        let mapping = Arc::new(Mapping {
            queue,
            source: Source { queue_arn: source.queue_arn, region: access.region },
            limits: Limits { batch_size: source.batch_size, window: source.window },
            report_failures: source.report_batch_item_failures,
            function,
        });
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(poll(mapping, maximum_concurrency, stopping));
        Ok(Self { stop, task, stop_timeout })
    }

    /// Stops polling and waits for the running invocations, up to the function's timeout.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(self.stop_timeout, self.task).await.is_err() {
            tracing::warn!("invocations were still running when the event source stopped");
        }
    }
}

async fn poll(mapping: Arc<Mapping>, maximum_concurrency: usize, stopping: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(maximum_concurrency));
    let mut running = JoinSet::new();
    // The slot comes first: nothing is received that could not be worked on at once.
    while let Some(slot) = free_slot(&slots, stopping.clone()).await {
        let Some(messages) = batch::gather(&mapping.queue, mapping.limits, &stopping).await else {
            break;
        };
        while running.try_join_next().is_some() {}
        running.spawn(work(Arc::clone(&mapping), messages, slot));
    }
    while running.join_next().await.is_some() {}
}

/// A slot for one invocation, or nothing once the stack stops.
async fn free_slot(
    slots: &Arc<Semaphore>,
    mut stopping: watch::Receiver<bool>,
) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stopping| *stopping) => None,
        slot = Arc::clone(slots).acquire_owned() => slot.ok(),
    }
}

async fn work(mapping: Arc<Mapping>, messages: Vec<Message>, _slot: OwnedSemaphorePermit) {
    for batch in record::batches(&mapping.source, messages) {
        mapping.invoke(batch).await;
    }
}

impl Mapping {
    async fn invoke(&self, batch: Batch) {
        let Batch { event, messages } = batch;
        let answer = match self.function.invoke(event).await {
            Ok(answer) => answer,
            Err(error) => {
                let count = messages.len();
                tracing::warn!(%error, count, "a batch failed; its messages stay hidden for now");
                return;
            }
        };
        let ids: BTreeSet<String> =
            messages.iter().filter_map(|message| message.message_id.clone()).collect();
        match answer::judge(&answer, &ids, self.report_failures) {
            Verdict::DoneExcept(failed) => {
                let is_done = |message: &&Message| {
                    message.message_id.as_ref().is_none_or(|id| !failed.contains(id))
                };
                let done: Vec<&Message> = messages.iter().filter(is_done).collect();
                self.queue.delete(&done).await;
            }
            Verdict::NothingDone(reason) => {
                tracing::error!(reason, "the whole batch counts as failed");
            }
        }
    }
}
