//! Records that cannot be read, and services that fail now and then: neither is an outage.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::identity::{RelayId, SenderId};
use relay_core::lifecycle::{Again, ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Claim, Found, PortError, Recorded, Settled, Settlement, Store};
use relay_core::time::Timestamp;
use relay_operate::dead::RedriveOutcome;
use relay_operate::recover::RecoverOutcome;
use relay_operate::{DeadFilter, DeadLetters, Recover, RecoverOptions, RedriveOptions, SetGoing};
use relay_testkit::MemoryStore;
use relay_testkit::faults::Fate;

use crate::world::World;

/// More than twice what ends a run when it fails in a row.
const MANY: usize = 40;
const OLD: Duration = Duration::from_secs(600);
const REDRIVE: RedriveOptions = RedriveOptions { dry_run: false, per_second: None };
const RECOVER: RecoverOptions =
    RecoverOptions { older_than: OLD, dry_run: false, per_second: None };

/// A store in which some records cannot be read.
struct Torn {
    store: MemoryStore,
    torn: BTreeSet<RelayId>,
}

#[async_trait]
impl Store for Torn {
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        self.store.record(message, now).await
    }

    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        if self.torn.contains(id) { Err(torn()) } else { self.store.find(id, now).await }
    }

    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.store.mark_queued(id, life, now).await
    }

    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError> {
        self.store.claim(id, claim).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        self.store.settle(settlement).await
    }

    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.store.give_up(id, life, reason, now).await
    }

    async fn cancel(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.store.cancel(id, life, now).await
    }

    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.store.mark_buried(id, life, now).await
    }

    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        self.store.begin_again(id, life, again, now).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.store.ready().await
    }
}

fn torn() -> PortError {
    PortError::Corrupt { action: "finding a message", reason: "torn".to_owned() }
}

fn going(world: &World, torn: &[&Message]) -> SetGoing {
    let torn = torn.iter().map(|message| message.id.clone()).collect();
    SetGoing { store: Arc::new(Torn { store: world.store.clone(), torn }), ..world.going() }
}

async fn dead(world: &World, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    for number in 0..count {
        messages.push(world.buried(&format!("dead-{number}"), DeadReason::Gone).await);
        world.clock.advance(Duration::from_secs(1));
    }
    messages
}

#[tokio::test]
async fn one_that_cannot_be_read_hides_no_other_and_is_told_of() {
    let world = World::new();
    let messages = dead(&world, 20).await;
    let going = going(&world, &[&messages[11]]);
    let dead = DeadLetters { going, ..world.dead_letters() };
    let listed = dead.list_dead(&DeadFilter::default(), 100).await.unwrap();
    assert_eq!(listed.len(), 20);
    for (listed, message) in listed.iter().zip(messages.iter().rev()) {
        assert_eq!(listed.id, message.id);
        let expected = if message.id == messages[11].id { Err(torn()) } else { Ok(&message.id) };
        let found = listed.found.as_ref().map(|found| &found.message.id).map_err(Clone::clone);
        assert_eq!(found, expected);
    }
    let mut failed = Vec::new();
    let mut on = |one: relay_operate::Redriven| match one.outcome {
        RedriveOutcome::Failed(error) => failed.push((one.id, error)),
        RedriveOutcome::Counted
        | RedriveOutcome::Again(_)
        | RedriveOutcome::MovedOn(_)
        | RedriveOutcome::NoBody => {}
    };
    dead.redrive_many(&DeadFilter::default(), &REDRIVE, &mut on).await.unwrap();
    assert_eq!(failed, [(messages[11].id.clone(), torn())]);
    assert_eq!(world.in_queue().len(), 19);
}

#[tokio::test]
async fn many_that_cannot_be_read_are_no_outage() {
    let world = World::new();
    let messages = dead(&world, MANY).await;
    let all: Vec<&Message> = messages.iter().collect();
    let dead = DeadLetters { going: going(&world, &all), ..world.dead_letters() };
    let mut told = 0;
    dead.redrive_many(&DeadFilter::default(), &REDRIVE, &mut |_| told += 1).await.unwrap();
    assert_eq!(told, MANY);

    let world = World::new();
    let mut messages = Vec::new();
    for number in 0..=MANY {
        messages.push(world.queued(&format!("queued-{number}")).await);
    }
    world.clock.advance(OLD);
    let torn: Vec<&Message> = messages.iter().skip(1).collect();
    let recover = Recover { going: going(&world, &torn), ..world.recover() };
    let mut told = Vec::new();
    recover.recover(&RECOVER, &mut |one| told.push(one.outcome)).await.unwrap();
    let sent = |outcome: &&RecoverOutcome| **outcome == RecoverOutcome::Sent;
    assert_eq!((told.len(), told.iter().filter(sent).count()), (MANY + 1, 1));
}

/// Lets every fourth of the reads fail that the calls so far were, when they are made again.
fn fail_some_reads(world: &World) -> usize {
    let calls = world.plan.calls();
    let reads = calls.iter().enumerate().filter(|(_, call)| **call == "find");
    let failing: Vec<_> = reads.step_by(4).map(|(number, _)| (number, Fate::Lost)).collect();
    world.plan.fail(&failing);
    failing.len()
}

#[tokio::test]
async fn failures_between_reads_that_match_nothing_are_not_in_a_row() {
    let world = World::new();
    dead(&world, 100).await;
    let filter = DeadFilter { sender_id: SenderId::parse("other").ok(), ..DeadFilter::default() };
    let redrive = async || {
        let mut told = 0;
        let dead = world.dead_letters();
        dead.redrive_many(&filter, &REDRIVE, &mut |_| told += 1).await.map(|_| told)
    };
    world.plan.fail(&[]);
    assert_eq!(redrive().await, Ok(0));
    let failing = fail_some_reads(&world);
    assert_eq!((failing, redrive().await), (25, Ok(25)));

    let world = World::new();
    for number in 0..100 {
        world.queued(&format!("fresh-{number}")).await;
    }
    let recover = async || {
        let mut told = 0;
        world.recover().recover(&RECOVER, &mut |_| told += 1).await.map(|_| told)
    };
    world.plan.fail(&[]);
    assert_eq!(recover().await, Ok(0));
    let failing = fail_some_reads(&world);
    assert_eq!((failing, recover().await), (25, Ok(25)));
}
