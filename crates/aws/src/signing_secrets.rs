//! The signing records of senders on the table of messages, laid out as [`revisions`](crate::revisions) says. They hold
//! no secret: what each version is derived from, and when it ends.

use async_trait::async_trait;
use relay_core::access::SigningRecord;
use relay_core::identity::SenderId;
use relay_core::ports::{Cursor, Page, PortError, RevisionWritten, SigningSecrets};

use crate::Clients;
use crate::revisions::{Revised, Revisions};

impl Revised for SigningRecord {
    const KIND: &'static str = "SIGNING";
    const ACTIONS: [&'static str; 3] =
        ["reading a signing record", "writing a signing record", "listing the signing records"];

    fn name(&self) -> &str {
        self.sender.as_str()
    }

    fn revision(&self) -> (u64, &str) {
        (self.revision, &self.write_id)
    }
}

/// The signing records of senders in one DynamoDB table.
///
/// Calls `dynamodb:GetItem`, `dynamodb:UpdateItem` and `dynamodb:Query` on the table.
#[derive(Debug, Clone)]
pub struct DynamoSigningSecrets {
    records: Revisions<SigningRecord>,
}

impl DynamoSigningSecrets {
    /// The records in `table`.
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self { records: Revisions::new(clients, table) }
    }

    /// Lists no more than `items` senders a page.
    #[must_use]
    pub fn with_short_pages(self, items: u16) -> Self {
        Self { records: self.records.with_short_pages(items) }
    }
}

#[async_trait]
impl SigningSecrets for DynamoSigningSecrets {
    async fn find(&self, sender: &SenderId) -> Result<Option<SigningRecord>, PortError> {
        Ok(self.records.find(sender.as_str()).await?.map(|(record, _)| record))
    }

    async fn write(
        &self,
        record: &SigningRecord,
    ) -> Result<RevisionWritten<SigningRecord>, PortError> {
        self.records.write(record).await
    }

    async fn list(&self, after: Option<&Cursor>) -> Result<Page<SigningRecord>, PortError> {
        let page = self.records.list(after).await?;
        let items = page.items.into_iter().map(|(record, _)| record).collect();
        Ok(Page { items, next: page.next })
    }
}
