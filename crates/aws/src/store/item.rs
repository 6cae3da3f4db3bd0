//! Attributes of items: their names, and reading them with errors that say what is wrong where.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use relay_core::ports::PortError;
use relay_core::time::Timestamp;
use serde::de::DeserializeOwned;

/// An item as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;
/// An item that is to be written, its key first.
pub(super) type Attributes = Vec<(&'static str, AttributeValue)>;

/// The attributes as an item.
pub(super) fn item(attributes: Attributes) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What the attributes weigh as DynamoDB counts an item, in bytes: names and values. Digits count for half, and a
/// number for one more.
pub(super) fn bytes(attributes: &Attributes) -> usize {
    let weight = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // Nothing else is written but true and false.
        _ => 1,
    };
    attributes.iter().map(|(name, value)| name.len() + weight(value)).sum()
}

/// The names of the attributes; the module's header says what they hold.
pub(super) mod name {
    pub(in crate::store) const PARTITION: &str = "pk";
    pub(in crate::store) const SORT: &str = "sk";
    pub(in crate::store) const ACCEPTED_ID: &str = "accepted_id";
    pub(in crate::store) const EXPIRES_AT: &str = "expires_at";
    pub(in crate::store) const EXPIRES_AT_MS: &str = "expires_at_ms";
    pub(in crate::store) const SENDER_ID: &str = "sender_id";
    pub(in crate::store) const MESSAGE_ID: &str = "message_id";
    pub(in crate::store) const TARGET: &str = "target";
    pub(in crate::store) const METHOD: &str = "method";
    pub(in crate::store) const HEADERS: &str = "headers";
    pub(in crate::store) const BODY: &str = "body";
    pub(in crate::store) const BODY_STORED: &str = "body_stored";
    pub(in crate::store) const BODY_UNRETAINED: &str = "body_unretained";
    pub(in crate::store) const FINGERPRINT: &str = "fingerprint";
    pub(in crate::store) const TIMESTAMP: &str = "timestamp";
    pub(in crate::store) const CORRELATION_ID: &str = "correlation_id";
    pub(in crate::store) const CREATED_AT: &str = "created_at";
    pub(in crate::store) const STATUS: &str = "status";
    pub(in crate::store) const GENERATION: &str = "generation";
    pub(in crate::store) const GENERATION_STARTED_AT: &str = "generation_started_at";
    pub(in crate::store) const ATTEMPTS: &str = "attempts";
    pub(in crate::store) const OUTCOMES: &str = "outcomes";
    pub(in crate::store) const UPDATED_AT: &str = "updated_at";
    pub(in crate::store) const LAST_LEASE_ID: &str = "last_lease_id";
    pub(in crate::store) const LEASE_ID: &str = "lease_id";
    pub(in crate::store) const LEASE_UNTIL: &str = "lease_until";
    pub(in crate::store) const NOT_BEFORE: &str = "not_before";
    pub(in crate::store) const REASON: &str = "reason";
    pub(in crate::store) const BURIED: &str = "buried";
    pub(in crate::store) const DEAD_SHARD: &str = "dead_shard";
    pub(in crate::store) const DEAD_AT: &str = "dead_at";
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number.
pub(super) fn number(number: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// A point in time, in milliseconds since 1970.
pub(super) fn time(time: Timestamp) -> AttributeValue {
    number(time.as_millis())
}

/// When DynamoDB may remove an item that ends at `end`: in seconds, never before the end.
pub(super) fn removal_time(end: Timestamp) -> AttributeValue {
    number(end.as_millis().div_ceil(1000))
}

/// Reads the attributes of one item for `action`.
pub(super) struct Reader<'item> {
    action: &'static str,
    item: &'item Item,
}

impl<'item> Reader<'item> {
    pub(super) fn new(action: &'static str, item: &'item Item) -> Self {
        Self { action, item }
    }

    /// The error that `attribute` is not what it must be.
    pub(super) fn corrupt(&self, attribute: &str, expected: &str) -> PortError {
        let sort = match self.item.get(name::SORT) {
            Some(AttributeValue::S(sort)) => sort.as_str(),
            Some(_) | None => "an item without a sort key",
        };
        let reason = format!("{attribute} of {sort} must be {expected}");
        PortError::Corrupt { action: self.action, reason }
    }

    pub(super) fn has(&self, attribute: &str) -> bool {
        self.item.contains_key(attribute)
    }

    pub(super) fn text(&self, attribute: &str) -> Result<&'item str, PortError> {
        match self.item.get(attribute) {
            Some(AttributeValue::S(text)) => Ok(text),
            Some(_) | None => Err(self.corrupt(attribute, "a text")),
        }
    }

    pub(super) fn number(&self, attribute: &str) -> Result<u64, PortError> {
        match self.item.get(attribute) {
            Some(AttributeValue::N(digits)) => digits.parse().ok(),
            Some(_) | None => None,
        }
        .ok_or_else(|| self.corrupt(attribute, "a whole number"))
    }

    /// A number that is small by its nature, such as a count.
    pub(super) fn count(&self, attribute: &str) -> Result<u32, PortError> {
        u32::try_from(self.number(attribute)?)
            .map_err(|_| self.corrupt(attribute, "a number below 2^32"))
    }

    pub(super) fn time(&self, attribute: &str) -> Result<Timestamp, PortError> {
        self.number(attribute).map(Timestamp::from_millis)
    }

    pub(super) fn boolean(&self, attribute: &str) -> Result<bool, PortError> {
        match self.item.get(attribute) {
            Some(AttributeValue::Bool(value)) => Ok(*value),
            Some(_) | None => Err(self.corrupt(attribute, "true or false")),
        }
    }

    pub(super) fn bytes(&self, attribute: &str) -> Result<&'item [u8], PortError> {
        match self.item.get(attribute) {
            Some(AttributeValue::B(bytes)) => Ok(bytes.as_ref()),
            Some(_) | None => Err(self.corrupt(attribute, "bytes")),
        }
    }

    /// A text that `parse` takes.
    pub(super) fn parsed<T>(
        &self,
        attribute: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, PortError> {
        parse(self.text(attribute)?).ok_or_else(|| self.corrupt(attribute, expected))
    }

    /// A text of JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, attribute: &str) -> Result<T, PortError> {
        self.parsed(attribute, "the JSON that belongs there", |text| {
            serde_json::from_str(text).ok()
        })
    }
}
