//! Records on the local table service: the suite, random walks beside the store in memory, and what
//! only a table can do.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use futures::StreamExt;
use relay_aws::{DynamoStore, Endpoints};
use relay_core::decide::Decision;
use relay_core::lifecycle::{Again, Phase};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Claim, PortError, Recorded, Settlement, Store};
use relay_local::services::bind;
use relay_local::services::dynamodb::{DynamoDbOptions, DynamoDbServer, TableDescription};
use relay_local::services::record::Recorder;
use relay_testkit::conformance::store;
use relay_testkit::{MemoryStore, sample, walk};

use crate::{actions, clients};

pub(crate) const TABLE: &str = "conformance";
/// Walks and their length: some thousand calls in some seconds.
const WALKS: u64 = 12;
const WALK_STEPS: usize = 100;
/// Walks under way at once: the service answers one call at a time, the rest is ours.
const WALKS_AT_ONCE: usize = 4;

pub(crate) struct Bench {
    pub(crate) server: DynamoDbServer,
    pub(crate) recorder: Recorder,
    pub(crate) store: DynamoStore,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let recorder = Recorder::default();
        let listener = bind(0).await.unwrap();
        let options = DynamoDbOptions { listener, database_path: None, recorder: recorder.clone() };
        let server = DynamoDbServer::start(options).await.unwrap();
        server.create_table(&description()).unwrap();
        let endpoints = Endpoints { dynamodb: Some(server.url()), ..Endpoints::default() };
        let store = DynamoStore::new(&clients(endpoints).await, TABLE);
        Self { server, recorder, store }
    }

    pub(crate) fn raw(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
            .credentials_provider(Credentials::new("RAW", "secret", None, None, "test"))
            .endpoint_url(self.server.url())
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// Claims with hold number `lease` and settles.
    async fn attempt(&self, message: &Message, lease: u8, decision: Decision) {
        let (life, now) = (message.first_life(), sample::at(0));
        let claimed = self.store.claim(&message.id, &sample::claim(&life, lease, now)).await;
        let Ok(Claim::Ours(lease)) = claimed else { panic!("not claimed: {claimed:?}") };
        let attempt = sample::attempt(lease.attempt, 200);
        let settlement = Settlement { id: message.id.clone(), life, lease, attempt, decision, now };
        self.store.settle(&settlement).await.unwrap();
    }

    /// The state as the table has it.
    async fn state_item(&self, message: &Message) -> HashMap<String, AttributeValue> {
        let get = self
            .raw()
            .get_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S(message.id.to_string()))
            .key("sk", AttributeValue::S("STATE".to_owned()));
        get.send().await.unwrap().item.unwrap()
    }

    /// The ids in the index of dead letters.
    async fn indexed(&self) -> BTreeSet<String> {
        let query = self.raw().scan().table_name(TABLE).index_name("dead").send();
        let items = query.await.unwrap().items.unwrap_or_default();
        items.into_iter().map(|item| item["pk"].as_s().unwrap().clone()).collect()
    }
}

/// The table as `template.yaml` has it.
fn description() -> TableDescription {
    serde_json::from_value(serde_json::json!({
        "TableName": TABLE,
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
            "IndexName": "dead",
            "KeySchema": [
                { "AttributeName": "dead_shard", "KeyType": "HASH" },
                { "AttributeName": "dead_at", "KeyType": "RANGE" },
            ],
            "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["buried", "reason"] },
        }],
        "TimeToLiveSpecification": { "AttributeName": "expires_at", "Enabled": true },
    }))
    .unwrap()
}

#[tokio::test]
async fn the_store_keeps_the_contract_and_stays_within_its_role() {
    let bench = Bench::start().await;
    store::run_all(Arc::new(bench.store.clone())).await;
    let called = actions(&bench.recorder);
    let allowed = ["GetItem", "PartiQLInsert", "PutItem", "UpdateItem"];
    assert_eq!(called, allowed.map(|action| format!("dynamodb:{action}")));
    bench.server.shutdown().await;
}

/// The conditions say what `State::judge_claim` and the table of transitions say.
#[tokio::test(flavor = "multi_thread")]
async fn random_walks_end_where_the_store_in_memory_ends() {
    let bench = Bench::start().await;
    let walks = futures::stream::iter(0..WALKS).map(|seed| {
        let store = bench.store.clone();
        tokio::spawn(async move {
            walk::compare(&MemoryStore::new(), &store, seed, WALK_STEPS).await;
        })
    });
    let ended: Vec<_> = walks.buffer_unordered(WALKS_AT_ONCE).collect().await;
    let failed = ended.iter().filter(|walk| walk.is_err()).count();
    assert_eq!(failed, 0, "of {WALKS} walks");
    bench.server.shutdown().await;
}

