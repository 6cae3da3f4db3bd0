//! All records at once: queries on the index of dead letters, and scans of the whole table. Reads keys and
//! what stands beside them; what it finds is for the store to read.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use relay_core::identity::RelayId;
use relay_core::lifecycle::Status;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Cursor, DeadEntry, DeadWanted, Ledger, Page, PortError, Standing};
use relay_core::time::Timestamp;

use super::expression::{Expression, all, any, named, names};
use super::item::{Item, Reader, name, number, text};
use super::state::part;
use super::table::{MESSAGE, STATE};
use crate::Clients;
use crate::error::{failed, unavailable};

/// The index of dead letters.
const INDEX: &str = "dead";

const DEAD: &str = "reading the index of dead letters";
const UNFINISHED: &str = "scanning for unfinished messages";

/// All records of one DynamoDB table at once.
///
/// Calls `dynamodb:Query` on the index `dead`, and `dynamodb:Scan` on the table. A page is what one call
/// reads: 1 MiB, unless it is told to be shorter.
#[derive(Debug, Clone)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    page_items_max: Option<i32>,
}

impl DynamoLedger {
    /// The records in `table`.
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self { client: clients.dynamodb.clone(), table: table.into(), page_items_max: None }
    }

    /// Reads no more than `items` items a page: whoever wants a few need not pay for thousands.
    #[must_use]
    pub fn with_short_pages(self, items: u16) -> Self {
        Self { page_items_max: Some(i32::from(items.max(1))), ..self }
    }
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn dead(
        &self,
        shard: u8,
        wanted: DeadWanted,
        from: Timestamp,
        until: Timestamp,
        after: Option<&Cursor>,
    ) -> Result<Page<DeadEntry>, PortError> {
        let Some(last) = until.as_millis().checked_sub(1).filter(|last| from.as_millis() <= *last)
        else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let mut expression = Expression::default();
        let condition = all(&[
            expression.equals(name::DEAD_SHARD, text(part(shard))),
            format!(
                "{} BETWEEN {} AND {}",
                name::DEAD_AT,
                expression.value(number(from.as_millis())),
                expression.value(number(last)),
            ),
        ]);
        let (filter, is_oldest_first) = match wanted {
            DeadWanted::OldestFirst => (None, true),
            DeadWanted::NewestFirst => (None, false),
            DeadWanted::Unfinished => (Some(expression.not_buried()), true),
        };
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression(condition)
            .set_filter_expression(filter)
            .set_expression_attribute_values(expression.into_values())
            .scan_index_forward(is_oldest_first)
            .set_limit(self.page_items_max)
            .set_exclusive_start_key(after.map(|cursor| start(DEAD, cursor)).transpose()?)
            .send()
            .await
            .map_err(|error| unavailable(DEAD, &error))?;
        let items = answer.items.unwrap_or_default();
        let next = answer.last_evaluated_key.map(|key| cursor(DEAD, &key)).transpose()?;
        Ok(Page { items: items.iter().filter_map(entry).collect(), next })
    }

    async fn unfinished(&self, after: Option<&Cursor>) -> Result<Page<RelayId>, PortError> {
        let mut expression = Expression::default();
        let wanted = [name::PARTITION, name::SORT, name::ACCEPTED_ID, name::STATUS];
        let projection = wanted.map(named).join(", ");
        let kinds = [MESSAGE, STATE].map(|kind| expression.value(text(kind))).join(", ");
        let names = names(&[&projection]);
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .projection_expression(projection)
            .filter_expression(format!("{} IN ({kinds})", name::SORT))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(expression.into_values())
            .set_limit(self.page_items_max)
            .set_exclusive_start_key(after.map(|cursor| start(UNFINISHED, cursor)).transpose()?)
            .send()
            .await
            .map_err(|error| unavailable(UNFINISHED, &error))?;
        let items = answer.items.unwrap_or_default();
        let next = answer.last_evaluated_key.map(|key| cursor(UNFINISHED, &key)).transpose()?;
        Ok(Page { items: unfinished_of(&items), next })
    }
}

