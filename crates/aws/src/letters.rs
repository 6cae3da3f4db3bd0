//! The dead-letter queue on SQS, for reading.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
};
use futures::StreamExt;
use relay_core::ports::{LETTERS_MAX, Letter, Letters, PortError, Receipt};

use crate::Clients;
use crate::error::{failed, unavailable};
use crate::queue::{VISIBILITY_SECONDS_MAX, names_a_lost_receipt, whole_seconds};

/// How long a receive waits when nothing is there, in seconds. With any wait SQS asks all of its hosts,
/// without one only some; one try of a call may take 2 s.
const WAIT_SECONDS: i32 = 1;
/// Most entries of a batch that SQS takes.
const BATCH_ENTRIES_MAX: usize = 10;
/// Batches under way at once: ten thousand letters are shown again within a second or two.
const CALLS_AT_ONCE: usize = 8;

const RECEIVE: &str = "receiving dead letters";
const DELETE: &str = "deleting dead letters";
const RELEASE: &str = "showing dead letters again";

/// The dead-letter queue on SQS.
///
/// Calls `sqs:ReceiveMessage`, `sqs:DeleteMessage` and `sqs:ChangeMessageVisibility` on it.
#[derive(Debug, Clone)]
pub struct SqsLetters {
    client: Client,
    queue_url: String,
}

impl SqsLetters {
    /// The dead-letter queue at `queue_url`.
    pub fn new(clients: &Clients, queue_url: impl Into<String>) -> Self {
        Self { client: clients.sqs.clone(), queue_url: queue_url.into() }
    }
}

#[async_trait]
impl Letters for SqsLetters {
    async fn receive(&self, hidden_for: Duration) -> Result<Vec<Letter>, PortError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(i32::try_from(LETTERS_MAX).unwrap_or(1))
            .visibility_timeout(whole_seconds(hidden_for, VISIBILITY_SECONDS_MAX))
            .wait_time_seconds(WAIT_SECONDS)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::DeadLetterQueueSourceArn)
            .send()
            .await
            .map_err(|error| unavailable(RECEIVE, &error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(letter).collect())
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        let batches = receipts.chunks(BATCH_ENTRIES_MAX);
        each(batches.map(|some| self.delete_batch(some)).collect()).await
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        let batches = receipts.chunks(BATCH_ENTRIES_MAX);
        each(batches.map(|some| self.release_batch(some)).collect()).await
    }
}

impl SqsLetters {
    async fn delete_batch(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        let mut call = self.client.delete_message_batch().queue_url(&self.queue_url);
        for (index, receipt) in receipts.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.receipt_handle(&receipt.0).build();
            call = call.entries(entry.map_err(|error| failed(DELETE, &error.to_string()))?);
        }
        let answer = call.send().await.map_err(|error| unavailable(DELETE, &error))?;
        all_taken(DELETE, &answer.failed)
    }

    async fn release_batch(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        let mut call = self.client.change_message_visibility_batch().queue_url(&self.queue_url);
        for (index, receipt) in receipts.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().visibility_timeout(0);
            let entry = entry.id(index.to_string()).receipt_handle(&receipt.0).build();
            call = call.entries(entry.map_err(|error| failed(RELEASE, &error.to_string()))?);
        }
        let answer = call.send().await.map_err(|error| unavailable(RELEASE, &error))?;
        all_taken(RELEASE, &answer.failed)
    }
}

/// Makes every call, some at the same time, whatever came of the others. The first error, if there is one.
async fn each(calls: Vec<impl Future<Output = Result<(), PortError>>>) -> Result<(), PortError> {
    let mut answers = futures::stream::iter(calls).buffer_unordered(CALLS_AT_ONCE);
    let mut first = Ok(());
    while let Some(answer) = answers.next().await {
        first = first.and(answer);
    }
    first
}

/// The letter, unless it came without what names it.
fn letter(message: Message) -> Option<Letter> {
    let system = message.attributes.unwrap_or_default();
    let attributes = message.message_attributes.into_iter().flatten();
    Some(Letter {
        receipt: Receipt(message.receipt_handle?),
        text: message.body.unwrap_or_default(),
        attributes: attributes
            .filter_map(|(name, value)| Some((name, value.string_value?)))
            .collect(),
        moved_by_queue: system.contains_key(&MessageSystemAttributeName::DeadLetterQueueSourceArn),
    })
}

/// A batch may fail in part. That a receipt speaks for nothing any more is no failure.
fn all_taken(action: &'static str, failures: &[BatchResultErrorEntry]) -> Result<(), PortError> {
    match failures.iter().find(|failure| !names_a_lost_receipt(&failure.code)) {
        None => Ok(()),
        Some(failure) => {
            Err(failed(action, &format!("{} of a batch: {}", failures.len(), failure.code)))
        }
    }
}
