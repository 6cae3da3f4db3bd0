//! Records that have revisions, on the table of messages: API keys and signing records.
//!
//! | attribute | type | what |
//! |---|---|---|
//! | `pk` | S | what kind of record it is, `#` and its shard: 0 to 15, a hash of its name |
//! | `sk` | S | its name |
//! | `revision` | N | what the next write is conditional on |
//! | `write_id` | S | by which a repeated write recognises itself |
//! | `record` | S | all of it, a JSON object |
//!
//! A kind may have attributes of its own beside these; a write leaves them alone. The items never expire.
//!
//! Decides nothing: what is written comes from `relay_core::access`.

use std::collections::HashMap;
use std::marker::PhantomData;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use relay_core::ports::{Cursor, Page, PortError, RevisionWritten};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Clients;
use crate::change::{Item, PARTITION, SORT, changed, number, text};
use crate::error::{failed, unavailable};

/// Parts of each kind. They are written rarely; a list reads them one after the other.
const SHARDS: u8 = 16;
/// Most records on a page: some hundred kilobytes at the most.
const PAGE_ITEMS_MAX: usize = 100;

const REVISION: &str = "revision";
const WRITE_ID: &str = "write_id";
const RECORD: &str = "record";

/// A kind of record.
pub(crate) trait Revised: Serialize + DeserializeOwned {
    /// What its partition keys begin with.
    const KIND: &'static str;
    /// What reading, writing and listing it are called in errors.
    const ACTIONS: [&'static str; 3];

    /// What it is found by. It has no `/` in it.
    fn name(&self) -> &str;
    /// Its revision, and who wrote it.
    fn revision(&self) -> (u64, &str);
}

/// The records of a kind in a table. Calls `dynamodb:GetItem`, `dynamodb:UpdateItem` and `dynamodb:Query` on it.
#[derive(Debug, Clone)]
pub(crate) struct Revisions<R> {
    pub(crate) client: Client,
    pub(crate) table: String,
    page_items_max: usize,
    kind: PhantomData<fn() -> R>,
}

impl<R: Revised> Revisions<R> {
    pub(crate) fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self {
            client: clients.dynamodb.clone(),
            table: table.into(),
            page_items_max: PAGE_ITEMS_MAX,
            kind: PhantomData,
        }
    }

    pub(crate) fn with_short_pages(self, items: u16) -> Self {
        Self { page_items_max: usize::from(items.max(1)), ..self }
    }

    /// The item of this name and the record in it.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<(R, Item)>, PortError> {
        let [read, ..] = R::ACTIONS;
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key::<R>(name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable(read, &error))?;
        answer.item.map(|item| Ok((parse::<R>(read, name, &item)?, item))).transpose()
    }

    pub(crate) async fn write(&self, record: &R) -> Result<RevisionWritten<R>, PortError> {
        let [_, write, _] = R::ACTIONS;
        let (revision, write_id) = record.revision();
        let json =
            serde_json::to_string(record).map_err(|error| failed(write, &error.to_string()))?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::<R>(record.name())))
            .update_expression(
                "SET #record = :record, #revision = :revision, #write_id = :write_id",
            )
            .expression_attribute_names("#record", RECORD)
            .expression_attribute_names("#revision", REVISION)
            .expression_attribute_names("#write_id", WRITE_ID)
            .expression_attribute_values(":record", text(json))
            .expression_attribute_values(":revision", number(revision))
            .expression_attribute_values(":write_id", text(write_id));
        let update = match revision.checked_sub(1) {
            Some(0) => update
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PARTITION),
            before => update
                .condition_expression("#revision = :before")
                .expression_attribute_values(":before", number(before.unwrap_or_default())),
        };
        let Err(found) = changed(write, update).await? else { return Ok(RevisionWritten::Done) };
        if found.is_empty() {
            return Ok(RevisionWritten::Changed(None));
        }
        let is_own = found.get(REVISION) == Some(&number(revision))
            && found.get(WRITE_ID) == Some(&text(write_id));
        if is_own {
            return Ok(RevisionWritten::Done);
        }
        parse(write, record.name(), &found).map(|found| RevisionWritten::Changed(Some(found)))
    }

    /// One page, filled from one shard after the other. An item that cannot be read is left out: whoever lists the
    /// others needs them.
    pub(crate) async fn list(&self, after: Option<&Cursor>) -> Result<Page<(R, Item)>, PortError> {
        let [.., list] = R::ACTIONS;
        let unknown = || failed(list, "the cursor is not one of this store");
        let (first, mut last) = match after {
            None => (0, None),
            Some(cursor) => place(cursor).ok_or_else(unknown)?,
        };
        let mut items = Vec::new();
        for shard in first..SHARDS {
            let room = self.page_items_max.saturating_sub(items.len());
            if room == 0 {
                return Ok(Page { items: readable(items), next: Some(cursor(shard, "")) });
            }
            let (found, rest) = self.query(shard, last.take(), room).await?;
            items.extend(found);
            if let Some(name) = rest {
                return Ok(Page { items: readable(items), next: Some(cursor(shard, &name)) });
            }
        }
        Ok(Page { items: readable(items), next: None })
    }

    /// Up to `room` items of a shard after the one named `last`, and the name of the last of them if more may follow.
    async fn query(
        &self,
        shard: u8,
        last: Option<String>,
        room: usize,
    ) -> Result<(Vec<Item>, Option<String>), PortError> {
        let [.., list] = R::ACTIONS;
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :shard")
            .expression_attribute_names("#pk", PARTITION)
            .expression_attribute_values(":shard", text(partition::<R>(shard)))
            .set_exclusive_start_key(last.map(|name| key_in::<R>(shard, &name)))
            .consistent_read(true)
            .limit(i32::try_from(room).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| unavailable(list, &error))?;
        let rest = answer.last_evaluated_key.and_then(|mut key| match key.remove(SORT) {
            Some(AttributeValue::S(name)) => Some(name),
            _ => None,
        });
        Ok((answer.items.unwrap_or_default(), rest))
    }
}

