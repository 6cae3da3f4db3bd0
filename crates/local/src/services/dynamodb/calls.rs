//! Which permissions a DynamoDB call needs: the IAM actions and the tables or indexes they are
//! needed on. Statements of PartiQL are looked into as far as their verb and their table.

use std::collections::BTreeSet;

use serde_json::Value;

/// IAM action and resource for each permission that `operation` with this body needs. A body that
/// cannot be read needs none: the emulator refuses it.
pub(super) fn permissions(operation: &str, body: &[u8]) -> Vec<(String, String)> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let action = |name: &str| format!("dynamodb:{name}");
    match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(table, _)| (action(operation), table_name(table))).collect()
        }
        // A transaction is allowed by the permissions of its parts.
        "TransactWriteItems" | "TransactGetItems" => {
            let parts = body["TransactItems"].as_array().into_iter().flatten();
            parts
                .filter_map(Value::as_object)
                .flatten()
                .filter_map(|(kind, part)| {
                    let name = part_action(kind)?;
                    Some((action(name), table_name(part["TableName"].as_str()?)))
                })
                .collect()
        }
        // Statements are allowed by what they do. Each permission is noted once a call.
        "BatchExecuteStatement" => statements(body["Statements"].as_array().into_iter().flatten()),
        "ExecuteTransaction" => {
            statements(body["TransactStatements"].as_array().into_iter().flatten())
        }
        "ExecuteStatement" => statements(std::iter::once(&body)),
        _ => vec![(action(operation), resource(&body))],
    }
}

fn statements<'a>(statements: impl Iterator<Item = &'a Value>) -> Vec<(String, String)> {
    let texts = statements.filter_map(|statement| statement["Statement"].as_str());
    let needed: BTreeSet<_> = texts.filter_map(statement).collect();
    needed.into_iter().collect()
}

/// The permission that one statement needs: its verb, and the table or index that it names.
fn statement(text: &str) -> Option<(String, String)> {
    let mut words = text.split_ascii_whitespace();
    let verb = words.next()?.to_ascii_uppercase();
    let (name, before) = match verb.as_str() {
        "INSERT" => ("PartiQLInsert", "INTO"),
        "SELECT" => ("PartiQLSelect", "FROM"),
        "DELETE" => ("PartiQLDelete", "FROM"),
        "UPDATE" => return Some(("dynamodb:PartiQLUpdate".to_owned(), quoted(words.next()?))),
        _ => return None,
    };
    words.find(|word| word.eq_ignore_ascii_case(before))?;
    Some((format!("dynamodb:{name}"), quoted(words.next()?)))
}

/// A table, or an index of one, as a statement names it: `"table"` or `"table"."index"`.
fn quoted(named: &str) -> String {
    let mut parts = named.split('.').map(|part| part.trim_matches('"'));
    let table = parts.next().unwrap_or_default();
    match parts.next() {
        Some(index) => format!("{table}/index/{index}"),
        None => table.to_owned(),
    }
}

fn part_action(kind: &str) -> Option<&'static str> {
    match kind {
        "Put" => Some("PutItem"),
        "Update" => Some("UpdateItem"),
        "Delete" => Some("DeleteItem"),
        "ConditionCheck" => Some("ConditionCheckItem"),
        "Get" => Some("GetItem"),
        _ => None,
    }
}

fn resource(body: &Value) -> String {
    let Some(table) = body["TableName"].as_str() else { return "*".to_owned() };
    let table = table_name(table);
    match body["IndexName"].as_str() {
        Some(index) => format!("{table}/index/{index}"),
        None => table,
    }
}

/// Tables may be named by ARN.
fn table_name(table: &str) -> String {
    table.rsplit_once(":table/").map_or(table, |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_noted_by_what_must_be_allowed() {
        for (operation, body, expected) in [
            ("GetItem", r#"{"TableName":"t"}"#, vec![("dynamodb:GetItem", "t")]),
            (
                "Query",
                r#"{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/t","IndexName":"i"}"#,
                vec![("dynamodb:Query", "t/index/i")],
            ),
            (
                "BatchWriteItem",
                r#"{"RequestItems":{"a":[],"b":[]}}"#,
                vec![("dynamodb:BatchWriteItem", "a"), ("dynamodb:BatchWriteItem", "b")],
            ),
            (
                "TransactWriteItems",
                r#"{"TransactItems":[{"Put":{"TableName":"a"}},{"ConditionCheck":{"TableName":"b"}}]}"#,
                vec![("dynamodb:PutItem", "a"), ("dynamodb:ConditionCheckItem", "b")],
            ),
            (
                "BatchExecuteStatement",
                r#"{"Statements":[{"Statement":"INSERT INTO \"t\" VALUE {'pk': ?}"},
                    {"Statement":"insert into \"t\" value {'pk': ?}"},
                    {"Statement":"SELECT * FROM \"t\".\"i\" WHERE pk = ?"},
                    {"Statement":"UPDATE \"u\" SET a = 1"},{"Statement":"DELETE FROM \"t\" WHERE pk = ?"}]}"#,
                vec![
                    ("dynamodb:PartiQLDelete", "t"),
                    ("dynamodb:PartiQLInsert", "t"),
                    ("dynamodb:PartiQLSelect", "t/index/i"),
                    ("dynamodb:PartiQLUpdate", "u"),
                ],
            ),
            (
                "ExecuteStatement",
                r#"{"Statement":"INSERT INTO \"t\" VALUE {}"}"#,
                vec![("dynamodb:PartiQLInsert", "t")],
            ),
            ("ExecuteStatement", r#"{"Statement":"nothing"}"#, vec![]),
            ("ListTables", "{}", vec![("dynamodb:ListTables", "*")]),
            ("GetItem", "not json", vec![]),
        ] {
            let found = permissions(operation, body.as_bytes());
            let found: Vec<_> = found.iter().map(|(a, r)| (a.as_str(), r.as_str())).collect();
            assert_eq!(found, expected, "{operation} {body}");
        }
    }
}
