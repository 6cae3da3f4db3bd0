//! All records at once, on the local table service.

use std::sync::{Arc, Mutex};

use relay_aws::{DynamoLedger, Endpoints};
use relay_core::ports::{Cursor, DeadWanted, Ledger};
use relay_testkit::conformance::ledger;
use relay_testkit::sample;

use crate::store::{Bench, TABLE};
use crate::{actions, clients};

/// Short enough that every part of the index has several pages in the cases about many messages.
const PAGE_ITEMS: u16 = 3;

async fn ledger_of(bench: &Bench) -> DynamoLedger {
    let endpoints = Endpoints { dynamodb: Some(bench.server.url()), ..Endpoints::default() };
    DynamoLedger::new(&clients(endpoints).await, TABLE).with_short_pages(PAGE_ITEMS)
}

#[tokio::test]
async fn the_ledger_keeps_the_contract() {
    // A service lives as long as its bench.
    let benches = Mutex::new(Vec::new());
    ledger::run_all(|_| async {
        let bench = Bench::start().await;
        let ledger = Arc::new(ledger_of(&bench).await);
        let subject = ledger::Subject { store: Arc::new(bench.store.clone()), ledger };
        benches.lock().unwrap().push(bench);
        subject
    })
    .await;
}

/// What the reconciler's role names, and what a person who recovers needs besides.
#[tokio::test]
async fn the_ledger_queries_the_index_and_scans_the_table() {
    let bench = Bench::start().await;
    let ledger = ledger_of(&bench).await;
    let wanted = DeadWanted::Unfinished;
    ledger.dead(0, wanted, sample::START, sample::at(1), None).await.unwrap();
    assert_eq!(actions(&bench.recorder), ["dynamodb:Query"]);
    let called = bench.recorder.snapshot().into_iter();
    assert!(called.into_iter().all(|call| call.resource == format!("{TABLE}/index/dead")));
    ledger.unfinished(None).await.unwrap();
    assert_eq!(actions(&bench.recorder), ["dynamodb:Query", "dynamodb:Scan"]);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn a_cursor_of_another_store_is_refused() {
    let bench = Bench::start().await;
    let ledger = ledger_of(&bench).await;
    let cursor = Cursor("elsewhere".to_owned());
    let error = ledger.unfinished(Some(&cursor)).await.unwrap_err().to_string();
    assert!(error.ends_with("the cursor is not one of this store"), "{error}");
    bench.server.shutdown().await;
}
