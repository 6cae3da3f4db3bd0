//! Which permissions a DynamoDB call needs: the IAM actions and the tables or indexes they are
//! needed on. PartiQL statements are noted by operation alone, on every table.

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
        _ => vec![(action(operation), resource(&body))],
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
            ("ListTables", "{}", vec![("dynamodb:ListTables", "*")]),
            ("GetItem", "not json", vec![]),
        ] {
            let found = permissions(operation, body.as_bytes());
            let found: Vec<_> = found.iter().map(|(a, r)| (a.as_str(), r.as_str())).collect();
            assert_eq!(found, expected, "{operation} {body}");
        }
    }
}
