//! Reads `AWS::IAM::Role`: what its inline policies allow, and what they deny of it.
//!
//! Roles are not enforced on one machine. Their statements are read so that a test can compare them
//! with the calls that were recorded.

use super::description::{Denial, Role, Statement};
use super::properties::Properties;

/// The one condition that is read, of denials alone: which partition keys they are about.
const CONDITION: (&str, &str) = ("ForAnyValue:StringLike", "dynamodb:LeadingKeys");

/// Reads one role. Other conditions, other denials and managed policies are refused: a comparison that ignored
/// them would be wrong.
pub(super) fn read(logical_id: &str, mut properties: Properties<'_>) -> Role {
    let (mut statements, mut denials) = (Vec::new(), Vec::new());
    properties.each("Policies", |mut policy| {
        if let Some(mut document) = policy.nested("PolicyDocument") {
            document.each("Statement", |mut statement| {
                match statement.required_text("Effect").as_str() {
                    "Allow" => statements.push(read_statement(&mut statement)),
                    "Deny" => denials.push(read_denial(&mut statement)),
                    _ => statement.refuse("Effect", "is neither Allow nor Deny"),
                }
                statement.not_simulated(&["Sid"]);
                statement.finish();
            });
            document.not_simulated(&["Version"]);
            document.finish();
        }
        policy.not_simulated(&["PolicyName"]);
        policy.finish();
    });
    properties.not_simulated(&[
        "AssumeRolePolicyDocument",
        "Description",
        "MaxSessionDuration",
        "RoleName",
        "Tags",
    ]);
    properties.finish();
    Role { logical_id: logical_id.to_owned(), statements, denials }
}

fn read_statement(statement: &mut Properties<'_>) -> Statement {
    Statement { actions: statement.texts("Action"), resources: statement.texts("Resource") }
}

fn read_denial(statement: &mut Properties<'_>) -> Denial {
    let (operator, key) = CONDITION;
    let mut leading_keys = Vec::new();
    if let Some(mut condition) = statement.nested("Condition") {
        if let Some(mut keys) = condition.nested(operator) {
            leading_keys = keys.texts(key);
            keys.finish();
        }
        condition.finish();
    }
    if leading_keys.is_empty() {
        statement.refuse("Condition", format!("does not say which {key} the denial is about"));
    }
    Denial { of: read_statement(statement), leading_keys }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use std::collections::BTreeMap;

    use super::super::{Description, Surroundings, Template, TemplateError};

    fn describe(template: &str) -> Result<Description, TemplateError> {
        let surroundings = Surroundings {
            region: "eu-west-1".to_owned(),
            account_id: "000000000000".to_owned(),
            stack_name: "relay-local".to_owned(),
            sqs_endpoint: "http://127.0.0.1:9324".to_owned(),
        };
        Template::parse(template)?.describe(&surroundings, &BTreeMap::new())
    }

    /// A role with these statements, in YAML's flow style.
    fn role(statements: &str) -> String {
        format!(
            r#"
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies: [{{PolicyName: p, PolicyDocument: {{Version: "2012-10-17", Statement: [{statements}]}}}}]
"#
        )
    }

    #[test]
    fn what_is_denied_is_no_part_of_what_is_allowed() {
        let template = role(
            r#"{Effect: Allow, Action: "dynamodb:PutItem", Resource: t},
            {Effect: Deny, Action: "dynamodb:PutItem", Resource: t,
             Condition: {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["A#*", B]}}}"#,
        );
        let description = describe(&template).unwrap();
        let role = description.role("Role").unwrap();
        let [allowed] = role.statements.as_slice() else { panic!("{role:?}") };
        let [denied] = role.denials.as_slice() else { panic!("{role:?}") };
        assert_eq!(allowed, &denied.of);
        assert_eq!(denied.leading_keys, ["A#*", "B"]);
    }

    #[test]
    fn what_a_comparison_of_calls_could_not_know_is_refused_by_name() {
        for (statement, part) in [
            (
                r#"{Effect: Deny, Action: "sqs:SendMessage", Resource: q}"#,
                "[0].Condition: does not",
            ),
            (
                r#"{Effect: Deny, Action: a, Resource: q, Condition: {Bool: {b: "true"}}}"#,
                "[0].Condition.Bool: is not known",
            ),
            (
                r#"{Effect: Allow, Action: a, Resource: q, Condition: {Bool: {b: "true"}}}"#,
                "[0].Condition: is not known",
            ),
            ("{Effect: Perhaps, Action: a, Resource: q}", "[0].Effect: is neither Allow nor Deny"),
        ] {
            let Err(TemplateError::Refused(found)) = describe(&role(statement)) else {
                panic!("{statement} is not refused")
            };
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert!(found.iter().any(|mistake| mistake.contains(part)), "{part}: {found:#?}");
        }
    }
}
