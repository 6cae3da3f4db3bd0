//! What the person at the keyboard gets: the variables of the file to source.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use relay_core::access::ApiKey;

use super::environment::Endpoints;
use super::{DataFolder, OPERATOR_ACCESS_KEY_ID, REGION, StackError, environment_file};
use crate::services::SECRET_ACCESS_KEY;
use crate::template::Description;

/// Variables of the functions that the file to source repeats.
const RESOURCE_VARIABLES: [&str; 5] =
    ["DYNAMODB_TABLE", "SQS_QUEUE_URL", "SQS_DLQ_URL", "S3_BUCKET", "MASTER_SECRET_ID"];

/// Writes the file to source; where it is.
pub(super) fn write_environment_file(
    folder: &DataFolder,
    variables: &BTreeMap<&'static str, String>,
) -> Result<PathBuf, StackError> {
    let path = folder.join("env");
    environment_file::write(&path, variables)
        .map_err(|source| StackError::DataFolder { folder: path.clone(), source })?;
    Ok(path)
}

/// What a person's AWS CLI and SDKs need, and the relay's own clients.
pub(super) fn variables(
    description: &Description,
    endpoints: &Endpoints,
    address: SocketAddr,
    key: Option<&ApiKey>,
) -> BTreeMap<&'static str, String> {
    let mut variables = BTreeMap::from([
        ("AWS_ACCESS_KEY_ID", OPERATOR_ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoints.dynamodb.clone()),
        ("AWS_ENDPOINT_URL_SQS", endpoints.sqs.clone()),
        ("AWS_ENDPOINT_URL_S3", endpoints.s3.clone()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoints.secrets_manager.clone()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("RELAY_URL", format!("http://{address}")),
        ("RELAY_RECEIVER_URL", format!("http://{}", endpoints.receiver)),
    ]);
    variables.extend(key.map(|key| ("RELAY_API_KEY", key.reveal())));
    for name in RESOURCE_VARIABLES {
        let value =
            description.functions.iter().find_map(|function| function.environment.get(name));
        variables.extend(value.map(|value| (name, value.clone())));
    }
    // The one pair of queues between which a redrive moves messages.
    let arns = description.event_sources.iter().find_map(|source| {
        let queue = description.queues.iter().find(|queue| queue.arn == source.queue_arn)?;
        Some((queue.arn.clone(), queue.redrive.as_ref()?.dead_letter_queue_arn.clone()))
    });
    if let Some((delivery, dead_letter)) = arns {
        variables.insert("DELIVERY_QUEUE_ARN", delivery);
        variables.insert("DEAD_LETTER_QUEUE_ARN", dead_letter);
    }
    variables
}
