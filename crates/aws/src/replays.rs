//! Requests that count once, on the table of messages.
//!
//! | attribute | type | what |
//! |---|---|---|
//! | `pk` | S | `REPLAY#` and the request |
//! | `sk` | S | `REPLAY` |
//! | `by` | S | who noted it, so that a repeated call recognises itself |
//! | `expires_at_ms`, `expires_at` | N | as in every other item |
//!
//! Decides nothing: which requests count once, and for how long, is for whoever notes them.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use relay_core::ports::{PortError, Replays};
use relay_core::time::Timestamp;

use crate::Clients;
use crate::change::{Item, PARTITION, SORT, changed, number, text};

const NOTE: &str = "noting a request that counts once";
const BY: &str = "by";
const EXPIRES_AT_MS: &str = "expires_at_ms";
const EXPIRES_AT: &str = "expires_at";

/// The notes in one DynamoDB table.
///
/// Calls `dynamodb:UpdateItem` on the table.
#[derive(Debug, Clone)]
pub struct DynamoReplays {
    client: Client,
    table: String,
}

impl DynamoReplays {
    /// The notes in `table`.
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self { client: clients.dynamodb.clone(), table: table.into() }
    }
}

#[async_trait]
impl Replays for DynamoReplays {
    async fn is_first(
        &self,
        request: &str,
        by: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, PortError> {
        let end = until.as_millis();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(request)))
            .update_expression("SET #by = :by, #end = :end, #expires_at = :expires_at")
            .condition_expression("attribute_not_exists(#pk) OR #end <= :now")
            .expression_attribute_names("#pk", PARTITION)
            .expression_attribute_names("#by", BY)
            .expression_attribute_names("#end", EXPIRES_AT_MS)
            .expression_attribute_names("#expires_at", EXPIRES_AT)
            .expression_attribute_values(":by", text(by))
            .expression_attribute_values(":end", number(end))
            .expression_attribute_values(":expires_at", number(end.div_ceil(1000)))
            .expression_attribute_values(":now", number(now.as_millis()));
        Ok(match changed(NOTE, update).await? {
            Ok(_) => true,
            Err(found) => found.get(BY) == Some(&text(by)),
        })
    }
}

fn key(request: &str) -> Item {
    HashMap::from([
        (PARTITION.to_owned(), text(format!("REPLAY#{request}"))),
        (SORT.to_owned(), text("REPLAY")),
    ])
}
