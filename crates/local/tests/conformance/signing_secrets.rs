//! Signing records on the local table service: the suite, in short pages too, and once more with every answer to a
//! write lost (F36).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use relay_aws::{DynamoSigningSecrets, Endpoints};
use relay_testkit::conformance::signing_secrets;

use crate::lost_answers::losing;
use crate::store::{Bench, TABLE};
use crate::{actions, clients};

/// The suite writes more often than that; fewer lost answers would mean that nothing was lost.
const LOST_MIN: usize = 50;

async fn secrets_at(url: String) -> DynamoSigningSecrets {
    let endpoints = Endpoints { dynamodb: Some(url), ..Endpoints::default() };
    DynamoSigningSecrets::new(&clients(endpoints).await, TABLE)
}

#[tokio::test]
async fn the_signing_records_keep_the_contract_and_stay_within_their_role() {
    let bench = Bench::start().await;
    signing_secrets::run_all(Arc::new(secrets_at(bench.server.url()).await)).await;
    let allowed = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"];
    assert_eq!(actions(&bench.recorder), allowed);
    // They stay for good.
    assert_eq!(bench.server.sweep_expired().unwrap(), 0);
    bench.server.shutdown().await;
}

#[tokio::test]
async fn the_signing_records_keep_the_contract_in_short_pages() {
    let bench = Bench::start().await;
    let secrets = secrets_at(bench.server.url()).await.with_short_pages(2);
    signing_secrets::run_all(Arc::new(secrets)).await;
    bench.server.shutdown().await;
}

#[tokio::test]
async fn f36_every_write_of_a_signing_record_recognises_itself_when_its_answer_is_lost() {
    let bench = Bench::start().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let way = losing(bench.server.url(), Arc::clone(&lost)).await;
    signing_secrets::run_all(Arc::new(secrets_at(way).await)).await;
    let lost = lost.load(Ordering::SeqCst);
    assert!(lost >= LOST_MIN, "only {lost} answers were lost");
    bench.server.shutdown().await;
}
