//! Breakers on the local table service: the suite, what only a table can do, and the suite once more with
//! every answer to a write lost (F36).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use relay_aws::{DynamoBreakers, Endpoints};
use relay_core::breaker::{Breaker, Phase, Rule, Why, WriteId};
use relay_core::ports::{BreakerWritten, Breakers};
use relay_core::time::Timestamp;
use relay_testkit::conformance::breakers;
use relay_testkit::sample;

use crate::lost_answers::losing;
use crate::store::{Bench, TABLE};
use crate::{actions, clients};

/// The suite writes more often than that; fewer lost answers would mean that nothing was lost.
const LOST_MIN: usize = 20;

async fn breakers_at(url: String) -> DynamoBreakers {
    let endpoints = Endpoints { dynamodb: Some(url), ..Endpoints::default() };
    DynamoBreakers::new(&clients(endpoints).await, TABLE)
}

fn breaker(written_at: Timestamp) -> Breaker {
    Breaker {
        version: 1,
        write_id: WriteId::from_random([1; 16]),
        written_at,
        since: written_at,
        opened_in: 1,
        openings: 1,
        phase: Phase::Open { until: written_at },
        why: Why { rule: Rule::Probe, last: Ok(503) },
    }
}

#[tokio::test]
async fn the_breakers_keep_the_contract_and_stay_within_their_role() {
    let bench = Bench::start().await;
    breakers::run_all(Arc::new(breakers_at(bench.server.url()).await)).await;
    assert_eq!(actions(&bench.recorder), ["dynamodb:GetItem", "dynamodb:PutItem"]);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn f36_every_write_of_a_breaker_recognises_itself_when_its_answer_is_lost() {
    let bench = Bench::start().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let way = losing(bench.server.url(), Arc::clone(&lost)).await;
    breakers::run_all(Arc::new(breakers_at(way).await)).await;
    let lost = lost.load(Ordering::SeqCst);
    assert!(lost >= LOST_MIN, "only {lost} answers were lost");
    bench.server.shutdown().await;
}

#[tokio::test]
async fn f27_a_breaker_is_removed_by_the_table_in_its_time() {
    let bench = Bench::start().await;
    let breakers = breakers_at(bench.server.url()).await;
    let past = Timestamp::from_millis(1_600_000_000_000);
    assert_eq!(
        breakers.write("https://old.example", &breaker(past)).await,
        Ok(BreakerWritten::Done)
    );
    assert_eq!(bench.server.sweep_expired().unwrap(), 1);
    assert_eq!(breakers.read("https://old.example", past).await, Ok(None));
    bench.server.shutdown().await;
}

#[tokio::test]
async fn an_unreadable_breaker_counts_as_absent_and_is_replaced_by_the_first_write() {
    let bench = Bench::start().await;
    let breakers = breakers_at(bench.server.url()).await;
    for content in [Some("{}"), Some("{\"version\":"), None] {
        let key = [("pk", "DEST#https://broken.example"), ("sk", "BREAKER")];
        let item: HashMap<String, AttributeValue> = key
            .into_iter()
            .chain(content.map(|content| ("breaker", content)))
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
            .collect();
        bench.raw().put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
        assert_eq!(breakers.read("https://broken.example", sample::START).await, Ok(None));
        let first = breaker(sample::START);
        let second = Breaker { version: 2, ..first.clone() };
        let refused = breakers.write("https://broken.example", &second).await;
        assert_eq!(refused, Ok(BreakerWritten::Changed(None)), "{content:?}");
        let written = breakers.write("https://broken.example", &first).await;
        assert_eq!(written, Ok(BreakerWritten::Done), "{content:?}");
        let read = breakers.read("https://broken.example", sample::START).await;
        assert_eq!(read, Ok(Some(first)), "{content:?}");
    }
    bench.server.shutdown().await;
}
