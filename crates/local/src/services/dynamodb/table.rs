//! What a table looks like: the properties of a template that the local table service honours, and
//! whether a kept table still matches them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::DynamoDbError;

/// A table to be made. Reads the properties of `AWS::DynamoDB::Table` of these names; any other
/// property is refused by name, so the caller takes out what it answers for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TableDescription {
    /// The table's name.
    pub table_name: String,
    /// Partition key, then sort key if there is one.
    pub key_schema: Vec<KeyElement>,
    /// Types of all key attributes, of the table and its indexes.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// Secondary indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub global_secondary_indexes: Vec<SecondaryIndex>,
    /// `PAY_PER_REQUEST` for on-demand; nothing is throttled here either way.
    #[serde(default = "on_demand")]
    pub billing_mode: String,
    /// When items expire, if they do.
    #[serde(default, skip_serializing)]
    pub time_to_live_specification: Option<TimeToLive>,
}

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct KeyElement {
    /// The attribute.
    pub attribute_name: String,
    /// `HASH` or `RANGE`.
    pub key_type: String,
}

/// The type of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AttributeDefinition {
    /// The attribute.
    pub attribute_name: String,
    /// `S`, `N` or `B`.
    pub attribute_type: String,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SecondaryIndex {
    /// The index's name.
    pub index_name: String,
    /// Its keys.
    pub key_schema: Vec<KeyElement>,
    /// Which attributes it copies.
    pub projection: Projection,
}

/// Which attributes an index copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Projection {
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection_type: String,
    /// The attributes of `INCLUDE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_key_attributes: Vec<String>,
}

/// The attribute by which items expire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TimeToLive {
    /// Holds a time in seconds since the Unix epoch.
    pub attribute_name: String,
    /// Whether items expire at all.
    pub enabled: bool,
}

fn on_demand() -> String {
    "PAY_PER_REQUEST".to_owned()
}

impl TableDescription {
    /// Refuses `kept`, a table as `DescribeTable` answers it, if its keys or indexes differ.
    pub(super) fn check_same(&self, kept: &Value) -> Result<(), DynamoDbError> {
        let wanted = shape(&json!(self));
        let kept = shape(kept);
        if kept == wanted {
            return Ok(());
        }
        Err(DynamoDbError::TableDiffers {
            table: self.table_name.clone(),
            kept: kept.to_string(),
            wanted: wanted.to_string(),
        })
    }
}

/// What cannot be changed in place, in one order.
fn shape(table: &Value) -> Value {
    let sorted = |list: &Value, key: &str| {
        let mut list = list.as_array().cloned().unwrap_or_default();
        list.sort_by_key(|entry| entry[key].as_str().unwrap_or_default().to_owned());
        list
    };
    let indexes: Vec<Value> = sorted(&table["GlobalSecondaryIndexes"], "IndexName")
        .iter()
        .map(|index| {
            let projection = &index["Projection"];
            let mut copied = projection["NonKeyAttributes"].as_array().cloned().unwrap_or_default();
            copied.sort_by_key(|name| name.as_str().unwrap_or_default().to_owned());
            json!({
                "IndexName": index["IndexName"],
                "KeySchema": index["KeySchema"],
                "ProjectionType": projection["ProjectionType"],
                "NonKeyAttributes": copied,
            })
        })
        .collect();
    json!({
        "KeySchema": table["KeySchema"],
        "AttributeDefinitions": sorted(&table["AttributeDefinitions"], "AttributeName"),
        "GlobalSecondaryIndexes": indexes,
    })
}
