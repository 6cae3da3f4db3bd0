//! Operations on messages, alone and in batches: send, delete, change visibility.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Service, required};
use crate::metrics::AwsMetric;
use crate::sqs::error::SqsError;
use crate::sqs::limits;
use crate::sqs::message::{MessageInput, NewMessage, check_range};
use crate::sqs::protocol::{
    Batch, BatchEntry, EntryResult, OneReceived, ReceivedReference, SendMessage, batch_answer,
    sent_answer,
};
use crate::sqs::store::{Queue, Store};

impl Service {
    pub(super) async fn send_message(
        &self,
        request: SendMessage,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:SendMessage")?;
        let message = request.message.check(caller)?;
        let digests = message.digests();
        let now = self.now_millis();
        let queue = name.clone();
        let message_id =
            self.writer.run(move |store| store.send(&store.queue(&queue)?, &message, now)).await?;
        self.count(AwsMetric::SqsSent, &name, 1);
        self.announce(&name);
        Ok(Value::Object(sent_answer(&message_id, &digests)))
    }

    pub(super) async fn send_message_batch(
        &self,
        request: Batch<MessageInput>,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:SendMessage")?;
        let mut checked = Vec::new();
        for (id, message) in check_entries(request.entries)? {
            checked.push((id, message.check(caller)));
        }
        let bytes = checked.iter().flat_map(|(_, message)| message).map(|m| m.bytes).sum();
        if bytes > limits::BATCH_BYTES_MAX {
            return Err(SqsError::BatchRequestTooLong(bytes));
        }
        let now = self.now_millis();
        let queue = name.clone();
        let results = self
            .writer
            .run(move |store| {
                let queue = store.queue(&queue)?;
                each_entry(checked, |message| send_entry(store, &queue, &message?, now))
            })
            .await?;
        self.count(AwsMetric::SqsSent, &name, done(&results));
        self.announce(&name);
        Ok(batch_answer(results))
    }

    pub(super) async fn delete_message(
        &self,
        request: OneReceived,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:DeleteMessage")?;
        let queue = name.clone();
        self.writer
            .run(move |store| delete(store, &store.queue(&queue)?, request.reference))
            .await?;
        self.count(AwsMetric::SqsDeleted, &name, 1);
        Ok(json!({}))
    }

    pub(super) async fn delete_message_batch(
        &self,
        request: Batch<ReceivedReference>,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let name = self.queue_at(request.queue_url.as_ref(), caller, "sqs:DeleteMessage")?;
        let entries = check_entries(request.entries)?;
        let queue = name.clone();
        let results = self
            .writer
            .run(move |store| {
                let queue = store.queue(&queue)?;
                each_entry(entries, |reference| delete(store, &queue, reference))
            })
            .await?;
        self.count(AwsMetric::SqsDeleted, &name, done(&results));
        Ok(batch_answer(results))
    }

    pub(super) async fn change_visibility(
        &self,
        request: OneReceived,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let action = "sqs:ChangeMessageVisibility";
        let name = self.queue_at(request.queue_url.as_ref(), caller, action)?;
        let now = self.now_millis();
        let queue = name.clone();
        self.writer
            .run(move |store| change(store, &store.queue(&queue)?, request.reference, now))
            .await?;
        self.announce(&name);
        Ok(json!({}))
    }

    pub(super) async fn change_visibility_batch(
        &self,
        request: Batch<ReceivedReference>,
        caller: &str,
    ) -> Result<Value, SqsError> {
        let action = "sqs:ChangeMessageVisibility";
        let name = self.queue_at(request.queue_url.as_ref(), caller, action)?;
        let entries = check_entries(request.entries)?;
        let now = self.now_millis();
        let queue = name.clone();
        let results = self
            .writer
            .run(move |store| {
                let queue = store.queue(&queue)?;
                each_entry(entries, |reference| change(store, &queue, reference, now))
            })
            .await?;
        self.announce(&name);
        Ok(batch_answer(results))
    }
}

/// The entries with their ids, after the checks that fail a whole batch.
fn check_entries<Entry>(
    entries: Option<Vec<BatchEntry<Entry>>>,
) -> Result<Vec<(String, Entry)>, SqsError> {
    let entries = entries.unwrap_or_default();
    if entries.is_empty() {
        return Err(SqsError::EmptyBatchRequest);
    }
    if entries.len() > limits::BATCH_ENTRIES_MAX {
        return Err(SqsError::TooManyEntriesInBatchRequest(entries.len()));
    }
    let mut ids = BTreeSet::new();
    let mut checked = Vec::new();
    for entry in entries {
        let id = entry.id.unwrap_or_default();
        let is_valid = (1..=limits::BATCH_ENTRY_ID_CHARACTERS_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_valid {
            return Err(SqsError::InvalidBatchEntryId(id));
        }
        if !ids.insert(id.clone()) {
            return Err(SqsError::BatchEntryIdsNotDistinct(id));
        }
        checked.push((id, entry.content));
    }
    Ok(checked)
}

/// Does `work` for each entry. An entry the caller got wrong fails alone; a failing store fails
/// the batch, so that nothing half written is answered as done.
fn each_entry<Entry>(
    entries: Vec<(String, Entry)>,
    mut work: impl FnMut(Entry) -> Result<Map<String, Value>, SqsError>,
) -> Result<Vec<EntryResult>, SqsError> {
    let mut results = Vec::new();
    for (id, entry) in entries {
        match work(entry) {
            Err(error @ SqsError::Store(_)) => return Err(error),
            result => results.push((id, result)),
        }
    }
    Ok(results)
}

/// How many entries were done.
fn done(results: &[EntryResult]) -> usize {
    results.iter().filter(|(_, result)| result.is_ok()).count()
}

fn send_entry(
    store: &Store,
    queue: &Queue,
    message: &NewMessage,
    now_millis: i64,
) -> Result<Map<String, Value>, SqsError> {
    let message_id = store.send(queue, message, now_millis)?;
    Ok(sent_answer(&message_id, &message.digests()))
}

fn delete(
    store: &Store,
    queue: &Queue,
    reference: ReceivedReference,
) -> Result<Map<String, Value>, SqsError> {
    let handle = required(reference.receipt_handle, "ReceiptHandle")?;
    store.delete_message(queue, &handle)?;
    Ok(Map::new())
}

fn change(
    store: &Store,
    queue: &Queue,
    reference: ReceivedReference,
    now_millis: i64,
) -> Result<Map<String, Value>, SqsError> {
    let handle = required(reference.receipt_handle, "ReceiptHandle")?;
    let seconds =
        reference.visibility_timeout.ok_or(SqsError::MissingParameter("VisibilityTimeout"))?;
    check_range("VisibilityTimeout", seconds, (0, limits::VISIBILITY_SECONDS_MAX))?;
    store.change_visibility(queue, &handle, seconds, now_millis)?;
    Ok(Map::new())
}
