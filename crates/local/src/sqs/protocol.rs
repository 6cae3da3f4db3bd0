//! The shapes of requests and answers in the AWS JSON 1.0 protocol. Names and forms only: what a
//! value may be is checked where it is used.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::digest::{Attributes, digest_of_attributes, digest_of_body};
use super::error::SqsError;
use super::limits::MILLIS;
use super::message::{Digests, MessageInput};
use super::store::{MoveTask, ReceivedMessage};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    pub(super) queue_name: Option<String>,
    pub(super) attributes: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueByName {
    pub(super) queue_name: Option<String>,
}

/// `DeleteQueue`, `PurgeQueue`, `ListDeadLetterSourceQueues`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueByUrl {
    pub(super) queue_url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    pub(super) queue_url: Option<String>,
    pub(super) attribute_names: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    pub(super) queue_url: Option<String>,
    pub(super) attributes: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    pub(super) queue_name_prefix: Option<String>,
    pub(super) max_results: Option<i64>,
    pub(super) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    pub(super) queue_url: Option<String>,
    #[serde(flatten)]
    pub(super) message: MessageInput,
}

/// `SendMessageBatch`, `DeleteMessageBatch`, `ChangeMessageVisibilityBatch`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", bound = "Entry: Deserialize<'de>")]
pub(super) struct Batch<Entry> {
    pub(super) queue_url: Option<String>,
    pub(super) entries: Option<Vec<BatchEntry<Entry>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", bound = "Entry: Deserialize<'de>")]
pub(super) struct BatchEntry<Entry> {
    pub(super) id: Option<String>,
    #[serde(flatten)]
    pub(super) content: Entry,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    pub(super) queue_url: Option<String>,
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) visibility_timeout: Option<i64>,
    pub(super) wait_time_seconds: Option<i64>,
    pub(super) message_attribute_names: Option<Vec<String>>,
    pub(super) message_system_attribute_names: Option<Vec<String>>,
    /// The older name of the field before.
    pub(super) attribute_names: Option<Vec<String>>,
}

/// What to do with a received message: delete it, or change for how long it is hidden.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceivedReference {
    pub(super) receipt_handle: Option<String>,
    pub(super) visibility_timeout: Option<i64>,
}

/// `DeleteMessage` and `ChangeMessageVisibility`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OneReceived {
    pub(super) queue_url: Option<String>,
    #[serde(flatten)]
    pub(super) reference: ReceivedReference,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMessageMoveTask {
    pub(super) source_arn: Option<String>,
    pub(super) destination_arn: Option<String>,
    pub(super) max_number_of_messages_per_second: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CancelMessageMoveTask {
    pub(super) task_handle: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMessageMoveTasks {
    pub(super) source_arn: Option<String>,
    pub(super) max_results: Option<i64>,
}

/// The answer about one accepted message.
pub(super) fn sent_answer(message_id: &str, digests: &Digests) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("MessageId".to_owned(), json!(message_id));
    answer.insert("MD5OfMessageBody".to_owned(), json!(digests.body));
    for (name, digest) in [
        ("MD5OfMessageAttributes", &digests.attributes),
        ("MD5OfMessageSystemAttributes", &digests.system_attributes),
    ] {
        if let Some(digest) = digest {
            answer.insert(name.to_owned(), json!(digest));
        }
    }
    answer
}

/// An entry of a batch: its id, and what is answered about it.
pub(super) type EntryResult = (String, Result<Map<String, Value>, SqsError>);

/// The answer to a batch call.
pub(super) fn batch_answer(results: Vec<EntryResult>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(mut answer) => {
                answer.insert("Id".to_owned(), json!(id));
                successful.push(Value::Object(answer));
            }
            Err(error) => {
                let code = error.code();
                failed.push(json!({
                    "Id": id,
                    "Code": code.query(),
                    "Message": error.to_string(),
                    "SenderFault": code.is_sender_fault(),
                }));
            }
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

/// A received message, with the attributes asked for.
pub(super) fn received_answer(message: &ReceivedMessage, request: &ReceiveMessage) -> Value {
    let mut answer = json!({
        "MessageId": message.message_id,
        "ReceiptHandle": message.handle,
        "MD5OfBody": digest_of_body(&message.body),
        "Body": message.body,
    });
    let names = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
    let mut wanted = names(&request.message_system_attribute_names);
    wanted.extend(names(&request.attribute_names));
    let system: Map<String, Value> = system_attributes(message)
        .into_iter()
        .filter(|(name, _)| wanted.iter().any(|wanted| wanted == "All" || wanted == name))
        .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
        .collect();
    if !system.is_empty() {
        answer["Attributes"] = Value::Object(system);
    }
    let wanted = names(&request.message_attribute_names);
    let attributes: Attributes = message
        .attributes
        .iter()
        .filter(|(name, _)| wanted.iter().any(|wanted| selects(wanted, name)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !attributes.is_empty() {
        answer["MD5OfMessageAttributes"] = json!(digest_of_attributes(&attributes));
        answer["MessageAttributes"] = json!(attributes);
    }
    answer
}

/// The system attributes there are for a standard queue, and those this message has.
fn system_attributes(message: &ReceivedMessage) -> [(&'static str, Option<String>); 7] {
    [
        ("SenderId", Some(message.sender_id.clone())),
        ("SentTimestamp", Some(message.sent_at_millis.to_string())),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(message.first_received_at_millis.to_string())),
        ("AWSTraceHeader", message.trace_header.clone()),
        ("MessageGroupId", message.group_id.clone()),
        ("DeadLetterQueueSourceArn", message.source_arn.clone()),
    ]
}

/// The names a receiver may ask for: those of [`system_attributes`], all, and two of FIFO queues.
pub(super) const SYSTEM_ATTRIBUTE_NAMES: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "AWSTraceHeader",
    "MessageGroupId",
    "DeadLetterQueueSourceArn",
    "SequenceNumber",
    "MessageDeduplicationId",
];

/// Whether a wanted name (`All`, `.*`, `prefix.*`, or the whole name) takes in `name`.
fn selects(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => wanted == "All" || wanted == name,
    }
}

/// A task as `ListMessageMoveTasks` answers it. Only a running task has a handle.
pub(super) fn move_task_answer(task: &MoveTask, source_arn: &str) -> Value {
    let mut answer = json!({
        "Status": task.status,
        "SourceArn": source_arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_at_millis / MILLIS * MILLIS,
    });
    if task.status == "RUNNING" {
        answer["TaskHandle"] = json!(task.handle);
    }
    if let Some(arn) = &task.destination_arn {
        answer["DestinationArn"] = json!(arn);
    }
    if let Some(pace) = task.moves_per_second {
        answer["MaxNumberOfMessagesPerSecond"] = json!(pace);
    }
    if let Some(failure) = &task.failure {
        answer["FailureReason"] = json!(failure);
    }
    answer
}
