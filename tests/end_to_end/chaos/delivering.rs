//! Faults while a message is delivered, given up or brought back.

use relay_testkit::wire::{Fault, Rule, Service};

use crate::world::{HELD, INGEST, WORKER, World};

#[tokio::test]
async fn f09_f10_a_worker_killed_before_it_notes_a_delivery_delivers_again_and_says_so() {
    let world = World::start().await;
    let id = world.accepted(&world.message("/slow/400", "one")).await;
    world.called(&id, 1).await;
    // Whatever this worker writes next is what came of the call.
    world.fail(Rule::next(Service::DynamoDb, "PutItem", HELD).by(WORKER));
    world.all_failed().await;
    world.kill("worker").await;
    assert_eq!(world.taken(&id), [1]);
    let shown = world.finished(&id).await;
    assert_eq!(shown.status, "DELIVERED");
    let errors: Vec<_> =
        shown.outcomes.iter().map(|it| (it.attempt, it.error.as_deref())).collect();
    assert_eq!(errors, [(1, Some("unknown")), (2, None)]);
    assert_eq!(world.taken(&id), [1, 2], "the overlap that is documented");
    world.drained().await;
}

#[tokio::test]
async fn f11_a_worker_killed_after_it_noted_a_delivery_makes_no_further_call() {
    let world = World::start().await;
    let id = world.accepted(&world.message("/slow/400", "one")).await;
    world.called(&id, 1).await;
    // It is written, but the worker does not learn of it, and dies when it asks again.
    world.fail(Rule::next(Service::DynamoDb, "PutItem", Fault::AnswerLost).by(WORKER));
    world.fail(Rule::next(Service::DynamoDb, "PutItem", HELD).by(WORKER));
    world.all_failed().await;
    world.kill("worker").await;
    assert_eq!(world.finished(&id).await.status, "DELIVERED");
    world.drained().await;
    assert_eq!(world.taken(&id), [1]);
}

#[tokio::test]
async fn f17_a_retry_whose_visibility_cannot_be_changed_comes_when_the_queue_shows_it() {
    let world = World::start().await;
    let denied = Service::Sqs.error("KmsThrottled").unwrap();
    world.fail(Rule::next(Service::Sqs, "ChangeMessageVisibility", Fault::Error(denied)));
    let id = world.accepted(&world.message("/flaky/1", "one")).await;
    let shown = world.finished(&id).await;
    assert_eq!((shown.status.as_str(), shown.outcomes.len()), ("DELIVERED", 2), "{shown:?}");
    assert_eq!(world.bench.faults().rules_left(), 0);
    world.drained().await;
    assert_eq!(world.taken(&id), [2]);
}

#[tokio::test]
async fn f20_a_worker_killed_between_death_and_burial_is_followed_by_one_that_buries() {
    let world = World::start().await;
    world.fail(Rule::next(Service::Sqs, "SendMessage", HELD).by(WORKER));
    let id = world.accepted(&world.message("/refusing", "one")).await;
    world.all_failed().await;
    world.kill("worker").await;
    let shown = world.finished(&id).await;
    assert_eq!((shown.status.as_str(), shown.reason.as_deref()), ("DEAD", Some("rejected")));
    world.drained().await;
    assert_eq!(world.dead_letters().await, std::slice::from_ref(&id));
    assert_eq!(world.arrivals(&id).len(), 1, "it is buried without another call");
}

#[tokio::test]
async fn f22_a_redrive_that_is_killed_before_the_queue_has_it_can_be_asked_for_again() {
    let world = World::start().await;
    let id = world.accepted(&world.message("/down", "one")).await;
    assert_eq!(world.finished(&id).await.status, "DEAD");
    world.recover();
    world.fail(Rule::next(Service::Sqs, "SendMessage", HELD).by(INGEST));
    let (answer, ()) = tokio::join!(world.redrive(&id), async {
        world.all_failed().await;
        world.kill("ingest").await;
    });
    assert!(answer.status >= 500, "{answer:?}");
    let shown = world.shown(&id).await;
    assert_eq!((shown.status.as_str(), shown.generation), ("PENDING", 1));
    assert_eq!(world.redrive(&id).await.status, 202);
    let shown = world.finished(&id).await;
    assert_eq!((shown.status.as_str(), shown.generation), ("DELIVERED", 1));
    world.drained().await;
    assert_eq!(world.taken(&id), [1], "the first attempt of its second life");
}
