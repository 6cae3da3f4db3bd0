//! API keys on the table of messages. How their records are laid out is [`revisions`](crate::revisions)'s; beside the
//! record stands `last_used_at` (N, milliseconds since 1970), which is written on its own and never read before a write.

use async_trait::async_trait;
use relay_core::access::{KeyId, KeyRecord};
use relay_core::ports::{Cursor, Keys, Page, PortError, RevisionWritten, StoredKey};
use relay_core::time::Timestamp;

use crate::Clients;
use crate::change::{Item, PARTITION, changed, number};
use crate::revisions::{Revised, Revisions, key};

const NOTE: &str = "noting the use of an API key";
const LAST_USED_AT: &str = "last_used_at";

impl Revised for KeyRecord {
    const KIND: &'static str = "KEYS";
    const ACTIONS: [&'static str; 3] =
        ["reading an API key", "writing an API key", "listing the API keys"];

    fn name(&self) -> &str {
        self.id.as_str()
    }

    fn revision(&self) -> (u64, &str) {
        (self.revision, &self.write_id)
    }
}

/// The API keys in one DynamoDB table.
///
/// Calls `dynamodb:GetItem`, `dynamodb:UpdateItem` and `dynamodb:Query` on the table.
#[derive(Debug, Clone)]
pub struct DynamoKeys {
    records: Revisions<KeyRecord>,
}

impl DynamoKeys {
    /// The keys in `table`.
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self { records: Revisions::new(clients, table) }
    }

    /// Lists no more than `items` keys a page.
    #[must_use]
    pub fn with_short_pages(self, items: u16) -> Self {
        Self { records: self.records.with_short_pages(items) }
    }
}

#[async_trait]
impl Keys for DynamoKeys {
    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, PortError> {
        Ok(self.records.find(id.as_str()).await?.map(stored))
    }

    async fn write(&self, record: &KeyRecord) -> Result<RevisionWritten<KeyRecord>, PortError> {
        self.records.write(record).await
    }

    async fn list(&self, after: Option<&Cursor>) -> Result<Page<StoredKey>, PortError> {
        let page = self.records.list(after).await?;
        Ok(Page { items: page.items.into_iter().map(stored).collect(), next: page.next })
    }

    async fn note_use(&self, id: &KeyId, at: Timestamp) -> Result<(), PortError> {
        let update = self
            .records
            .client
            .update_item()
            .table_name(&self.records.table)
            .set_key(Some(key::<KeyRecord>(id.as_str())))
            .update_expression("SET #used = :at")
            .condition_expression(
                "attribute_exists(#pk) AND (attribute_not_exists(#used) OR #used < :at)",
            )
            .expression_attribute_names("#pk", PARTITION)
            .expression_attribute_names("#used", LAST_USED_AT)
            .expression_attribute_values(":at", number(at.as_millis()));
        // Refused is as good as done: a later use is noted, or there is no such key.
        changed(NOTE, update).await.map(drop)
    }
}

fn stored((record, item): (KeyRecord, Item)) -> StoredKey {
    let used = item.get(LAST_USED_AT).and_then(|at| at.as_n().ok()?.parse().ok());
    StoredKey { record, last_used_at: used.map(Timestamp::from_millis) }
}