impl Expression {
    /// The entry asks for something to be done. One that is PENDING has no mark at all.
    fn not_buried(&mut self) -> String {
        let is_pending = format!("attribute_not_exists({})", name::BURIED);
        any(&[is_pending, self.equals(name::BURIED, AttributeValue::Bool(false))])
    }
}

/// An entry of the index. What is no message's (somebody else put it there) must not hide the others: it is
/// logged. A message's entry is never left out, whatever can be read of it.
fn entry(item: &Item) -> Option<DeadEntry> {
    let reader = Reader::new(DEAD, item);
    let key = || {
        let id = reader.parsed(name::PARTITION, "a message's id", |id| RelayId::parse(id).ok())?;
        Ok::<_, PortError>((id, reader.time(name::DEAD_AT)?))
    };
    let (id, at) = key()
        .inspect_err(|error| tracing::error!(%error, "an entry that is no message's is left out"))
        .ok()?;
    let standing = standing(&reader).unwrap_or_else(|error| {
        tracing::error!(%id, %error, "an entry of the index cannot be read");
        Standing::Unreadable
    });
    Some(DeadEntry { id, at, standing })
}

fn standing(reader: &Reader<'_>) -> Result<Standing, PortError> {
    if !reader.has(name::REASON) {
        return Ok(Standing::SetGoing);
    }
    Ok(Standing::Dead {
        reason: reader.parsed(name::REASON, "a reason", DeadReason::parse)?,
        buried: reader.boolean(name::BURIED)?,
    })
}

/// What the items of one page tell of one message.
#[derive(Default)]
struct Told<'items> {
    message: Option<&'items str>,
    state: Option<(&'items str, Status)>,
}

impl Told<'_> {
    /// A message without its state on the page is not known to be final, and neither is one whose state
    /// belongs to an earlier acceptance.
    fn is_open(&self) -> bool {
        match (self.message, self.state) {
            (None, None) => false,
            (Some(_), None) => true,
            (None, Some((_, status))) => !status.is_final(),
            (Some(accepted), Some((of, status))) => accepted != of || !status.is_final(),
        }
    }
}

/// The messages on a page that are not known to be final, in no order. Items of other kinds are none.
fn unfinished_of(items: &[Item]) -> Vec<RelayId> {
    let mut told: BTreeMap<RelayId, Told<'_>> = BTreeMap::new();
    for item in items {
        let reader = Reader::new(UNFINISHED, item);
        let Ok((id, kind, accepted)) = ids(&reader) else { continue };
        let told = told.entry(id).or_default();
        if kind == MESSAGE {
            told.message = Some(accepted);
        } else {
            // A status that nobody knows is none that is known to be final.
            let status = reader.parsed(name::STATUS, "a status", Status::parse);
            told.state = Some((accepted, status.unwrap_or(Status::Pending)));
        }
    }
    told.into_iter().filter(|(_, told)| told.is_open()).map(|(id, _)| id).collect()
}

fn ids<'item>(reader: &Reader<'item>) -> Result<(RelayId, &'item str, &'item str), PortError> {
    let id = reader.parsed(name::PARTITION, "a message's id", |id| RelayId::parse(id).ok())?;
    Ok((id, reader.text(name::SORT)?, reader.text(name::ACCEPTED_ID)?))
}

/// Keys are texts and numbers: `{"pk": ["S", "msg_…"], "dead_at": ["N", "1"]}`.
fn cursor(action: &'static str, key: &Item) -> Result<Cursor, PortError> {
    let mut wire = BTreeMap::new();
    for (name, value) in key {
        let value = match value {
            AttributeValue::S(text) => ("S", text),
            AttributeValue::N(digits) => ("N", digits),
            _ => return Err(failed(action, "a key that is neither text nor number")),
        };
        wire.insert(name, value);
    }
    let text = serde_json::to_string(&wire);
    text.map(Cursor).map_err(|_| failed(action, "a key that cannot be written down"))
}

