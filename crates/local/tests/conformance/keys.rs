//! API keys on the local table service: the suite, in pages of all lengths, the suite once more with every answer to a
//! write lost (F36), and what only a table can do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use relay_aws::{DynamoKeys, Endpoints};
use relay_core::access::{ApiKey, KeyRecord};
use relay_core::ports::{Cursor, Keys, PortError, RevisionWritten};
use relay_testkit::conformance::keys;
use relay_testkit::sample;

use crate::lost_answers::losing;
use crate::store::{Bench, TABLE};
use crate::{actions, clients};

/// The suite writes more often than that; fewer lost answers would mean that nothing was lost.
const LOST_MIN: usize = 60;

async fn keys_at(url: String) -> DynamoKeys {
    let endpoints = Endpoints { dynamodb: Some(url), ..Endpoints::default() };
    DynamoKeys::new(&clients(endpoints).await, TABLE)
}

fn record(number: u8) -> KeyRecord {
    let key = ApiKey::draw([number; 16], [[1; 16], [2; 16]]);
    KeyRecord::new(&key, sample::key_rules(), None, sample::START, "first".to_owned())
}

#[tokio::test]
async fn the_api_keys_keep_the_contract_and_stay_within_their_role() {
    let bench = Bench::start().await;
    keys::run_all(Arc::new(keys_at(bench.server.url()).await)).await;
    let allowed = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"];
    assert_eq!(actions(&bench.recorder), allowed);
    // Keys stay for good.
    assert_eq!(bench.server.sweep_expired().unwrap(), 0);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn the_api_keys_keep_the_contract_in_short_pages() {
    for items in [1, 2, 7] {
        let bench = Bench::start().await;
        let keys = keys_at(bench.server.url()).await.with_short_pages(items);
        keys::run_all(Arc::new(keys)).await;
        bench.server.shutdown().await;
    }
}

#[tokio::test]
async fn f36_every_write_of_an_api_key_recognises_itself_when_its_answer_is_lost() {
    let bench = Bench::start().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let way = losing(bench.server.url(), Arc::clone(&lost)).await;
    keys::run_all(Arc::new(keys_at(way).await)).await;
    let lost = lost.load(Ordering::SeqCst);
    assert!(lost >= LOST_MIN, "only {lost} answers were lost");
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_few_keys_are_one_page() {
    let bench = Bench::start().await;
    let keys = keys_at(bench.server.url()).await;
    for number in 0..30 {
        keys.write(&record(number)).await.unwrap();
    }
    let page = keys.list(None).await.unwrap();
    assert_eq!((page.items.len(), page.next), (30, None));
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_told_of_and_keeps_no_other_from_being_listed() {
    let bench = Bench::start().await;
    let keys = keys_at(bench.server.url()).await;
    let (good, bad, foreign) = (record(1), record(2), record(3));
    for record in [&good, &bad, &foreign] {
        keys.write(record).await.unwrap();
    }
    let stored = bench.raw().scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    for (record, text) in [
        (&bad, "{\"id\":".to_owned()),
        // Somebody put the record of one key in the place of another.
        (&foreign, serde_json::to_string(&good).unwrap()),
    ] {
        let is_its = |sort: &AttributeValue| sort.as_s().unwrap() == record.id.as_str();
        let mut item = stored.iter().find(|item| is_its(&item["sk"])).unwrap().clone();
        item.insert("record".to_owned(), AttributeValue::S(text));
        bench.raw().put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
        let found = keys.find(&record.id).await;
        assert!(matches!(found, Err(PortError::Corrupt { .. })), "{found:?}");
    }
    let listed = keys.list(None).await.unwrap().items;
    assert_eq!(listed.into_iter().map(|key| key.record).collect::<Vec<_>>(), vec![good]);
    // Whoever knows the record as it was can write it anew.
    let written = keys.write(&bad.changed("second".to_owned())).await;
    assert_eq!(written, Ok(RevisionWritten::Done));
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_cursor_of_another_store_is_refused() {
    let bench = Bench::start().await;
    let keys = keys_at(bench.server.url()).await;
    for text in ["", "elsewhere", "16/", "-1/a", "256/a", "a/b"] {
        let error = keys.list(Some(&Cursor(text.to_owned()))).await.unwrap_err().to_string();
        assert!(error.ends_with("the cursor is not one of this store"), "{text}: {error}");
    }
    bench.server.shutdown().await;
}
