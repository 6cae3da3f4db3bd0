//! Requests that count once, on the local table service: the suite, once more with every answer to a write lost (F36),
//! and when the table forgets them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use relay_aws::{DynamoReplays, Endpoints};
use relay_core::ports::Replays;
use relay_core::time::Timestamp;
use relay_testkit::conformance::replays;

use crate::lost_answers::losing;
use crate::store::{Bench, TABLE};
use crate::{actions, clients};

/// The suite writes more often than that; fewer lost answers would mean that nothing was lost.
const LOST_MIN: usize = 40;

async fn replays_at(url: String) -> DynamoReplays {
    let endpoints = Endpoints { dynamodb: Some(url), ..Endpoints::default() };
    DynamoReplays::new(&clients(endpoints).await, TABLE)
}

#[tokio::test]
async fn the_notes_keep_the_contract_and_stay_within_their_role() {
    let bench = Bench::start().await;
    replays::run_all(Arc::new(replays_at(bench.server.url()).await)).await;
    assert_eq!(actions(&bench.recorder), ["dynamodb:UpdateItem"]);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn f36_a_request_whose_note_lost_its_answer_is_still_the_first() {
    let bench = Bench::start().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let way = losing(bench.server.url(), Arc::clone(&lost)).await;
    replays::run_all(Arc::new(replays_at(way).await)).await;
    let lost = lost.load(Ordering::SeqCst);
    assert!(lost >= LOST_MIN, "only {lost} answers were lost");
    bench.server.shutdown().await;
}

#[tokio::test]
async fn f27_a_note_is_removed_by_the_table_in_its_time() {
    let bench = Bench::start().await;
    let replays = replays_at(bench.server.url()).await;
    let past = Timestamp::from_millis(1_600_000_000_000);
    let until = Timestamp::from_millis(1_600_000_000_001);
    assert_eq!(replays.is_first("old", "one", until, past).await, Ok(true));
    let items = bench.raw().scan().table_name(TABLE).send().await.unwrap().items.unwrap();
    assert_eq!(items[0]["expires_at"].as_n().unwrap(), "1600000001");
    assert_eq!(bench.server.sweep_expired().unwrap(), 1);
    assert_eq!(replays.is_first("old", "two", until, past).await, Ok(true));
    bench.server.shutdown().await;
}
