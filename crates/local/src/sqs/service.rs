//! What each operation does, over parsed requests: checks, one call of the store, the answer, and
//! who is woken by it. Knows nothing of HTTP. Queues, messages and moves each have their part.

mod messages;
mod moves;
mod queues;
mod receive;
mod watcher;

pub use watcher::{QueueState, QueueWatcher};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::clock::Clock;
use super::error::SqsError;
use super::store::{Identity, queue_name_in};
use super::writer::Writer;
use crate::metrics::AwsMetric;
use crate::services::record::Recorder;

/// The queue service behind the server.
pub(super) struct Service {
    pub(super) writer: Writer,
    pub(super) clock: Clock,
    pub(super) identity: Identity,
    pub(super) recorder: Recorder,
    /// `http://127.0.0.1:<port>`: what queue addresses begin with.
    pub(super) url: String,
    /// Becomes true when the server stops: long polls answer at once.
    pub(super) stopping: watch::Receiver<bool>,
    /// Wakes the long polls of a queue, by its name.
    pub(super) arrivals: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Service {
    /// Does `operation`, for the caller with the access key id `caller`.
    pub(super) async fn call(
        self: &Arc<Self>,
        operation: &str,
        caller: &str,
        body: &[u8],
    ) -> Result<Value, SqsError> {
        match operation {
            "CreateQueue" => self.create_queue(read(body)?, caller).await,
            "GetQueueUrl" => self.get_queue_url(read(body)?, caller).await,
            "GetQueueAttributes" => self.get_queue_attributes(read(body)?, caller).await,
            "SetQueueAttributes" => self.set_queue_attributes(read(body)?, caller).await,
            "ListQueues" => self.list_queues(read(body)?, caller).await,
            "ListDeadLetterSourceQueues" => self.list_sources(read(body)?, caller).await,
            "PurgeQueue" => self.purge_queue(read(body)?, caller).await,
            "DeleteQueue" => self.delete_queue(read(body)?, caller).await,
            "SendMessage" => self.send_message(read(body)?, caller).await,
            "SendMessageBatch" => self.send_message_batch(read(body)?, caller).await,
            "ReceiveMessage" => self.receive_message(read(body)?, caller).await,
            "DeleteMessage" => self.delete_message(read(body)?, caller).await,
            "DeleteMessageBatch" => self.delete_message_batch(read(body)?, caller).await,
            "ChangeMessageVisibility" => self.change_visibility(read(body)?, caller).await,
            "ChangeMessageVisibilityBatch" => {
                self.change_visibility_batch(read(body)?, caller).await
            }
            "StartMessageMoveTask" => self.start_move_task(read(body)?, caller).await,
            "CancelMessageMoveTask" => self.cancel_move_task(read(body)?, caller).await,
            "ListMessageMoveTasks" => self.list_move_tasks(read(body)?, caller).await,
            other => Err(SqsError::UnsupportedOperation(other.to_owned())),
        }
    }

    pub(super) fn now_millis(&self) -> i64 {
        (self.clock)()
    }

    /// The address of a queue. The account is part of the path, as with the real service.
    pub(super) fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.url, self.identity.account)
    }

    /// The name in a queue's address, recorded as used by `caller` for the IAM action `action`.
    fn queue_at(
        &self,
        url: Option<&String>,
        caller: &str,
        action: &str,
    ) -> Result<String, SqsError> {
        let url = url.ok_or(SqsError::MissingParameter("QueueUrl"))?;
        let name = queue_name_in(url).to_owned();
        self.recorder.record(caller, action, &name);
        Ok(name)
    }

    /// Counts something of a queue.
    fn count(&self, metric: AwsMetric, queue: &str, times: usize) {
        if times > 0 {
            self.recorder.meter().observe(metric, &[("QueueName", queue)], times as u64);
        }
    }

    fn arrivals_of(&self, queue: &str) -> Arc<Notify> {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(arrivals.entry(queue.to_owned()).or_default())
    }

    /// Wakes every long poll of the queue.
    fn announce(&self, queue: &str) {
        self.arrivals_of(queue).notify_waiters();
    }
}

/// An empty body stands for no arguments, as with the real service.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, SqsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    Ok(serde_json::from_slice(body)?)
}

/// A parameter that must be there and not empty.
fn required(value: Option<String>, name: &'static str) -> Result<String, SqsError> {
    value.filter(|value| !value.is_empty()).ok_or(SqsError::MissingParameter(name))
}