fn readable<R: Revised>(items: Vec<Item>) -> Vec<(R, Item)> {
    let [.., list] = R::ACTIONS;
    let read = |item: Item| {
        let name = item.get(SORT).and_then(|name| name.as_s().ok()).cloned().unwrap_or_default();
        match parse(list, &name, &item) {
            Ok(record) => Some((record, item)),
            Err(error) => {
                tracing::error!(
                    record_kind = R::KIND,
                    record_name = name,
                    %error,
                    "a record is left out of the list"
                );
                None
            }
        }
    };
    items.into_iter().filter_map(read).collect()
}

/// The record in an item that was found under `name`.
fn parse<R: Revised>(action: &'static str, name: &str, item: &Item) -> Result<R, PortError> {
    let corrupt = |reason: &str| PortError::Corrupt { action, reason: reason.to_owned() };
    let json = item.get(RECORD).and_then(|record| record.as_s().ok());
    let json = json.ok_or_else(|| corrupt("the item has no record"))?;
    let record: R = serde_json::from_str(json).map_err(|error| corrupt(&error.to_string()))?;
    if record.name() != name {
        return Err(corrupt("the record is another one's"));
    }
    Ok(record)
}

pub(crate) fn key<R: Revised>(name: &str) -> Item {
    key_in::<R>(shard(name), name)
}

fn key_in<R: Revised>(shard: u8, name: &str) -> Item {
    HashMap::from([
        (PARTITION.to_owned(), text(partition::<R>(shard))),
        (SORT.to_owned(), text(name)),
    ])
}

fn partition<R: Revised>(shard: u8) -> String {
    format!("{}#{shard}", R::KIND)
}

/// Which part a name belongs to. What is stored goes by it, so that it can never change (FNV-1a, folded).
fn shard(name: &str) -> u8 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let [a, b, c, d] = name.bytes().fold(0x811c_9dc5, step).to_be_bytes();
    (a ^ b ^ c ^ d) % SHARDS
}

/// Where a page begins: a shard, and the name after which; no name is the shard's beginning.
fn cursor(shard: u8, name: &str) -> Cursor {
    Cursor(format!("{shard}/{name}"))
}

fn place(cursor: &Cursor) -> Option<(u8, Option<String>)> {
    let (shard, name) = cursor.0.split_once('/')?;
    let shard = shard.parse().ok().filter(|shard| *shard < SHARDS)?;
    Some((shard, (!name.is_empty()).then(|| name.to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Records are found by these: a change would lose every key that was ever made.
    #[test]
    fn a_name_stays_in_its_shard() {
        let names = ["", "billing", "aeaqcaibaeaqcaib", "STATE"];
        assert_eq!(names.map(shard), [5, 13, 2, 3]);
    }

    #[test]
    fn names_that_are_alike_are_in_all_shards() {
        let shards: std::collections::BTreeSet<_> =
            (0..200).map(|number| shard(&format!("sender-{number}"))).collect();
        assert_eq!(shards, (0..SHARDS).collect());
    }

    #[test]
    fn a_cursor_is_read_back_and_no_other_text_is_read() {
        for (shard, name) in [(0, ""), (15, "a_b-C"), (7, "a/b")] {
            let read = place(&cursor(shard, name)).unwrap();
            assert_eq!(read, (shard, (!name.is_empty()).then(|| name.to_owned())));
        }
        for text in ["", "a", "1", "16/a", "-1/", "+1 /", "0x1/"] {
            assert_eq!(place(&Cursor(text.to_owned())), None, "{text}");
        }
    }
}
