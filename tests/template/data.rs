//! Where messages are kept: encrypted, over TLS only, and never deleted with a stack.

use std::collections::{BTreeMap, BTreeSet};

use relay_tests::{Reference, Template};
use serde_yaml_ng::Value;

const FOURTEEN_DAYS_IN_SECONDS: i64 = 14 * 24 * 60 * 60;

/// What holds messages, and the secret without which nobody can verify what was signed.
const OUTLIVES_ITS_STACK: [&str; 5] =
    ["DeadLetterQueue", "DeliveryQueue", "MasterSecret", "MessagesTable", "PayloadBucket"];

fn key_names(keys: &Value) -> Vec<(&str, &str)> {
    let keys = keys.as_sequence().expect("a key schema is a list").iter();
    keys.map(|key| {
        let name = key["AttributeName"].as_str().expect("a key has a name");
        (name, key["KeyType"].as_str().expect("a key has a type"))
    })
    .collect()
}

#[test]
fn nothing_that_is_kept_goes_with_its_stack() {
    let template = Template::load();
    for name in OUTLIVES_ITS_STACK {
        let resource = template.at(&format!("Resources/{name}"));
        assert_eq!(resource["DeletionPolicy"], "Retain", "{name}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
    }
    let mut stores = template.resources("AWS::SQS::Queue");
    stores.extend(template.resources("AWS::DynamoDB::Table"));
    stores.extend(template.resources("AWS::S3::Bucket"));
    stores.extend(template.resources("AWS::SecretsManager::Secret"));
    stores.sort_unstable();
    assert_eq!(stores, OUTLIVES_ITS_STACK);
}

#[test]
fn the_master_secret_is_drawn_and_not_written_here() {
    let template = Template::load();
    let properties = template.entries("Resources/MasterSecret/Properties");
    assert!(properties.iter().all(|(name, _)| *name != "SecretString"), "it would be none");
    let drawn = template.at("Resources/MasterSecret/Properties/GenerateSecretString");
    let text = drawn["SecretStringTemplate"].as_str().expect("a template of the secret");
    let key = drawn["GenerateStringKey"].as_str().expect("a key in it");
    let length = drawn["PasswordLength"].as_u64().and_then(|length| usize::try_from(length).ok());
    // As Secrets Manager would make it, read by the functions' own code.
    let mut object: BTreeMap<String, String> = serde_yaml_ng::from_str(text).expect("an object");
    object.insert(key.to_owned(), "x".repeat(length.expect("a length")));
    let json = serde_json::to_string(&object).expect("texts are JSON");
    let masters = relay_core::access::MasterSecrets::parse(&json).expect("master secrets");
    assert_eq!(masters.current().as_str(), key);
    assert_eq!(drawn["ExcludePunctuation"], true);
}

#[test]
fn the_table_is_keyed_by_message_and_finds_dead_letters() {
    let template = Template::load();
    let table = template.at("Resources/MessagesTable/Properties");
    assert_eq!(key_names(&table["KeySchema"]), [("pk", "HASH"), ("sk", "RANGE")]);

    let indexes = table["GlobalSecondaryIndexes"].as_sequence().map(Vec::as_slice);
    let Some([dead]) = indexes else { panic!("one index: every other one costs on each write") };
    assert_eq!(dead["IndexName"], "dead");
    assert_eq!(key_names(&dead["KeySchema"]), [("dead_shard", "HASH"), ("dead_at", "RANGE")]);

    let types = table["AttributeDefinitions"].as_sequence().expect("a list").iter();
    let types: BTreeMap<_, _> =
        types.map(|one| (one["AttributeName"].as_str(), one["AttributeType"].as_str())).collect();
    let wanted = [("pk", "S"), ("sk", "S"), ("dead_shard", "S"), ("dead_at", "N")];
    assert_eq!(types, wanted.map(|(name, kind)| (Some(name), Some(kind))).into());
}

/// What a value is with units paid for by the hour, and what without.
fn by_the_hour_or_not(value: &Value) -> (&Value, &Value) {
    let Value::Tagged(value) = value else { panic!("it is conditional") };
    assert_eq!(value.tag, "If");
    assert_eq!(value.value[0], "UseProvisionedTable");
    (&value.value[1], &value.value[2])
}

#[test]
fn requests_are_paid_for_unless_somebody_asks_for_units_by_the_hour() {
    let template = Template::load();
    assert_eq!(template.parameter("TableWriteUnitsMin").default, "0");
    let table = template.at("Resources/MessagesTable/Properties");
    let (by_the_hour, else_by_request) = by_the_hour_or_not(&table["BillingMode"]);
    assert_eq!(by_the_hour, "PROVISIONED");
    assert_eq!(else_by_request, "PAY_PER_REQUEST");
    // An index without units of its own would be refused.
    for units in [
        &table["ProvisionedThroughput"],
        &table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"],
    ] {
        let (by_the_hour, else_by_request) = by_the_hour_or_not(units);
        assert!(by_the_hour["WriteCapacityUnits"] != Value::Null);
        assert!(by_the_hour["ReadCapacityUnits"] != Value::Null);
        assert_eq!(Reference::of(else_by_request), Some(Reference::Ref("AWS::NoValue")));
    }
}

#[test]
fn units_by_the_hour_follow_the_load_for_table_and_index_reads_and_writes() {
    let template = Template::load();
    let of_the_table = |kind: &str| {
        let found = template.resources(kind).into_iter().map(|name| {
            let resource = template.at(&format!("Resources/{name}"));
            (resource["Condition"].clone(), resource["Properties"].clone())
        });
        let found = found.filter(|(_, properties)| properties["ServiceNamespace"] == "dynamodb");
        let found = found.map(|(condition, properties)| {
            assert_eq!(condition, "UseProvisionedTable");
            let Some(Reference::Sub(of)) = Reference::of(&properties["ResourceId"]) else {
                panic!("it names a table")
            };
            let dimension = properties["ScalableDimension"].as_str().expect("a dimension");
            (of.to_owned(), dimension.to_owned())
        });
        found.collect::<BTreeSet<_>>()
    };
    let wanted = [("", "table"), ("/index/dead", "index")].into_iter().flat_map(|(index, kind)| {
        ["Read", "Write"].map(|what| {
            let of = format!("table/${{MessagesTable}}{index}");
            (of, format!("dynamodb:{kind}:{what}CapacityUnits"))
        })
    });
    let wanted: BTreeSet<_> = wanted.collect();
    assert_eq!(of_the_table("AWS::ApplicationAutoScaling::ScalableTarget"), wanted);
    assert_eq!(of_the_table("AWS::ApplicationAutoScaling::ScalingPolicy"), wanted);
}

#[test]
fn the_table_forgets_in_time_and_nothing_else() {
    let template = Template::load();
    let table = template.at("Resources/MessagesTable/Properties");
    assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], "expires_at");
    assert_eq!(table["TimeToLiveSpecification"]["Enabled"], true);
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
}

