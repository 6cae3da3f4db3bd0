//! The table service, spoken to by the real SDK: what the relay builds on, and the record of calls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use relay_local::services::bind;
use relay_local::services::dynamodb::{
    DynamoDbError, DynamoDbOptions, DynamoDbServer, TableDescription,
};
use relay_local::services::record::{Call, Recorder};

const CALLER: &str = "LOCALTEST";

async fn start(database_path: Option<PathBuf>) -> (DynamoDbServer, Client, Recorder) {
    let recorder = Recorder::default();
    let listener = bind(0).await.unwrap();
    let options = DynamoDbOptions { listener, database_path, recorder: recorder.clone() };
    let server = DynamoDbServer::start(options).await.unwrap();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(CALLER, "secret", None, None, "test"))
        .endpoint_url(server.url())
        .build();
    (server, Client::from_conf(config), recorder)
}

fn table(index: &str) -> TableDescription {
    serde_json::from_value(serde_json::json!({
        "TableName": "relay",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [
            { "AttributeName": "pk", "KeyType": "HASH" },
            { "AttributeName": "sk", "KeyType": "RANGE" },
        ],
        "AttributeDefinitions": [
            { "AttributeName": "pk", "AttributeType": "S" },
            { "AttributeName": "sk", "AttributeType": "S" },
            { "AttributeName": "dead_shard", "AttributeType": "S" },
            { "AttributeName": "dead_at", "AttributeType": "N" },
        ],
        "GlobalSecondaryIndexes": [{
            "IndexName": index,
            "KeySchema": [
                { "AttributeName": "dead_shard", "KeyType": "HASH" },
                { "AttributeName": "dead_at", "KeyType": "RANGE" },
            ],
            "Projection": { "ProjectionType": "ALL" },
        }],
        "TimeToLiveSpecification": { "AttributeName": "expires_at", "Enabled": true },
    }))
    .unwrap()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

async fn put(client: &Client, key: &str, expires_at: u64) {
    client
        .put_item()
        .table_name("relay")
        .item("pk", text(key))
        .item("sk", text("MESSAGE"))
        .item("expires_at", AttributeValue::N(expires_at.to_string()))
        .send()
        .await
        .unwrap();
}

async fn is_there(client: &Client, key: &str) -> bool {
    let get = client.get_item().table_name("relay").key("pk", text(key));
    let found = get.key("sk", text("MESSAGE")).consistent_read(true).send().await.unwrap();
    found.item.is_some()
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_refused_conditional_write_returns_the_item_it_met() {
    let (server, client, _) = start(None).await;
    server.create_table(&table("dead")).unwrap();
    let accept = |accepted_id: &str| {
        client
            .put_item()
            .table_name("relay")
            .item("pk", text("msg_1"))
            .item("sk", text("MESSAGE"))
            .item("accepted_id", text(accepted_id))
            .condition_expression("attribute_not_exists(pk) OR expires_at < :now")
            .expression_attribute_values(":now", AttributeValue::N("100".to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    accept("first").await.unwrap();
    let refused = accept("second").await.unwrap_err().into_service_error();
    assert_eq!(refused.code(), Some("ConditionalCheckFailedException"));
    let met = match refused {
        aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
            met,
        ) => met,
        other => panic!("{other:?}"),
    };
    assert_eq!(met.item().unwrap()["accepted_id"], text("first"));
    server.shutdown().await;
}

#[tokio::test]
async fn dead_letters_are_found_by_the_sparse_index() {
    let (server, client, _) = start(None).await;
    server.create_table(&table("dead")).unwrap();
    put(&client, "msg_alive", 0).await;
    client
        .update_item()
        .table_name("relay")
        .key("pk", text("msg_dead"))
        .key("sk", text("STATE"))
        .update_expression("SET dead_shard = :shard, dead_at = :at")
        .expression_attribute_values(":shard", text("DEAD#3"))
        .expression_attribute_values(":at", AttributeValue::N("7".to_owned()))
        .send()
        .await
        .unwrap();
    let found = client
        .query()
        .table_name("relay")
        .index_name("dead")
        .key_condition_expression("dead_shard = :shard")
        .expression_attribute_values(":shard", text("DEAD#3"))
        .send()
        .await
        .unwrap();
    assert_eq!(found.count(), 1);
    assert_eq!(found.items()[0]["pk"], text("msg_dead"));
    server.shutdown().await;
}

/// The table with an index that copies these attributes.
fn copying(attributes: &[&str]) -> TableDescription {
    let mut description = serde_json::json!(table("dead"));
    description["GlobalSecondaryIndexes"][0]["Projection"] =
        serde_json::json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": attributes });
    serde_json::from_value(description).unwrap()
}

#[tokio::test]
async fn an_index_shows_and_filters_by_what_it_copies_and_nothing_else() {
    let (server, client, _) = start(None).await;
    server.create_table(&copying(&["reason", "buried"])).unwrap();
    for (key, is_buried) in [("msg_1", true), ("msg_2", false)] {
        let item = client.put_item().table_name("relay").item("pk", text(key));
        let item = item.item("sk", text("STATE")).item("dead_shard", text("DEAD#3"));
        let item = item.item("dead_at", AttributeValue::N("7".to_owned()));
        let item = item.item("buried", AttributeValue::Bool(is_buried));
        let item = item.item("reason", text("timeout")).item("outcomes", text("[]"));
        item.send().await.unwrap();
    }
    let query = client.query().table_name("relay").index_name("dead");
    let query = query.key_condition_expression("dead_shard = :shard AND dead_at BETWEEN :a AND :b");
    let query = query.filter_expression("buried = :no");
    let number = |text: &str| AttributeValue::N(text.to_owned());
    let query = query.expression_attribute_values(":shard", text("DEAD#3"));
    let query = query.expression_attribute_values(":a", number("1"));
    let query = query.expression_attribute_values(":b", number("7"));
    let query = query.expression_attribute_values(":no", AttributeValue::Bool(false));
    let found = query.send().await.unwrap();
    let [item] = found.items() else { panic!("{found:?}") };
    assert_eq!((&item["pk"], &item["reason"]), (&text("msg_2"), &text("timeout")));
    assert!(!item.contains_key("outcomes"), "{item:?}");

    server.create_table(&copying(&["buried", "reason"])).unwrap();
    let refused = server.create_table(&copying(&["buried"])).unwrap_err();
    assert!(matches!(refused, DynamoDbError::TableDiffers { .. }), "{refused:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn expired_items_are_swept_and_no_others() {
    let (server, client, _) = start(None).await;
    server.create_table(&table("dead")).unwrap();
    put(&client, "msg_old", now_seconds() - 10).await;
    put(&client, "msg_young", now_seconds() + 1_000).await;
    server.sweep_expired().unwrap();
    assert!(!is_there(&client, "msg_old").await);
    assert!(is_there(&client, "msg_young").await);
    server.shutdown().await;
}

#[tokio::test]
async fn a_table_is_kept_and_a_changed_description_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dynamodb.sqlite");
    let (server, client, _) = start(Some(path.clone())).await;
    server.create_table(&table("dead")).unwrap();
    put(&client, "msg_kept", now_seconds() + 1_000).await;
    server.shutdown().await;

    let (server, client, _) = start(Some(path)).await;
    server.create_table(&table("dead")).unwrap();
    assert!(is_there(&client, "msg_kept").await);
    let refused = server.create_table(&table("other")).unwrap_err();
    assert!(matches!(&refused, DynamoDbError::TableDiffers { table, .. } if table == "relay"));
    assert!(refused.to_string().contains("other"), "{refused}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_property_that_is_not_honoured_is_refused_by_name() {
    let mut description = serde_json::json!(table("dead"));
    description["StreamSpecification"] = serde_json::json!({ "StreamEnabled": true });
    let refused = serde_json::from_value::<TableDescription>(description).unwrap_err();
    assert!(refused.to_string().contains("StreamSpecification"), "{refused}");
}

#[tokio::test]
async fn calls_are_noted_with_caller_action_and_table() {
    let (server, client, recorder) = start(None).await;
    server.create_table(&table("dead")).unwrap();
    put(&client, "msg_1", 0).await;
    is_there(&client, "msg_1").await;
    client.describe_table().table_name("relay").send().await.unwrap();
    let query = client.query().table_name("relay").index_name("dead");
    let query = query.key_condition_expression("dead_shard = :shard");
    query.expression_attribute_values(":shard", text("DEAD#1")).send().await.unwrap();
    let call = |action: &str, resource: &str| Call {
        caller: CALLER.to_owned(),
        action: action.to_owned(),
        resource: resource.to_owned(),
    };
    let expected = [
        call("dynamodb:DescribeTable", "relay"),
        call("dynamodb:GetItem", "relay"),
        call("dynamodb:PutItem", "relay"),
        call("dynamodb:Query", "relay/index/dead"),
    ];
    assert_eq!(recorder.snapshot(), expected);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let served = client.get(format!("{}/_recorded", server.url())).send().await.unwrap();
    assert_eq!(served.json::<serde_json::Value>().await.unwrap(), serde_json::json!(expected));
    server.shutdown().await;
}

#[tokio::test]
async fn many_calls_at_once_are_all_answered() {
    let (server, client, _) = start(None).await;
    server.create_table(&table("dead")).unwrap();
    let started = std::time::Instant::now();
    let calls = (0..32).map(|caller| {
        let client = &client;
        async move {
            for number in 0..15 {
                put(client, &format!("msg_{caller}_{number}"), 0).await;
            }
        }
    });
    futures::future::join_all(calls).await;
    eprintln!("480 items put in {:?}", started.elapsed());
    let scan = client.scan().table_name("relay").send().await.unwrap();
    assert_eq!(scan.count(), 480);
    server.shutdown().await;
}
