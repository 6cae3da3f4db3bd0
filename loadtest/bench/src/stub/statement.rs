//! The item that a PartiQL `INSERT INTO "table" VALUE {'name': ?, …}` writes: names of the statement, in order, to its
//! parameters. No other statement is understood.

use serde_json::{Map, Value};

/// The item of a statement with parameters.
pub(super) fn inserted(statement: &Value) -> Map<String, Value> {
    let text = statement["Statement"].as_str().unwrap_or_default();
    let (_, names) = text.split_once('{').unwrap_or_default();
    // Every second piece between quotes is a name: values are parameters.
    let names = names.split('\'').skip(1).step_by(2).map(str::to_owned);
    let parameters = statement["Parameters"].as_array().cloned().unwrap_or_default();
    names.zip(parameters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_meet_their_parameters() {
        let statement = json!({
            "Statement": "INSERT INTO \"messages\" VALUE {'pk': ?, 'sk': ?}",
            "Parameters": [{"S": "msg_1"}, {"S": "MESSAGE"}],
        });
        let item = inserted(&statement);
        assert_eq!(Value::Object(item), json!({"pk": {"S": "msg_1"}, "sk": {"S": "MESSAGE"}}));
    }
}
