//! One role per function, with actions by name on resources by name.
//!
//! That each action is really called, and that no other is, is tested where the functions run.

use std::collections::BTreeSet;

use relay_tests::{Reference, Template, strings};
use serde_yaml_ng::{Mapping, Value};

/// The parts of the bucket that the relay keeps bodies in: the only place for a wildcard.
const BODY_PREFIXES: [&str; 2] =
    ["${PayloadBucket.Arn}/payloads/*", "${PayloadBucket.Arn}/uploads/*"];

/// The index of dead letters, which has no ARN of its own to ask for.
const DEAD_INDEX: &str = "${MessagesTable.Arn}/index/dead";

/// Where API keys and signing secrets are: only ingest, which asks who wants them changed, may write there.
const KEYS: [&str; 4] = ["KEYS#*", "SIGNING#*", "REPLAY#*", "BUCKET#*"];
/// Every way to write to a table that a role could be given.
const WRITES: [&str; 4] =
    ["dynamodb:DeleteItem", "dynamodb:PartiQLInsert", "dynamodb:PutItem", "dynamodb:UpdateItem"];

/// What ends the names of the roles of CodeDeploy, which no function has.
const OF_CODEDEPLOY: &str = "DeploymentRole";

/// The roles of functions. Those of CodeDeploy are looked at in `deployment`.
fn function_roles(template: &Template) -> Vec<&str> {
    let all = template.resources("AWS::IAM::Role").into_iter();
    all.filter(|role| !role.ends_with(OF_CODEDEPLOY)).collect()
}

/// Every statement of a role's policies.
fn statements<'a>(template: &'a Template, role: &str) -> Vec<&'a Value> {
    let policies = template.at(&format!("Resources/{role}/Properties/Policies"));
    let policies = policies.as_sequence().expect("Policies is a list");
    let documents = policies.iter().map(|policy| &policy["PolicyDocument"]["Statement"]);
    documents.flat_map(|all| all.as_sequence().expect("Statement is a list")).collect()
}

#[test]
fn every_function_has_a_role_of_its_own() {
    let template = Template::load();
    let mut roles = BTreeSet::new();
    for function in template.resources("AWS::Serverless::Function") {
        let properties = template.at(&format!("Resources/{function}/Properties"));
        let Some(Reference::GetAtt(role)) = Reference::of(&properties["Role"]) else {
            panic!("{function} names no role of this template");
        };
        assert!(roles.insert(role), "{function} shares {role}");
        assert_eq!(properties.get("Policies"), None, "{function}: SAM's policies bring a wildcard");
    }
    let declared = function_roles(&template);
    let declared: BTreeSet<_> = declared.iter().map(|role| format!("{role}.Arn")).collect();
    assert_eq!(declared, roles.into_iter().map(str::to_owned).collect());
}

#[test]
fn no_role_has_a_policy_that_is_not_written_here() {
    let template = Template::load();
    for role in template.resources("AWS::IAM::Role") {
        let properties = template.at(&format!("Resources/{role}/Properties"));
        assert_eq!(properties.get("ManagedPolicyArns"), None, "{role}");
    }
}

#[test]
fn every_action_is_named_in_full() {
    let template = Template::load();
    for role in template.resources("AWS::IAM::Role") {
        for statement in statements(&template, role) {
            // What is denied is never denied for everything: it would not be allowed first.
            let (effect, condition) = (statement["Effect"].as_str(), statement.get("Condition"));
            let is_known = match effect {
                Some("Allow") => condition.is_none(),
                Some("Deny") => condition.is_some(),
                _ => false,
            };
            assert!(is_known, "{role}: {statement:?}");
            assert_eq!(statement.get("NotAction"), None, "{role}");
            for action in strings(&statement["Action"]) {
                assert!(!action.contains('*'), "{role}: {action}");
            }
        }
    }
}

#[test]
fn every_resource_is_one_of_this_template() {
    let template = Template::load();
    for role in function_roles(&template) {
        for statement in statements(&template, role) {
            assert_eq!(statement.get("NotResource"), None, "{role}");
            let resource = &statement["Resource"];
            let several = resource.as_sequence().map(Vec::as_slice);
            for one in several.unwrap_or(std::slice::from_ref(resource)) {
                match Reference::of(one) {
                    Some(Reference::GetAtt(target)) => {
                        assert!(target.ends_with(".Arn"), "{role}: {target}");
                    }
                    Some(Reference::Sub(text)) => {
                        let known = BODY_PREFIXES.contains(&text) || text == DEAD_INDEX;
                        assert!(known, "{role}: {text}");
                    }
                    // Of a secret, and of nothing else that a role names, `!Ref` is the ARN.
                    Some(Reference::Ref("MasterSecret")) => {}
                    Some(Reference::Ref(_)) | None => {
                        panic!("{role}: {one:?} is no resource's ARN")
                    }
                }
            }
        }
    }
}