fn start(action: &'static str, cursor: &Cursor) -> Result<Item, PortError> {
    let unknown = || failed(action, "the cursor is not one of this store");
    let wire: HashMap<String, (String, String)> =
        serde_json::from_str(&cursor.0).map_err(|_| unknown())?;
    let value = |(kind, value): (String, String)| match kind.as_str() {
        "S" => Ok(AttributeValue::S(value)),
        "N" => Ok(AttributeValue::N(value)),
        _ => Err(unknown()),
    };
    wire.into_iter().map(|(name, typed)| Ok((name, value(typed)?))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use relay_core::identity::{MessageId, SenderId};

    fn id(message: &str) -> RelayId {
        RelayId::of(&SenderId::parse("s").unwrap(), &MessageId::parse(message).unwrap())
    }

    fn item(message: &str, kind: &str, accepted: &str, status: Option<&str>) -> Item {
        let mut item = HashMap::from([
            (name::PARTITION.to_owned(), text(id(message).to_string())),
            (name::SORT.to_owned(), text(kind)),
            (name::ACCEPTED_ID.to_owned(), text(accepted)),
        ]);
        item.extend(status.map(|status| (name::STATUS.to_owned(), text(status))));
        item
    }

    #[test]
    fn f43_only_what_is_known_to_be_final_is_left_out() {
        let mut other = item("other", "STATE", "a", Some("QUEUED"));
        other.insert(name::PARTITION.to_owned(), text("https://example.com"));
        let page = [
            item("alone", MESSAGE, "a", None),
            item("waiting", MESSAGE, "a", None),
            item("waiting", STATE, "a", Some("RETRYING")),
            item("dead", MESSAGE, "a", None),
            item("dead", STATE, "a", Some("DEAD")),
            item("anew", MESSAGE, "b", None),
            item("anew", STATE, "a", Some("DELIVERED")),
            item("later", STATE, "a", Some("SLEEPING")),
            item("over", STATE, "a", Some("CANCELLED")),
            other,
        ];
        let mut expected = ["alone", "waiting", "anew", "later"].map(id);
        expected.sort();
        assert_eq!(unfinished_of(&page), expected);
    }

    #[test]
    fn a_cursor_names_the_key_that_it_was_made_of() {
        let key = HashMap::from([
            ("pk".to_owned(), text("msg_a")),
            ("dead_at".to_owned(), number(7_u32)),
        ]);
        let cursor = cursor(DEAD, &key).unwrap();
        assert_eq!(cursor.0, r#"{"dead_at":["N","7"],"pk":["S","msg_a"]}"#);
        assert_eq!(start(DEAD, &cursor), Ok(key));
        assert!(start(DEAD, &Cursor("elsewhere".to_owned())).is_err());
    }

    #[test]
    fn an_entry_of_a_message_is_never_left_out() {
        let whole = HashMap::from([
            (name::PARTITION.to_owned(), text(id("1").to_string())),
            (name::DEAD_AT.to_owned(), number(7_u32)),
        ]);
        let at = Timestamp::from_millis(7);
        let of = |standing| Some(DeadEntry { id: id("1"), at, standing });
        assert_eq!(entry(&whole), of(Standing::SetGoing));
        // A later version knows more reasons than this one.
        let mut later = whole.clone();
        later.insert(name::REASON.to_owned(), text("boredom"));
        later.insert(name::BURIED.to_owned(), AttributeValue::Bool(true));
        assert_eq!(entry(&later), of(Standing::Unreadable));
        let mut odd = whole.clone();
        odd.insert(name::REASON.to_owned(), text("gone"));
        odd.insert(name::BURIED.to_owned(), text("true"));
        assert_eq!(entry(&odd), of(Standing::Unreadable));
        let mut foreign = whole;
        foreign.insert(name::PARTITION.to_owned(), text("https://example.com"));
        assert_eq!(entry(&foreign), None);
    }
}
