//! Faults while a message is accepted.

use relay_core::identity::{MessageId, RelayId, SenderId};
use relay_testkit::wire::{Fault, FaultKind, Rule, Service};

use crate::world::{HELD, INGEST, SOON, TRIES, WORKER, World};

/// The relay's id of the one message that a world sends.
fn id() -> String {
    let (sender, message) = (SenderId::parse("tests"), MessageId::parse("m-1"));
    RelayId::of(&sender.unwrap(), &message.unwrap()).to_string()
}

#[tokio::test]
async fn f01_a_process_killed_between_record_and_queue_leaves_it_to_the_clients_retry() {
    let world = World::start().await;
    let message = world.message("/ok", "one");
    world.fail(Rule::next(Service::Sqs, "SendMessage", HELD).by(INGEST));
    let (answer, ()) = tokio::join!(world.post(&message), async {
        world.all_failed().await;
        world.kill("ingest").await;
    });
    assert!(answer.status >= 500, "{answer:?}");
    assert_eq!(world.shown(&id()).await.status, "PENDING");
    assert_eq!(world.accepted(&message).await, id());
    assert_eq!(world.finished(&id()).await.status, "DELIVERED");
    world.drained().await;
    assert_eq!(world.taken(&id()), [1]);
}

#[tokio::test]
async fn f02_a_send_whose_answers_are_lost_is_sent_again_and_delivered_once() {
    let world = World::start().await;
    let message = world.message("/slow/300", "one");
    let lost = Rule::next(Service::Sqs, "SendMessage", Fault::AnswerLost);
    world.fail(lost.by(INGEST).times(TRIES));
    world.post(&message).await.is_not_now();
    let again = world.post(&message).await;
    assert!(matches!(again.status, 200 | 202), "{again:?}");
    assert_eq!(world.finished(&id()).await.status, "DELIVERED");
    let sends = world.bench.faults().counts().operation(Service::Sqs, "SendMessage");
    assert!(sends.calls >= u64::from(TRIES), "{sends:?}");
    world.drained().await;
    assert_eq!(world.taken(&id()), [1], "the queue held several copies of it");
}

#[tokio::test]
async fn f05_a_process_killed_while_it_stores_a_body_leaves_no_half_of_it() {
    let world = World::start().await;
    let body = "0123456789abcdef".repeat(300 * 64);
    let message = world.message("/ok", &body);
    world.fail(Rule::next(Service::S3, "PutObject", HELD).by(INGEST));
    let (answer, ()) = tokio::join!(world.post(&message), async {
        world.all_failed().await;
        world.kill("ingest").await;
    });
    assert!(answer.status >= 500, "{answer:?}");
    assert_eq!(world.accepted(&message).await, id());
    assert_eq!(world.finished(&id()).await.status, "DELIVERED");
    world.drained().await;
    assert_eq!(world.taken(&id()), [1]);
    let expected = relay_core::body::Sha256::of(body.as_bytes()).to_string();
    assert_eq!(world.arrivals(&id())[0].body_sha256, expected);
}

#[tokio::test]
async fn f06_a_table_that_throttles_is_asked_again_and_then_reported() {
    let world = World::start().await;
    let message = world.message("/ok", "one");
    let throttled = Service::DynamoDb.error("ProvisionedThroughputExceededException").unwrap();
    let rule = Rule::next(Service::DynamoDb, "PutItem", Fault::Error(throttled)).by(INGEST);
    world.fail(rule.clone().times(TRIES));
    world.post(&message).await.is_not_now();
    assert!(world.arrivals(&id()).is_empty(), "nothing half done is set going");
    world.fail(rule);
    assert_eq!(world.post(&message).await.status, 202, "one failed try is the relay's own matter");
    assert_eq!(world.finished(&id()).await.status, "DELIVERED");
    world.drained().await;
    assert_eq!(world.taken(&id()), [1]);
}

#[tokio::test]
async fn f36_writes_whose_answers_are_lost_are_recognised_on_the_way_in_and_out() {
    let world = World::start().await;
    for (operation, caller) in [("PutItem", INGEST), ("UpdateItem", WORKER), ("PutItem", WORKER)] {
        world.fail(Rule::next(Service::DynamoDb, operation, Fault::AnswerLost).by(caller));
    }
    let answer = world.post(&world.message("/ok", "one")).await;
    assert_eq!((answer.status, answer.json["duplicate"].as_bool()), (202, Some(false)));
    let shown = world.finished(&id()).await;
    assert_eq!((shown.status.as_str(), shown.outcomes.len()), ("DELIVERED", 1), "{shown:?}");
    world
        .until("the lost answers", SOON, async || {
            (world.bench.faults().rules_left() == 0).then_some(())
        })
        .await;
    let lost = world.bench.faults().counts().total().of(FaultKind::AnswerLost);
    assert_eq!(lost, 3);
    world.drained().await;
    assert_eq!(world.taken(&id()), [1]);
}
