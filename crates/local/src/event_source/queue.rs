//! The calls that an event source makes to its queue, through the real SDK and with the keys of the
//! function's role, so that the record of calls shows them as the role's.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, QueueAttributeName,
};

/// Most entries that SQS takes in one batch call.
pub(super) const ENTRIES_MAX: usize = 10;
/// Tries to delete what is done. What stays comes back and is recognised as done by its record.
const DELETE_TRIES_MAX: usize = 3;

/// Where the queue is and who asks.
#[derive(Debug, Clone)]
pub struct QueueAccess {
    /// Endpoint of the SQS service.
    pub endpoint: String,
    /// URL of the queue.
    pub queue_url: String,
    /// Region the calls are signed for.
    pub region: String,
    /// Key id of the function's role.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

/// A queue, as an event source sees it.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    pub(super) fn new(access: &QueueAccess) -> Self {
        let credentials = Credentials::new(
            &access.access_key_id,
            &access.secret_access_key,
            None,
            None,
            "event source",
        );
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&access.endpoint)
            .region(Region::new(access.region.clone()))
            .credentials_provider(credentials)
            .build();
        Self { client: Client::from_conf(config), url: access.queue_url.clone() }
    }

    /// The queue's visibility timeout.
    pub(super) async fn visibility_seconds(&self) -> Result<u64, String> {
        let name = QueueAttributeName::VisibilityTimeout;
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request
            .attribute_names(name.clone())
            .send()
            .await
            .map_err(|error| DisplayErrorContext(error).to_string())?;
        answer
            .attributes
            .and_then(|attributes| attributes.get(&name)?.parse().ok())
            .ok_or_else(|| "it gives no visibility timeout".to_owned())
    }

    /// Receives up to `count` messages, waiting up to `wait_seconds` for the first.
    pub(super) async fn receive(
        &self,
        count: usize,
        wait_seconds: u64,
    ) -> Result<Vec<Message>, String> {
        let narrow = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
        let count = narrow(count.min(ENTRIES_MAX) as u64);
        self.client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(count)
            .wait_time_seconds(narrow(wait_seconds))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .map(|answer| answer.messages.unwrap_or_default())
            .map_err(|error| DisplayErrorContext(error).to_string())
    }

    /// Deletes messages. What could not be deleted is logged; it will be received again.
    pub(super) async fn delete(&self, messages: &[&Message]) {
        for chunk in messages.chunks(ENTRIES_MAX) {
            let mut left: Vec<&Message> = chunk.to_vec();
            for _ in 0..DELETE_TRIES_MAX {
                left = self.delete_once(left).await;
                if left.is_empty() {
                    break;
                }
            }
            if !left.is_empty() {
                tracing::error!(count = left.len(), "messages that are done could not be deleted");
            }
        }
    }

    /// One DeleteMessageBatch. Returns the messages that are still there.
    async fn delete_once<'m>(&self, messages: Vec<&'m Message>) -> Vec<&'m Message> {
        let entries = messages.iter().enumerate().filter_map(|(index, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(message.receipt_handle.clone()?)
                .build()
                .ok()
        });
        let request = self.client.delete_message_batch().queue_url(&self.url);
        match request.set_entries(Some(entries.collect())).send().await {
            Ok(answer) => {
                let failed: Vec<usize> =
                    answer.failed().iter().filter_map(|entry| entry.id().parse().ok()).collect();
                failed.iter().filter_map(|index| messages.get(*index).copied()).collect()
            }
            Err(error) => {
                tracing::warn!(error = %DisplayErrorContext(error), "deleting a batch failed");
                messages
            }
        }
    }

    /// Makes messages visible again at once, as if they had not been received.
    pub(super) async fn give_back(&self, messages: &[Message]) {
        for chunk in messages.chunks(ENTRIES_MAX) {
            let entries = chunk.iter().enumerate().filter_map(|(index, message)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(message.receipt_handle.clone()?)
                    .visibility_timeout(0)
                    .build()
                    .ok()
            });
            let request = self.client.change_message_visibility_batch().queue_url(&self.url);
            if let Err(error) = request.set_entries(Some(entries.collect())).send().await {
                let error = DisplayErrorContext(error);
                tracing::warn!(%error, "messages could not be given back; they stay hidden for now");
            }
        }
    }
}
