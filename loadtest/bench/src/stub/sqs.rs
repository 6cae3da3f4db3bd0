//! Answers as SQS gives them.

use serde_json::{Value, json};

use super::sizes::{message_bytes, queue_units};
use super::{Shared, locked};

/// The answer to `operation`. Of a batch, the last entry fails if it is to be carried out but partly.
pub(super) fn answer(operation: &str, body: &[u8], is_partly: bool, shared: &Shared) -> Value {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    match operation {
        "SendMessage" => {
            note(std::slice::from_ref(&request), shared);
            json!({"MessageId": "0", "MD5OfMessageBody": "0"})
        }
        "SendMessageBatch" => {
            let entries = request["Entries"].as_array().cloned().unwrap_or_default();
            let kept = if is_partly { entries.len().saturating_sub(1) } else { entries.len() };
            note(&entries[..kept], shared);
            let sent = |entry: &Value| json!({"Id": entry["Id"], "MessageId": "0", "MD5OfMessageBody": "0"});
            let failed = |entry: &Value| json!({"Id": entry["Id"], "SenderFault": false, "Code": "InternalError"});
            json!({
                "Successful": entries[..kept].iter().map(sent).collect::<Vec<_>>(),
                "Failed": entries[kept..].iter().map(failed).collect::<Vec<_>>(),
            })
        }
        "GetQueueAttributes" => {
            json!({"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:1:queue"}})
        }
        _ => {
            shared.counters.with(|counts| counts.queue_units += 1.0);
            json!({})
        }
    }
}

/// Counts one request with these messages, and keeps their texts.
fn note(entries: &[Value], shared: &Shared) {
    let bytes: usize = entries.iter().map(message_bytes).sum();
    shared.counters.with(|counts| {
        counts.queue_units += queue_units(bytes);
        counts.queue_bytes += bytes as u64;
    });
    let texts = entries.iter().filter_map(|entry| entry["MessageBody"].as_str());
    locked(&shared.sent).extend(texts.map(str::to_owned));
}