#[test]
fn only_ingest_writes_keys_and_signing_secrets() {
    let template = Template::load();
    for role in function_roles(&template) {
        let all = statements(&template, role);
        let denied: Vec<_> = all.iter().filter(|one| one["Effect"] == "Deny").collect();
        if role == "IngestRole" {
            assert!(denied.is_empty(), "{denied:?}");
            continue;
        }
        let [denial] = denied.as_slice() else { panic!("{role}: {denied:?}") };
        assert_eq!(strings(&denial["Action"]), WRITES, "{role}");
        let table = Reference::GetAtt("MessagesTable.Arn");
        assert_eq!(Reference::of(&denial["Resource"]), Some(table), "{role}");
        // Any value, not all of them: one request may touch several items.
        let keys = &denial["Condition"]["ForAnyValue:StringLike"]["dynamodb:LeadingKeys"];
        assert_eq!(strings(keys), KEYS, "{role}");
        assert_eq!(denial["Condition"].as_mapping().map(Mapping::len), Some(1), "{role}");
        // Nothing that writes is allowed besides what is denied there.
        let allowed = all.iter().filter(|one| one["Effect"] == "Allow");
        for action in allowed.flat_map(|one| strings(&one["Action"])) {
            let is_known = !action.starts_with("dynamodb:")
                || WRITES.contains(&action)
                || ["dynamodb:GetItem", "dynamodb:Query"].contains(&action);
            assert!(is_known, "{role}: {action}");
        }
    }
}

#[test]
fn whoever_ends_a_message_may_put_its_body_and_look_for_it() {
    let template = Template::load();
    for role in ["WorkerRole", "ReconcilerRole"] {
        let about = |sid: &str| {
            let all = statements(&template, role).into_iter();
            let mut of_sid = all.filter(|one| one["Sid"] == sid);
            of_sid.next().unwrap_or_else(|| panic!("{role}: nothing about {sid}"))
        };
        // Only what is a message's: uploads are for ingest to take over.
        let bodies = about("Bodies");
        assert_eq!(strings(&bodies["Action"]), ["s3:GetObject", "s3:PutObject"], "{role}");
        assert_eq!(Reference::of(&bodies["Resource"]), Some(Reference::Sub(BODY_PREFIXES[0])));
        // A body that is missing is forbidden otherwise.
        let bucket = about("Bucket");
        assert_eq!(strings(&bucket["Action"]), ["s3:ListBucket"], "{role}");
        assert_eq!(
            Reference::of(&bucket["Resource"]),
            Some(Reference::GetAtt("PayloadBucket.Arn"))
        );
    }
}

#[test]
fn only_lambda_takes_the_roles() {
    let template = Template::load();
    for role in function_roles(&template) {
        let trust = template.at(&format!("Resources/{role}/Properties/AssumeRolePolicyDocument"));
        let all = trust["Statement"].as_sequence().map(Vec::as_slice);
        let Some([only]) = all else { panic!("{role}: one statement of trust") };
        assert_eq!(only["Principal"]["Service"], "lambda.amazonaws.com", "{role}");
        assert_eq!(only["Action"], "sts:AssumeRole", "{role}");
    }
}

#[test]
fn each_function_writes_to_its_own_log_group() {
    let template = Template::load();
    for (function, role, group) in [
        ("IngestFunction", "IngestRole", "IngestLogGroup"),
        ("ReconcilerFunction", "ReconcilerRole", "ReconcilerLogGroup"),
        ("WorkerFunction", "WorkerRole", "WorkerLogGroup"),
    ] {
        let target =
            template.at(&format!("Resources/{function}/Properties/LoggingConfig/LogGroup"));
        assert_eq!(Reference::of(target), Some(Reference::Ref(group)), "{function}");
        let of_logs = statements(&template, role).into_iter();
        let of_logs = of_logs
            .filter(|one| strings(&one["Action"]).iter().any(|action| action.starts_with("logs:")));
        let resources: Vec<_> =
            of_logs.flat_map(|statement| strings(&statement["Resource"])).collect();
        assert_eq!(resources, [format!("{group}.Arn")], "{role}");
    }
}
