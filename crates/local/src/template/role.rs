//! Reads `AWS::IAM::Role`: what its inline policies allow.
//!
//! Roles are not enforced on one machine. Their statements are read so that a test can compare them
//! with the calls that were recorded.

use super::description::{Role, Statement};
use super::properties::Properties;

/// Reads one role. Statements with conditions, denials or managed policies are refused: a comparison
/// that ignored them would be wrong.
pub(super) fn read(logical_id: &str, mut properties: Properties<'_>) -> Role {
    let mut statements = Vec::new();
    properties.each("Policies", |mut policy| {
        if let Some(mut document) = policy.nested("PolicyDocument") {
            document.each("Statement", |statement| statements.push(read_statement(statement)));
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
    Role { logical_id: logical_id.to_owned(), statements }
}

fn read_statement(mut statement: Properties<'_>) -> Statement {
    if statement.required_text("Effect") != "Allow" {
        statement.refuse("Effect", "is not Allow");
    }
    let read =
        Statement { actions: statement.texts("Action"), resources: statement.texts("Resource") };
    statement.not_simulated(&["Sid"]);
    statement.finish();
    read
}