#[tokio::test]
async fn f27_what_was_removed_in_time_is_gone_for_every_reader() {
    let bench = Bench::start().await;
    let mut message = sample::message("f27-removed", 1);
    (message.created_at, message.expires_at) = (past(0), past(500));
    assert_eq!(bench.store.record(&message, past(0)).await, Ok(Recorded::New));
    bench.store.mark_queued(&message.id, &message.first_life(), past(1)).await.unwrap();
    // The service removes both items: their time in seconds has come, by the real clock.
    assert_eq!(bench.server.sweep_expired().unwrap(), 2);
    assert_eq!(bench.store.find(&message.id, past(2)).await, Ok(None));
    assert_eq!(bench.store.record(&message, past(600)).await, Ok(Recorded::New));
    bench.server.shutdown().await;
}

fn past(millis: u64) -> relay_core::time::Timestamp {
    relay_core::time::Timestamp::from_millis(1_600_000_000_000 + millis)
}

#[tokio::test]
async fn the_index_holds_the_dead_until_the_queue_has_them_again() {
    let bench = Bench::start().await;
    let message = sample::message("indexed", 1);
    let id = message.id.to_string();
    let (store, life) = (&bench.store, message.first_life());
    store.record(&message, sample::START).await.unwrap();
    store.mark_queued(&message.id, &life, sample::START).await.unwrap();
    assert!(bench.indexed().await.is_empty());
    let reason = DeadReason::DeadlinePassed;
    store.give_up(&message.id, &life, reason, sample::at(1)).await.unwrap();
    assert_eq!(bench.indexed().await, BTreeSet::from([id.clone()]));
    store.mark_buried(&message.id, &life, sample::at(2)).await.unwrap();
    assert_eq!(bench.indexed().await, BTreeSet::from([id.clone()]));
    let redriven = store.begin_again(&message.id, &life, Again::Redrive, sample::at(3)).await;
    let Ok(Begun::Pending(second)) = redriven else { panic!("not redriven: {redriven:?}") };
    assert_eq!(bench.indexed().await, BTreeSet::from([id]));
    // Claimed before it was marked as queued: the claim takes it out of the index too.
    store.claim(&message.id, &sample::claim(&second, 1, sample::at(4))).await.unwrap();
    assert!(bench.indexed().await.is_empty());
    store.mark_queued(&message.id, &second, sample::at(5)).await.unwrap();
    let found = store.find(&message.id, sample::at(5)).await.unwrap().unwrap();
    assert!(matches!(found.state.phase, Phase::Processing { .. }));
    bench.server.shutdown().await;
}

#[tokio::test]
async fn an_unreadable_item_is_reported_with_what_is_wrong() {
    let bench = Bench::start().await;
    let message = sample::message("unreadable", 1);
    bench.store.record(&message, sample::START).await.unwrap();
    let broken = bench
        .raw()
        .put_item()
        .table_name(TABLE)
        .item("pk", AttributeValue::S(message.id.to_string()))
        .item("sk", AttributeValue::S("STATE".to_owned()))
        .item("status", AttributeValue::S("QUEUED".to_owned()));
    broken.send().await.unwrap();
    let claim = sample::claim(&message.first_life(), 1, sample::at(1));
    let error = bench.store.claim(&message.id, &claim).await.unwrap_err();
    let reason = "accepted_id of STATE must be a text".to_owned();
    assert_eq!(error, PortError::Corrupt { action: "claiming a message", reason });
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_missing_table_is_reported_by_its_code() {
    let bench = Bench::start().await;
    let endpoints = Endpoints { dynamodb: Some(bench.server.url()), ..Endpoints::default() };
    let store = DynamoStore::new(&clients(endpoints).await, "another");
    let error = store.ready().await.unwrap_err().to_string();
    assert!(error.starts_with("asking for the table failed: ResourceNotFoundException"), "{error}");
    bench.server.shutdown().await;
}

/// The state of a happy message is written three times: its size is what each write costs.
#[tokio::test]
async fn a_happy_state_stays_below_one_kilobyte() {
    let bench = Bench::start().await;
    let message = sample::message("size", 1);
    bench.store.record(&message, sample::START).await.unwrap();
    bench.attempt(&message, 1, Decision::Delivered).await;
    let item = bench.state_item(&message).await;
    let bytes: usize = item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum();
    assert!(bytes < 700, "{bytes} bytes leave too little for an answer of 256: {item:?}");
    bench.server.shutdown().await;
}

#[tokio::test]
async fn attributes_are_there_only_in_the_status_they_belong_to() {
    let bench = Bench::start().await;
    let message = sample::message("attributes", 1);
    bench.store.record(&message, sample::START).await.unwrap();
    bench.attempt(&message, 1, Decision::Retry { not_before: sample::at(1) }).await;
    let waiting = bench.state_item(&message).await;
    assert!(waiting.contains_key("not_before") && !waiting.contains_key("lease_until"));
    let claim = sample::claim(&message.first_life(), 2, sample::at(1));
    bench.store.claim(&message.id, &claim).await.unwrap();
    let held = bench.state_item(&message).await;
    assert!(held.contains_key("lease_until") && !held.contains_key("not_before"));
    bench.server.shutdown().await;
}

/// What the service counts for a value, at most.
fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::Bool(_) => 1,
        other => panic!("unexpected in a state: {other:?}"),
    }
}
