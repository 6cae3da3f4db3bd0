//! What is kept is encrypted: by keys of AWS, or all of it by the one key that an operator names.

use std::collections::BTreeSet;

use relay_tests::{Reference, Template, strings};
use serde_yaml_ng::Value;

const KEY: Reference<'static> = Reference::Ref("KmsKeyArn");
const NOTHING: Reference<'static> = Reference::Ref("AWS::NoValue");

/// What a property is with a key of the operator's, and what without.
fn with_and_without_key(value: &Value) -> (&Value, &Value) {
    let Value::Tagged(tagged) = value else { panic!("it does not depend on a key: {value:?}") };
    let parts = tagged.value.as_sequence().map(Vec::as_slice);
    let Some([condition, with, without]) = parts else { panic!("!If takes three parts") };
    assert_eq!((tagged.tag.to_string().as_str(), condition.as_str()), ("!If", Some("UseKmsKey")));
    (with, without)
}

/// The property has the operator's key, and is not there without one.
fn is_key_or_nothing(template: &Template, path: &str) {
    let (with, without) = with_and_without_key(template.at(path));
    assert_eq!(Reference::of(with), Some(KEY), "{path}");
    assert_eq!(Reference::of(without), Some(NOTHING), "{path}");
}

#[test]
fn everything_that_is_kept_takes_the_key() {
    let template = Template::load();
    for (kind, property) in [
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
    ] {
        for name in template.resources(kind) {
            is_key_or_nothing(&template, &format!("Resources/{name}/Properties/{property}"));
        }
    }
    let (table, without) =
        with_and_without_key(template.at("Resources/MessagesTable/Properties/SSESpecification"));
    assert_eq!((&table["SSEEnabled"], &table["SSEType"]), (&true.into(), &"KMS".into()));
    assert_eq!(Reference::of(&table["KMSMasterKeyId"]), Some(KEY));
    assert_eq!(Reference::of(without), Some(NOTHING));
    let rules = template.at("Resources/PayloadBucket/Properties/BucketEncryption");
    let rule = &rules["ServerSideEncryptionConfiguration"][0];
    let (bucket, without) = with_and_without_key(&rule["ServerSideEncryptionByDefault"]);
    assert_eq!(bucket["SSEAlgorithm"], "aws:kms");
    assert_eq!(Reference::of(&bucket["KMSMasterKeyID"]), Some(KEY));
    assert_eq!(without["SSEAlgorithm"], "AES256");
}

#[test]
fn without_a_key_the_queues_are_encrypted_by_sqs() {
    let template = Template::load();
    assert_eq!(template.parameter("KmsKeyArn").default, "");
    for name in template.resources("AWS::SQS::Queue") {
        let path = format!("Resources/{name}/Properties/SqsManagedSseEnabled");
        let (with, without) = with_and_without_key(template.at(&path));
        assert_eq!(Reference::of(with), Some(NOTHING), "SQS takes one of the two");
        assert_eq!(without, &Value::Bool(true));
    }
}

#[test]
fn every_role_may_use_the_key_and_only_if_there_is_one() {
    let template = Template::load();
    assert_eq!(template.resources("AWS::IAM::Policy"), ["KeyPolicy"]);
    let policy = template.at("Resources/KeyPolicy");
    assert_eq!(policy["Condition"], "UseKmsKey");
    let roles: BTreeSet<_> = strings(&policy["Properties"]["Roles"]).into_iter().collect();
    // CodeDeploy moves aliases and reads nothing that is encrypted.
    let all = template.resources("AWS::IAM::Role").into_iter();
    assert_eq!(roles, all.filter(|role| !role.ends_with("DeploymentRole")).collect());
    let statements = policy["Properties"]["PolicyDocument"]["Statement"].as_sequence();
    let Some([only]) = statements.map(Vec::as_slice) else { panic!("one statement") };
    assert_eq!(Reference::of(&only["Resource"]), Some(KEY));
    let actions = strings(&only["Action"]);
    assert!(actions.iter().all(|action| action.starts_with("kms:") && !action.contains('*')));
}
