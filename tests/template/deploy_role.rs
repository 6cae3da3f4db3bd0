//! What the workflow that deploys may do to an account, by .github/deploy-role.yaml: where the two roles end, and that
//! the presets stay within. Whether they suffice is known only where they are used.

use relay_tests::{presets, read, strings};
use serde_yaml_ng::Value;

/// Where SAM keeps code, whoever's it is.
const CODE: &str = "samclisourcebucket-*";
/// The part of it that belongs to the stack.
const OWN_CODE: &str = "samclisourcebucket-*/${StackName}/*";

/// Every statement of the two roles.
fn statements() -> Vec<Value> {
    let document: Value = serde_yaml_ng::from_str(&read(".github/deploy-role.yaml")).expect("YAML");
    let roles = ["DeployRole", "ExecutionRole"].iter().flat_map(|role| {
        let policies = &document["Resources"][role]["Properties"]["Policies"];
        policies.as_sequence().expect("a list of policies").clone()
    });
    let statements = roles.flat_map(|policy| {
        let all = &policy["PolicyDocument"]["Statement"];
        all.as_sequence().expect("a list of statements").clone()
    });
    statements.collect()
}

/// Every action that is allowed, with each resource it is allowed on.
fn allowed() -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for statement in statements().iter().filter(|statement| statement["Effect"] == "Allow") {
        for action in strings(&statement["Action"]) {
            for resource in strings(&statement["Resource"]) {
                pairs.push((action.to_owned(), resource.to_owned()));
            }
        }
    }
    assert!(pairs.len() > 100, "the roles are read");
    pairs
}

#[test]
fn code_is_read_and_written_only_below_the_name_of_the_stack() {
    let of_code: Vec<_> = allowed().into_iter().filter(|(_, on)| on.contains(CODE)).collect();
    for action in ["s3:GetObject", "s3:PutObject"] {
        let mut on = of_code.iter().filter(|(allowed, _)| allowed == action).peekable();
        assert!(on.peek().is_some(), "{action}");
        // `samclisourcebucket-*` alone would be every object of the bucket: a star goes on after a slash.
        assert!(on.all(|(_, resource)| resource.ends_with(OWN_CODE)), "{action}");
    }
    for (action, resource) in of_code {
        let of_the_bucket = ["s3:GetBucketLocation", "s3:ListBucket"].contains(&action.as_str());
        assert!(resource.ends_with(OWN_CODE) || of_the_bucket, "{action} on {resource}");
    }
}

#[test]
fn every_preset_uploads_its_code_below_the_name_of_its_stack() {
    for preset in presets() {
        assert!(!preset.stack_name.is_empty(), "{}", preset.name);
        assert_eq!(preset.code_prefix, preset.stack_name, "{}", preset.name);
    }
}

#[test]
fn neither_role_reads_a_secret_or_writes_into_one_that_is_not_its_stacks() {
    for (action, resource) in allowed() {
        let reads = ["secretsmanager:*", "secretsmanager:GetSecretValue", "*"];
        assert!(!reads.contains(&action.as_str()), "{action} on {resource}");
    }
    for statement in statements() {
        let actions = strings(&statement["Action"]);
        let writes = ["secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"];
        if writes.iter().any(|action| actions.contains(action)) {
            let own = &statement["Condition"]["StringEquals"]["aws:ResourceTag/aws:cloudformation:stack-name"];
            assert_eq!(strings(own), ["StackName"], "{actions:?}");
        }
    }
}

#[test]
fn what_has_a_name_begins_with_that_of_the_stack() {
    let named =
        ["alarm:", "dashboard/", "table/", "rule/", "function:", "log-group:", "s3:::", "sqs:"];
    for (action, resource) in allowed() {
        let is_named = named.iter().any(|kind| resource.contains(kind));
        assert!(
            !is_named || resource.contains("${StackName}") || resource.ends_with(CODE),
            "{action}: {resource}"
        );
    }
}

#[test]
fn the_roles_are_out_of_their_own_reach() {
    let denied: Vec<_> =
        statements().into_iter().filter(|statement| statement["Effect"] == "Deny").collect();
    let [denied] = denied.as_slice() else { panic!("one thing is denied") };
    assert_eq!(denied["Action"], "iam:*");
    let on = strings(&denied["Resource"]);
    assert!(matches!(on.as_slice(), [one] if one.ends_with(":role/${AWS::StackName}-*")), "{on:?}");
}
