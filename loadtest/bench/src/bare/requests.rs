//! Requests that were captured from a function, as inputs of the SDK: the floor makes exactly the same calls.

use std::collections::HashMap;
use std::path::Path;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::BenchError;

/// One request: its operation and its body in JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Captured {
    /// Such as `PutItem`.
    pub operation: String,
    /// As it went over the wire.
    pub body: String,
}

/// Writes the requests to a file.
///
/// # Errors
/// When it cannot be written.
pub fn save(path: &Path, requests: &[(String, Bytes)]) -> Result<(), BenchError> {
    let all: Vec<_> = requests
        .iter()
        .map(|(operation, body)| Captured {
            operation: operation.clone(),
            body: String::from_utf8_lossy(body).into_owned(),
        })
        .collect();
    let text = serde_json::to_string(&all).unwrap_or_default();
    std::fs::write(path, text).map_err(|source| BenchError::File { path: path.to_owned(), source })
}

/// A call that can be made again and again.
pub enum Call {
    /// Of the table.
    Put(Box<aws_sdk_dynamodb::operation::put_item::builders::PutItemInputBuilder>),
    /// Of the table.
    Batch(aws_sdk_dynamodb::operation::batch_execute_statement::builders::BatchExecuteStatementInputBuilder),
    /// Of the queue.
    Send(aws_sdk_sqs::operation::send_message::builders::SendMessageInputBuilder),
    /// Of the queue.
    SendBatch(aws_sdk_sqs::operation::send_message_batch::builders::SendMessageBatchInputBuilder),
}

/// Reads the calls from a file.
///
/// # Errors
/// When it cannot be read, or has a request that no floor makes.
pub fn load(path: &Path) -> Result<Vec<Call>, BenchError> {
    let file = |source| BenchError::File { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(file)?;
    let all: Vec<Captured> = serde_json::from_str(&text).unwrap_or_default();
    all.iter().map(call).collect()
}

fn call(captured: &Captured) -> Result<Call, BenchError> {
    let request: Value = serde_json::from_str(&captured.body).unwrap_or_default();
    let wrong = |what: &str| BenchError::Unexpected(format!("{what} is nothing that a floor does"));
    match captured.operation.as_str() {
        "PutItem" => Ok(Call::Put(Box::new(put(&request)))),
        "BatchExecuteStatement" => Ok(Call::Batch(batch(&request))),
        "SendMessage" => {
            let call = aws_sdk_sqs::operation::send_message::SendMessageInput::builder();
            Ok(Call::Send(
                call.set_queue_url(text(&request, "QueueUrl"))
                    .set_message_body(text(&request, "MessageBody"))
                    .set_message_attributes(attributes(&request)),
            ))
        }
        "SendMessageBatch" => {
            let call = aws_sdk_sqs::operation::send_message_batch::SendMessageBatchInput::builder();
            let entries = request["Entries"].as_array().into_iter().flatten();
            let entries = entries.filter_map(entry).collect();
            Ok(Call::SendBatch(
                call.set_queue_url(text(&request, "QueueUrl")).set_entries(Some(entries)),
            ))
        }
        other => Err(wrong(other)),
    }
}

fn put(request: &Value) -> aws_sdk_dynamodb::operation::put_item::builders::PutItemInputBuilder {
    let names = request["ExpressionAttributeNames"].as_object().map(|names| {
        let name =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        names.iter().filter_map(name).collect::<HashMap<_, _>>()
    });
    aws_sdk_dynamodb::operation::put_item::PutItemInput::builder()
        .set_table_name(text(request, "TableName"))
        .set_item(values(&request["Item"]))
        .set_condition_expression(text(request, "ConditionExpression"))
        .set_expression_attribute_names(names)
        .set_expression_attribute_values(values(&request["ExpressionAttributeValues"]))
        .return_values_on_condition_check_failure(
            aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
        )
}

fn batch(
    request: &Value,
) -> aws_sdk_dynamodb::operation::batch_execute_statement::builders::BatchExecuteStatementInputBuilder
{
    let statements = request["Statements"].as_array().into_iter().flatten();
    let statement = |one: &Value| {
        let parameters = one["Parameters"].as_array()?.iter().filter_map(value).collect();
        let statement = BatchStatementRequest::builder().set_statement(text(one, "Statement"));
        statement.set_parameters(Some(parameters)).build().ok()
    };
    aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementInput::builder()
        .set_statements(Some(statements.filter_map(statement).collect()))
}

fn entry(entry: &Value) -> Option<SendMessageBatchRequestEntry> {
    SendMessageBatchRequestEntry::builder()
        .set_id(text(entry, "Id"))
        .set_message_body(text(entry, "MessageBody"))
        .set_message_attributes(attributes(entry))
        .build()
        .ok()
}

fn attributes(request: &Value) -> Option<HashMap<String, MessageAttributeValue>> {
    let attribute = |(name, value): (&String, &Value)| {
        let built = MessageAttributeValue::builder()
            .set_data_type(text(value, "DataType"))
            .set_string_value(text(value, "StringValue"));
        Some((name.clone(), built.build().ok()?))
    };
    Some(request["MessageAttributes"].as_object()?.iter().filter_map(attribute).collect())
}

fn values(item: &Value) -> Option<HashMap<String, AttributeValue>> {
    let pair = |(name, one): (&String, &Value)| Some((name.clone(), value(one)?));
    Some(item.as_object()?.iter().filter_map(pair).collect())
}

fn value(value: &Value) -> Option<AttributeValue> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "S" => Some(AttributeValue::S(value.as_str()?.to_owned())),
        "N" => Some(AttributeValue::N(value.as_str()?.to_owned())),
        "BOOL" => Some(AttributeValue::Bool(value.as_bool()?)),
        "B" => {
            let bytes = data_encoding::BASE64.decode(value.as_str()?.as_bytes()).ok()?;
            Some(AttributeValue::B(Blob::new(bytes)))
        }
        _ => None,
    }
}

fn text(request: &Value, field: &str) -> Option<String> {
    request[field].as_str().map(str::to_owned)
}
