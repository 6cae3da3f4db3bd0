//! The breakers of destinations on the table of messages.
//!
//! | attribute | type | what |
//! |---|---|---|
//! | `pk` | S | `DEST#` and the destination: scheme, host and port |
//! | `sk` | S | `BREAKER` |
//! | `version` | N | what the next write is conditional on |
//! | `write_id` | S | by which a repeated write recognises itself |
//! | `breaker` | S | all of it, a JSON object |
//! | `expires_at_ms`, `expires_at` | N | as in every other item |
//!
//! An item that cannot be read counts as absent: whoever opens the breaker anew replaces it. A destination would
//! otherwise have no breaker until somebody found and removed it.
//!
//! Decides nothing else: what is written comes from `relay_core::breaker`.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use relay_core::breaker::Breaker;
use relay_core::ports::{BreakerWritten, Breakers, PortError};
use relay_core::time::Timestamp;

use crate::Clients;
use crate::change::{Item, PARTITION, SORT, number, text};
use crate::error::{failed, unavailable};

const READ: &str = "reading a breaker";
const WRITE: &str = "writing a breaker";
const VERSION: &str = "version";
const BREAKER: &str = "breaker";
const EXPIRES_AT_MS: &str = "expires_at_ms";

/// The breakers of destinations on one DynamoDB table.
///
/// Calls `dynamodb:GetItem` and `dynamodb:PutItem` on the table.
#[derive(Debug, Clone)]
pub struct DynamoBreakers {
    client: Client,
    table: String,
}

impl DynamoBreakers {
    /// The breakers in `table`.
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self { client: clients.dynamodb.clone(), table: table.into() }
    }
}

#[async_trait]
impl Breakers for DynamoBreakers {
    async fn read(&self, destination: &str, now: Timestamp) -> Result<Option<Breaker>, PortError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(destination)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable(READ, &error))?;
        let breaker = answer.item.and_then(|item| parse(destination, &item));
        Ok(breaker.filter(|breaker| now < breaker.expires_at()))
    }

    async fn write(
        &self,
        destination: &str,
        breaker: &Breaker,
    ) -> Result<BreakerWritten, PortError> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(item(destination, breaker)?));
        let first = breaker.version == 1;
        let put = if first {
            put.condition_expression("attribute_not_exists(#pk) OR #end <= :now")
                .expression_attribute_names("#pk", PARTITION)
                .expression_attribute_names("#end", EXPIRES_AT_MS)
                .expression_attribute_values(":now", number(breaker.written_at.as_millis()))
        } else {
            put.condition_expression("#version = :before")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":before", number(breaker.version - 1))
        };
        let Some(found) = refusal(put).await? else { return Ok(BreakerWritten::Done) };
        let found = match (parse(destination, &found), found.get(BREAKER)) {
            (None, unreadable) if first && !found.is_empty() => {
                let put = self.client.put_item().table_name(&self.table);
                let put = put.set_item(Some(item(destination, breaker)?));
                let put = put.expression_attribute_names("#breaker", BREAKER);
                let put = match unreadable {
                    Some(value) => put
                        .condition_expression("#breaker = :unreadable")
                        .expression_attribute_values(":unreadable", value.clone()),
                    None => put.condition_expression("attribute_not_exists(#breaker)"),
                };
                let Some(found) = refusal(put).await? else { return Ok(BreakerWritten::Done) };
                parse(destination, &found)
            }
            (found, _) => found,
        };
        let is_own = found.as_ref().is_some_and(|found| {
            (found.version, &found.write_id) == (breaker.version, &breaker.write_id)
        });
        Ok(if is_own { BreakerWritten::Done } else { BreakerWritten::Changed(found) })
    }
}

/// Puts an item on a condition. What is there instead if the condition does not hold (no attributes if nothing
/// is); nothing if it was put.
async fn refusal(put: PutItemFluentBuilder) -> Result<Option<Item>, PortError> {
    let put =
        put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match put.send().await {
        Ok(_) => Ok(None),
        Err(error) => match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(Some(refusal.item.clone().unwrap_or_default()))
            }
            Some(_) | None => Err(unavailable(WRITE, &error)),
        },
    }
}

fn key(destination: &str) -> Item {
    HashMap::from([
        (PARTITION.to_owned(), text(format!("DEST#{destination}"))),
        (SORT.to_owned(), text("BREAKER")),
    ])
}

fn item(destination: &str, breaker: &Breaker) -> Result<Item, PortError> {
    let json = serde_json::to_string(breaker);
    let json = json.map_err(|error| failed(WRITE, &error.to_string()))?;
    let end = breaker.expires_at().as_millis();
    let mut item = key(destination);
    for (name, value) in [
        (VERSION, number(breaker.version)),
        ("write_id", text(breaker.write_id.as_str())),
        (BREAKER, text(json)),
        (EXPIRES_AT_MS, number(end)),
        ("expires_at", number(end.div_ceil(1000))),
    ] {
        item.insert(name.to_owned(), value);
    }
    Ok(item)
}

/// The breaker in an item; nothing if it cannot be read.
fn parse(destination: &str, item: &Item) -> Option<Breaker> {
    let json = item.get(BREAKER)?.as_s().ok();
    let breaker = json.and_then(|json| serde_json::from_str(json).ok());
    if breaker.is_none() {
        tracing::error!(destination, "the stored breaker cannot be read and counts as absent");
    }
    breaker
}
