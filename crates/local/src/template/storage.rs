//! Reads what keeps data: SQS queues, DynamoDB tables, S3 buckets.
//!
//! Not simulated, knowingly: encryption, backups, tags, public access blocks (nothing is public here).

use serde_json::{Value as Json, json};

use super::description::{Bucket, Expiration, Queue, Redrive, Table};
use super::names::{Kind, Names};
use super::properties::Properties;

/// SQS's default visibility timeout, where the template says none.
const VISIBILITY_TIMEOUT_SECONDS_DEFAULT: u32 = 30;
/// SQS's default retention: four days.
const MESSAGE_RETENTION_SECONDS_DEFAULT: u32 = 345_600;
/// SQS's default and largest message, 1 MiB.
const MESSAGE_BYTES_DEFAULT: u32 = 1_048_576;

/// Reads an `AWS::SQS::Queue`.
pub(super) fn read_queue(
    logical_id: &str,
    mut properties: Properties<'_>,
    names: &Names<'_>,
) -> Queue {
    let name = names.name(logical_id).unwrap_or_default().to_owned();
    let mut redrive = None;
    if let Some(mut policy) = properties.nested("RedrivePolicy") {
        let dead_letter_queue_arn = policy.required_text("deadLetterTargetArn");
        if names.logical_id_of(Kind::Queue, &dead_letter_queue_arn).is_none() {
            policy.refuse("deadLetterTargetArn", "names no queue of this template");
        }
        let maximum_receive_count = policy.number("maxReceiveCount");
        if maximum_receive_count.is_none() {
            policy.refuse("maxReceiveCount", "is missing");
        }
        policy.finish();
        redrive = maximum_receive_count
            .map(|maximum_receive_count| Redrive { dead_letter_queue_arn, maximum_receive_count });
    }
    let queue = Queue {
        logical_id: logical_id.to_owned(),
        arn: names.arn(Kind::Queue, &name),
        name,
        visibility_timeout_seconds: properties
            .number("VisibilityTimeout")
            .unwrap_or(VISIBILITY_TIMEOUT_SECONDS_DEFAULT),
        message_retention_seconds: properties
            .number("MessageRetentionPeriod")
            .unwrap_or(MESSAGE_RETENTION_SECONDS_DEFAULT),
        receive_wait_seconds: properties.number("ReceiveMessageWaitTimeSeconds").unwrap_or(0),
        delay_seconds: properties.number("DelaySeconds").unwrap_or(0),
        maximum_message_bytes: properties
            .number("MaximumMessageSize")
            .unwrap_or(MESSAGE_BYTES_DEFAULT),
        redrive,
    };
    properties.not_simulated(&["KmsMasterKeyId", "QueueName", "SqsManagedSseEnabled", "Tags"]);
    properties.finish();
    queue
}

/// Reads an `AWS::DynamoDB::Table`. CloudFormation's property names are those of CreateTable, so what
/// is read here is handed on as that request.
pub(super) fn read_table(
    logical_id: &str,
    mut properties: Properties<'_>,
    names: &Names<'_>,
) -> Table {
    let name = names.name(logical_id).unwrap_or_default().to_owned();
    let mut create_request = json!({ "TableName": name });
    for key in ["AttributeDefinitions", "KeySchema"] {
        match properties.take(key) {
            Some(value) => create_request[key] = value,
            None => properties.refuse(key, "is missing"),
        }
    }
    for key in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if let Some(value) = properties.take(key) {
            create_request[key] = value;
        }
    }
    match properties.text("BillingMode").as_deref() {
        Some("PAY_PER_REQUEST") => create_request["BillingMode"] = Json::from("PAY_PER_REQUEST"),
        _ => properties.refuse("BillingMode", "is not PAY_PER_REQUEST: capacity is not simulated"),
    }
    let mut time_to_live_attribute = None;
    if let Some(mut time_to_live) = properties.nested("TimeToLiveSpecification") {
        let attribute = time_to_live.required_text("AttributeName");
        if time_to_live.flag("Enabled") == Some(true) {
            time_to_live_attribute = Some(attribute);
        }
        time_to_live.finish();
    }
    properties.not_simulated(&[
        "ContributorInsightsSpecification",
        "DeletionProtectionEnabled",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "TableName",
        "Tags",
        "WarmThroughput",
    ]);
    properties.finish();
    Table { logical_id: logical_id.to_owned(), name, create_request, time_to_live_attribute }
}

/// Reads an `AWS::S3::Bucket`.
pub(super) fn read_bucket(
    logical_id: &str,
    mut properties: Properties<'_>,
    names: &Names<'_>,
) -> Bucket {
    let mut lifecycle = Vec::new();
    if let Some(mut configuration) = properties.nested("LifecycleConfiguration") {
        configuration.each("Rules", |rule| lifecycle.extend(read_rule(rule)));
        configuration.finish();
    }
    properties.not_simulated(&[
        "BucketEncryption",
        "BucketName",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "Tags",
    ]);
    properties.finish();
    Bucket {
        logical_id: logical_id.to_owned(),
        name: names.name(logical_id).unwrap_or_default().to_owned(),
        lifecycle,
    }
}

fn read_rule(mut rule: Properties<'_>) -> Option<Expiration> {
    let prefix = rule.text("Prefix").unwrap_or_default();
    let days = rule.number("ExpirationInDays");
    let enabled = rule.required_text("Status") == "Enabled";
    // Unfinished multipart uploads take no part in what the relay reads.
    rule.not_simulated(&["AbortIncompleteMultipartUpload", "Id"]);
    rule.finish();
    enabled.then_some(days?).map(|days| Expiration { prefix, days })
}
