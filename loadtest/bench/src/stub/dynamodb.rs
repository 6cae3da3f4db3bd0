//! Answers as DynamoDB gives them, and the items they are about.
//!
//! Of conditions it knows one: a MESSAGE is inserted if there is none. States are written as they come.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::sizes::{item_bytes, write_units};
use super::statement;
use super::{Answer, Shared, json as ok, locked, with_status};

type Item = Map<String, Value>;

/// Partition key of the items that say how a sender's deliveries are signed.
const SIGNING: &str = "SIGNING#";
/// What a refused condition is called.
const REFUSED: &str = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";

/// The items of the table.
#[derive(Debug, Default)]
pub struct Table {
    items: HashMap<(String, String), Item>,
    /// How often a record of a message was inserted by each acceptance. More than one acceptance of one id is a
    /// broken promise.
    inserted: HashMap<String, Vec<String>>,
    signing: Option<Value>,
    is_canned: bool,
}

impl Table {
    /// Forgets all messages.
    pub fn forget(&mut self) {
        self.items.clear();
        self.inserted.clear();
    }

    /// From now on every sender's deliveries are signed by a version that is described by `record`.
    pub fn sign(&mut self, record: &Value) {
        self.signing = Some(record.clone());
    }

    /// From now on every write succeeds and nothing is kept, so that all answers take the same time.
    pub fn can(&mut self) {
        self.forget();
        self.is_canned = true;
    }

    /// Ids of messages that were recorded, each with the acceptances that did it.
    #[must_use]
    pub const fn inserted(&self) -> &HashMap<String, Vec<String>> {
        &self.inserted
    }

    fn keep(&mut self, item: Item) {
        if !self.is_canned {
            self.items.insert(key_of(&item), item);
        }
    }

    /// Inserts a record; the one that is there if there is one.
    fn insert(&mut self, item: Item) -> Result<(), Item> {
        if self.is_canned {
            return Ok(());
        }
        let key = key_of(&item);
        if let Some(old) = self.items.get(&key) {
            return Err(old.clone());
        }
        let acceptance = text(&item, "accepted_id");
        self.inserted.entry(key.0.clone()).or_default().push(acceptance);
        self.items.insert(key, item);
        Ok(())
    }
}

/// The answer to `operation`. Of a batch, the last statement fails if it is to be carried out but partly.
pub(super) fn answer(operation: &str, body: &[u8], is_partly: bool, shared: &Shared) -> Answer {
    let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
    match operation {
        "PutItem" => put(object(&mut request, "Item"), shared),
        "UpdateItem" => update(&mut request, shared),
        "GetItem" => get(&mut request, shared),
        "BatchExecuteStatement" => batch(&mut request, is_partly, shared),
        _ => ok(&json!({})),
    }
}

fn put(item: Item, shared: &Shared) -> Answer {
    let units = write_units(item_bytes(&item));
    shared.counters.with(|counts| counts.write_units += units);
    let mut table = locked(&shared.table);
    if text(&item, "sk") == "MESSAGE" {
        return match table.insert(item) {
            Ok(()) => ok(&json!({})),
            Err(old) => refused(old),
        };
    }
    table.keep(item);
    ok(&json!({}))
}

/// Sets what the expression sets; what it adds to is one more than it was.
fn update(request: &mut Value, shared: &Shared) -> Answer {
    let key = object(request, "Key");
    let names = object(request, "ExpressionAttributeNames");
    let values = object(request, "ExpressionAttributeValues");
    let expression = request["UpdateExpression"].as_str().unwrap_or_default();
    let sets = expression.strip_prefix("SET ").unwrap_or(expression);
    let sets = sets.split(" REMOVE ").next().unwrap_or_default();
    let mut table = locked(&shared.table);
    let item = table.items.entry(key_of(&key)).or_insert(key);
    for part in sets.split(", ") {
        let Some((name, value)) = part.split_once(" = ") else { continue };
        let name = names.get(name).and_then(Value::as_str).unwrap_or(name);
        if let Some(value) = values.get(value) {
            item.insert(name.to_owned(), value.clone());
        } else if value.starts_with("if_not_exists") {
            let before = item.get(name).and_then(|value| value["N"].as_str()?.parse().ok());
            item.insert(name.to_owned(), json!({"N": (before.unwrap_or(0_u64) + 1).to_string()}));
        }
    }
    let units = write_units(item_bytes(item));
    shared.counters.with(|counts| counts.write_units += units);
    let answer = ok(&json!({"Attributes": item}));
    if table.is_canned {
        table.items.clear();
    }
    answer
}

fn get(request: &mut Value, shared: &Shared) -> Answer {
    shared.counters.with(|counts| counts.read_units += 1.0);
    let key = object(request, "Key");
    let table = locked(&shared.table);
    if text(&key, "pk").starts_with(SIGNING)
        && let Some(record) = &table.signing
    {
        let mut record = record.clone();
        record["sender"] = json!(text(&key, "sk"));
        let item = json!({
            "pk": key["pk"], "sk": key["sk"], "revision": {"N": "1"}, "write_id": {"S": "w"},
            "record": {"S": record.to_string()},
        });
        return ok(&json!({"Item": item}));
    }
    match table.items.get(&key_of(&key)) {
        Some(item) => ok(&json!({"Item": item})),
        None => ok(&json!({})),
    }
}

fn batch(request: &mut Value, is_partly: bool, shared: &Shared) -> Answer {
    let statements = request["Statements"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let last = statements.len().saturating_sub(1);
    let mut table = locked(&shared.table);
    let mut units = 0.0;
    let answers: Vec<Value> = statements
        .into_iter()
        .enumerate()
        .map(|(number, statement)| {
            if is_partly && number == last {
                return json!({"Error": {"Code": "ThrottlingError", "Message": "a fault"}});
            }
            let item = statement::inserted(&statement);
            units += write_units(item_bytes(&item));
            let is_message = text(&item, "sk") == "MESSAGE";
            let is_there = table.items.contains_key(&key_of(&item));
            if is_there {
                let error = json!({"Code": "DuplicateItem", "Message": "it is there"});
                return json!({"Error": error, "TableName": "messages"});
            }
            if is_message {
                // Looked for just now.
                let _ = table.insert(item);
            } else {
                table.keep(item);
            }
            json!({"TableName": "messages"})
        })
        .collect();
    shared.counters.with(|counts| counts.write_units += units);
    ok(&json!({"Responses": answers}))
}

fn refused(old: Item) -> Answer {
    let text = json!({"__type": REFUSED, "message": "it is there", "Item": old}).to_string();
    with_status(StatusCode::BAD_REQUEST, "application/x-amz-json-1.0", text)
}

fn object(request: &mut Value, field: &str) -> Item {
    match request.get_mut(field).map(Value::take) {
        Some(Value::Object(object)) => object,
        Some(_) | None => Item::new(),
    }
}

fn key_of(item: &Item) -> (String, String) {
    (text(item, "pk"), text(item, "sk"))
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value["S"].as_str()).unwrap_or_default().to_owned()
}
