//! Messages whose queue item is lost come back, and no others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::decide::Decision;
use relay_core::envelope::{DELAY_ATTRIBUTE, Envelope};
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Phase, Status};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{
    Claim, Cursor, DeadEntry, DeadWanted, Ledger, Page, PortError, Settlement, Store,
};
use relay_core::time::Timestamp;
use relay_operate::recover::RecoverOutcome;
use relay_operate::{Recover, RecoverOptions, Recovered};
use relay_testkit::sample;

use crate::world::World;

/// How long a copy is delayed.
const DELAY: Duration = Duration::from_secs(1);
const OLD: Duration = Duration::from_secs(600);
const FOR_REAL: RecoverOptions =
    RecoverOptions { older_than: OLD, dry_run: false, per_second: None };

async fn recovered(
    world: &World,
    options: &RecoverOptions,
) -> (BTreeSet<RelayId>, Vec<RecoverOutcome>) {
    let (mut ids, mut outcomes) = (BTreeSet::new(), Vec::new());
    let mut on = |one: Recovered| {
        ids.insert(one.id);
        outcomes.push(one.outcome);
    };
    world.recover().recover(options, &mut on).await.unwrap();
    (ids, outcomes)
}

async fn sent(world: &World, options: &RecoverOptions) -> usize {
    let (_, outcomes) = recovered(world, options).await;
    outcomes.iter().filter(|outcome| **outcome == RecoverOutcome::Sent).count()
}

/// Claims, and settles if there is something to settle.
async fn attempted(world: &World, name: &str, decision: Option<Decision>) -> Message {
    let message = world.queued(name).await;
    let life = message.first_life();
    let claim = sample::claim(&life, 1, world.now());
    let Ok(Claim::Ours(lease)) = world.store.claim(&message.id, &claim).await else {
        panic!("not claimed")
    };
    if let Some(decision) = decision {
        let (id, now) = (message.id.clone(), world.now());
        let attempt = sample::attempt(1, 503);
        let settlement = Settlement { id, life, lease, attempt, decision, now };
        world.store.settle(&settlement).await.unwrap();
    }
    message
}

/// Pages in no order whose borders cut through a message, as a scan of two items a message has them.
struct Overlapping(Vec<Vec<RelayId>>);

#[async_trait]
impl Ledger for Overlapping {
    async fn dead(
        &self,
        _: u8,
        _: DeadWanted,
        _: Timestamp,
        _: Timestamp,
        _: Option<&Cursor>,
    ) -> Result<Page<DeadEntry>, PortError> {
        panic!("nobody asked for dead letters")
    }

    async fn unfinished(&self, after: Option<&Cursor>) -> Result<Page<RelayId>, PortError> {
        let number: usize = after.map_or(0, |after| after.0.parse().unwrap());
        let next = (number + 1 < self.0.len()).then(|| Cursor((number + 1).to_string()));
        Ok(Page { items: self.0[number].clone(), next })
    }
}

#[tokio::test]
async fn f43_a_message_on_the_border_of_two_pages_is_sent_once() {
    let world = World::new();
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(world.queued(name).await.id);
    }
    purged(&world);
    world.clock.advance(OLD);
    let page = |of: &[usize]| of.iter().map(|index| ids[*index].clone()).collect::<Vec<_>>();
    let pages = vec![page(&[1, 0]), page(&[2, 1]), page(&[]), page(&[3]), page(&[3])];
    let recover = Recover { ledger: Arc::new(Overlapping(pages)), ..world.recover() };
    let mut told = Vec::new();
    recover.recover(&FOR_REAL, &mut |one| told.push(one.id)).await.unwrap();
    assert_eq!(told, page(&[1, 0, 2, 3]));
    world.clock.advance(DELAY);
    assert_eq!(world.in_queue().len(), 4);
}

/// The queue loses everything that is in it.
fn purged(world: &World) {
    for item in world.queue.receive(usize::MAX, Duration::from_secs(1)) {
        world.queue.delete(&item.receipt);
    }
    assert_eq!(world.queue.depth(), 0);
}