#[test]
fn both_queues_keep_messages_as_long_as_sqs_can() {
    let template = Template::load();
    for name in template.resources("AWS::SQS::Queue") {
        let properties = format!("Resources/{name}/Properties");
        assert_eq!(
            template.number(&format!("{properties}/MessageRetentionPeriod")),
            FOURTEEN_DAYS_IN_SECONDS
        );
    }
}

#[test]
fn f19_receives_do_not_bury_a_message() {
    let template = Template::load();
    let redrive = template.at("Resources/DeliveryQueue/Properties/RedrivePolicy");
    let target = Reference::of(&redrive["deadLetterTargetArn"]);
    assert_eq!(target, Some(Reference::GetAtt("DeadLetterQueue.Arn")));
    assert_eq!(redrive["maxReceiveCount"], 1000);
}

#[test]
fn every_store_with_a_policy_refuses_plain_text() {
    let template = Template::load();
    for (policy, target) in [
        ("DeliveryQueuePolicy", "DeliveryQueue.Arn"),
        ("DeadLetterQueuePolicy", "DeadLetterQueue.Arn"),
        ("PayloadBucketPolicy", "PayloadBucket.Arn"),
    ] {
        let document = template.at(&format!("Resources/{policy}/Properties/PolicyDocument"));
        let all = document["Statement"].as_sequence().map(Vec::as_slice);
        let Some([only]) = all else { panic!("{policy}: one statement") };
        assert_eq!(only["Effect"], "Deny", "{policy}");
        assert_eq!(only["Principal"], "*", "{policy}");
        assert_eq!(only["Condition"]["Bool"]["aws:SecureTransport"], "false", "{policy}");
        assert!(relay_tests::strings(&only["Resource"]).contains(&target), "{policy}");
    }
}

#[test]
fn the_bucket_is_closed_to_the_public() {
    let template = Template::load();
    let bucket = template.at("Resources/PayloadBucket/Properties");
    for switch in
        ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
    {
        assert_eq!(bucket["PublicAccessBlockConfiguration"][switch], true, "{switch}");
    }
    assert_eq!(bucket["OwnershipControls"]["Rules"][0]["ObjectOwnership"], "BucketOwnerEnforced");
}

#[test]
fn f05_orphaned_bodies_go_away() {
    let template = Template::load();
    let rules =
        &template.at("Resources/PayloadBucket/Properties")["LifecycleConfiguration"]["Rules"];
    let rules = rules.as_sequence().expect("Rules is a list");
    let of = |prefix: &str| {
        let found =
            rules.iter().find(|rule| rule["Prefix"] == prefix && rule["Status"] == "Enabled");
        found.unwrap_or_else(|| panic!("no rule for {prefix}"))
    };
    assert_eq!(of("uploads/")["ExpirationInDays"], 1);
    let payloads = Reference::of(&of("payloads/")["ExpirationInDays"]);
    assert_eq!(payloads, Some(Reference::Ref("PayloadExpirationDays")));
    let unfinished =
        |rule: &Value| rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1;
    assert!(rules.iter().any(unfinished));
}