#[tokio::test]
async fn f43_what_the_queue_lost_is_sent_again_in_the_life_it_is_in() {
    let world = World::new();
    let retry = |wait| Decision::Retry { not_before: sample::START.plus(wait) };
    let expected = [
        world.queued("queued").await,
        attempted(&world, "held", None).await,
        attempted(&world, "waiting", Some(retry(Duration::from_secs(5)))).await,
        {
            let message = world.buried("redriven", DeadReason::Gone).await;
            let next = world.begun_again(&message).await;
            world.store.mark_queued(&message.id, &next, world.now()).await.unwrap();
            message
        },
    ];
    attempted(&world, "delivered", Some(Decision::Delivered)).await;
    world.buried("dead", DeadReason::Gone).await;
    attempted(&world, "later", Some(retry(OLD * 2))).await;
    world.clock.advance(OLD);
    world.queued("fresh").await;
    purged(&world);
    // What is held was held until its lease ended.
    world.clock.advance(sample::LEASE);
    let ids: BTreeSet<RelayId> = expected.iter().map(|message| message.id.clone()).collect();

    let dry = RecoverOptions { dry_run: true, ..FOR_REAL };
    let (found, outcomes) = recovered(&world, &dry).await;
    assert_eq!((found, outcomes), (ids.clone(), vec![RecoverOutcome::Counted; 4]));
    assert_eq!(world.queue.depth(), 0);

    let (found, outcomes) = recovered(&world, &FOR_REAL).await;
    assert_eq!((found, outcomes), (ids.clone(), vec![RecoverOutcome::Sent; 4]));
    world.clock.advance(DELAY);
    let copies = world.in_queue();
    assert_eq!(copies.len(), 4);
    for copy in copies {
        assert!(ids.contains(&copy.id));
        assert_eq!(copy.life, world.state(&copy.id).await.life);
        // A worker can take it now.
        let claim = sample::claim(&copy.life, 9, world.now());
        let claimed = world.store.claim(&copy.id, &claim).await;
        assert!(matches!(claimed, Ok(Claim::Ours(_))), "{claimed:?}");
    }
}

/// A worker that writes little attempts what is not marked as a copy without a claim, beside whoever else has it.
#[tokio::test]
async fn f43_a_copy_of_a_first_life_is_marked_as_one() {
    let world = World::new();
    let first = world.queued("first").await;
    let redriven = world.buried("redriven", DeadReason::Gone).await;
    let next = world.begun_again(&redriven).await;
    world.store.mark_queued(&redriven.id, &next, world.now()).await.unwrap();
    purged(&world);
    world.clock.advance(OLD);
    assert_eq!(sent(&world, &FOR_REAL).await, 2);
    world.clock.advance(DELAY);
    for item in world.queue.receive(usize::MAX, Duration::ZERO) {
        let is_first = Envelope::from_json(&item.text).unwrap().id == first.id;
        let is_marked = item.attributes.contains_key(DELAY_ATTRIBUTE);
        assert_eq!(is_marked, is_first, "later lives are claimed whatever copy they come by");
    }
}

#[tokio::test]
async fn f43_an_acceptance_that_died_before_its_send_is_finished() {
    let world = World::new();
    let message = sample::message("unsent", 1);
    world.store.record(&message, world.now()).await.unwrap();
    world.clock.advance(OLD);
    assert_eq!(sent(&world, &FOR_REAL).await, 1);
    assert_eq!(world.state(&message.id).await.phase, Phase::Queued);
    // It is in the queue now: the next run has nothing to do.
    assert_eq!(sent(&world, &FOR_REAL).await, 0);
}

#[tokio::test]
async fn f43_a_failure_leaves_the_others_and_is_told() {
    let world = World::new();
    for number in 0..10 {
        world.queued(&format!("queued-{number}")).await;
    }
    purged(&world);
    world.clock.advance(OLD);
    world.plan.fail(&[(3, relay_testkit::faults::Fate::Lost)]);
    let (_, outcomes) = recovered(&world, &FOR_REAL).await;
    assert_eq!(outcomes.len(), 10);
    let failed = |outcome: &&RecoverOutcome| matches!(outcome, RecoverOutcome::Failed(_));
    assert_eq!(outcomes.iter().filter(failed).count(), 1);
    world.plan.fail(&[]);
    recovered(&world, &FOR_REAL).await;
    world.clock.advance(DELAY);
    let ids: BTreeSet<_> = world.in_queue().into_iter().map(|copy| copy.id).collect();
    assert_eq!(ids.len(), 10);
    for id in &ids {
        assert_eq!(world.state(id).await.phase.status(), Status::Queued);
    }
}

#[tokio::test]
async fn a_run_stops_when_nothing_answers_any_more() {
    let world = World::new();
    for number in 0..100 {
        world.queued(&format!("queued-{number}")).await;
    }
    world.clock.advance(OLD);
    world.plan.fail_named(Some("send"));
    let mut told = 0;
    assert!(world.recover().recover(&FOR_REAL, &mut |_| told += 1).await.is_err());
    assert_eq!(told, 18, "sixteen, and the others of the sixth page of three");
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept() {
    let world = World::new();
    for number in 0..11 {
        world.queued(&format!("queued-{number}")).await;
    }
    world.clock.advance(OLD);
    let begun = tokio::time::Instant::now();
    let options = RecoverOptions { per_second: Some(5), ..FOR_REAL };
    assert_eq!(sent(&world, &options).await, 11);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
}
