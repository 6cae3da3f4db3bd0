//! Dead letters in numbers: which ones a filter takes, and setting them going without fear.

use std::collections::BTreeSet;
use std::time::Duration;

use relay_core::identity::{Generation, RelayId};
use relay_core::lifecycle::{Again, Status};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_operate::dead::RedriveOutcome;
use relay_operate::{DeadFilter, Ended, RedriveOptions};
use relay_testkit::sample;

use crate::world::{FAILURES, World};

const FOR_REAL: RedriveOptions = RedriveOptions { dry_run: false, per_second: None };

/// Dead letters of three reasons, one a second.
async fn several(world: &World, count: usize) -> Vec<Message> {
    let reasons = [DeadReason::Gone, DeadReason::Rejected, DeadReason::AttemptsExhausted];
    let mut messages = Vec::new();
    for (number, reason) in (0..count).zip(reasons.into_iter().cycle()) {
        messages.push(world.buried(&format!("several-{number}"), reason).await);
        world.clock.advance(Duration::from_secs(1));
    }
    messages
}

fn ids<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<RelayId> {
    messages.into_iter().map(|message| message.id.clone()).collect()
}

async fn listed(world: &World, filter: &DeadFilter, limit: usize) -> Vec<RelayId> {
    let found = world.dead_letters().list_dead(filter, limit).await.unwrap();
    ids(found.iter().map(|listed| &listed.found.as_ref().unwrap().message))
}

async fn redriven(
    world: &World,
    filter: &DeadFilter,
    options: &RedriveOptions,
) -> Vec<(RelayId, RedriveOutcome)> {
    let mut told = Vec::new();
    let mut on = |one: relay_operate::Redriven| told.push((one.id, one.outcome));
    world.dead_letters().redrive_many(filter, options, &mut on).await.unwrap();
    told
}

#[tokio::test]
async fn the_newest_come_first_and_no_more_than_asked_for() {
    let world = World::new();
    let mut messages = several(&world, 40).await;
    messages.reverse();
    let all = DeadFilter::default();
    assert_eq!(listed(&world, &all, 1_000).await, ids(&messages));
    assert_eq!(listed(&world, &all, 7).await, ids(&messages[..7]));
    assert_eq!(listed(&world, &all, 0).await, []);
}

#[tokio::test]
async fn a_filter_takes_what_all_of_it_holds_for() {
    let world = World::new();
    let messages = several(&world, 12).await;
    world.queued("waiting").await;
    let seconds = |seconds| Some(sample::START.plus(Duration::from_secs(seconds)));
    let of = |filter: DeadFilter, expected: &[usize]| {
        let expected: BTreeSet<RelayId> =
            expected.iter().map(|index| messages[*index].id.clone()).collect();
        (filter, expected)
    };
    let destination = messages[0].target.destination();
    let none = DeadFilter::default();
    for (filter, expected) in [
        of(DeadFilter { reason: Some(DeadReason::Rejected), ..none.clone() }, &[1, 4, 7, 10]),
        of(DeadFilter { from: seconds(10), ..none.clone() }, &[10, 11]),
        of(DeadFilter { until: seconds(2), ..none.clone() }, &[0, 1]),
        of(DeadFilter { from: seconds(3), until: seconds(4), ..none.clone() }, &[3]),
        of(DeadFilter { from: seconds(4), until: seconds(3), ..none.clone() }, &[]),
        of(
            DeadFilter { reason: Some(DeadReason::Gone), until: seconds(4), ..none.clone() },
            &[0, 3],
        ),
        of(
            DeadFilter {
                sender_id: Some(messages[0].sender_id.clone()),
                until: seconds(1),
                ..none.clone()
            },
            &[0],
        ),
        of(
            DeadFilter {
                sender_id: relay_core::identity::SenderId::parse("other").ok(),
                ..none.clone()
            },
            &[],
        ),
        of(DeadFilter { destination: Some(destination), until: seconds(1), ..none.clone() }, &[0]),
        of(DeadFilter { destination: Some("https://other.example".to_owned()), ..none }, &[]),
    ] {
        let listed: BTreeSet<_> = listed(&world, &filter, 100).await.into_iter().collect();
        assert_eq!(listed, expected, "{filter:?}");
        // A dry run counts the same and changes nothing.
        let options = RedriveOptions { dry_run: true, ..FOR_REAL };
        let told = redriven(&world, &filter, &options).await;
        assert_eq!(told.len(), expected.len());
        assert!(told.iter().all(|(_, outcome)| *outcome == RedriveOutcome::Counted));
    }
    assert_eq!(world.in_queue().len(), 1);
}

#[tokio::test]
async fn f22_every_dead_letter_goes_again_once_the_oldest_first() {
    let world = World::new();
    let messages = several(&world, 40).await;
    let told = redriven(&world, &DeadFilter::default(), &FOR_REAL).await;
    let again = RedriveOutcome::Again(Generation(1));
    let expected: Vec<_> = ids(&messages).into_iter().map(|id| (id, again.clone())).collect();
    assert_eq!(told, expected);
    assert_eq!(world.in_queue().len(), 40);
    assert_eq!(redriven(&world, &DeadFilter::default(), &FOR_REAL).await, []);
}

/// Whatever the first run met, the second one and the reconciler leave nothing behind.
#[tokio::test]
async fn f22_a_run_that_was_interrupted_is_finished_by_the_next() {
    for number in 16..60 {
        for fate in FAILURES {
            let world = World::new();
            let messages = several(&world, 3).await;
            world.plan.fail(&[(number, fate)]);
            let dead = world.dead_letters();
            drop(dead.redrive_many(&DeadFilter::default(), &FOR_REAL, &mut |_| {}).await);
            world.plan.fail(&[]);
            redriven(&world, &DeadFilter::default(), &FOR_REAL).await;
            world.settle().await;
            for message in &messages {
                let state = world.state(&message.id).await;
                let now = (state.phase.status(), state.life.generation);
                assert_eq!(now, (Status::Queued, Generation(1)), "{number} {fate:?}");
            }
            let copies = world.in_queue();
            assert!(copies.iter().all(|copy| copy.life.generation == Generation(1)));
            let ids: BTreeSet<_> = copies.into_iter().map(|copy| copy.id).collect();
            assert_eq!(ids.len(), 3, "{number} {fate:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f22_two_runs_at_once_begin_one_generation() {
    let world = World::new();
    let messages = several(&world, 30).await;
    world.plan.slow_down();
    let (all, dead) = (DeadFilter::default(), world.dead_letters());
    let (mut begun, mut begun_too) = (0, 0);
    let count =
        |one: &relay_operate::Redriven| u32::from(matches!(one.outcome, RedriveOutcome::Again(_)));
    let (mut one, mut other) = (|one| begun += count(&one), |one| begun_too += count(&one));
    let (one, other) = tokio::join!(
        dead.redrive_many(&all, &FOR_REAL, &mut one),
        dead.redrive_many(&all, &FOR_REAL, &mut other)
    );
    assert_eq!((one, other), (Ok(Ended::Whole), Ok(Ended::Whole)));
    assert!(begun + begun_too >= 30);
    for message in &messages {
        assert_eq!(world.state(&message.id).await.life.generation, Generation(1));
    }
    let copies = world.in_queue();
    assert!(copies.iter().all(|copy| copy.life.generation == Generation(1)));
    let ids: BTreeSet<_> = copies.into_iter().map(|copy| copy.id).collect();
    assert_eq!(ids, messages.into_iter().map(|message| message.id).collect());
}

/// What died again while the run was under way was not asked for.
#[tokio::test]
async fn f22_what_dies_again_meanwhile_is_left() {
    let world = World::new();
    let message = several(&world, 1).await.remove(0);
    let begun_at = world.now();
    world.going().again(&message.id, Again::Redrive).await.unwrap();
    let next = world.state(&message.id).await.life;
    world.give_up(&message, &next, DeadReason::Gone).await;
    assert_eq!(world.now(), begun_at, "died at the very moment that the run begins");
    assert_eq!(redriven(&world, &DeadFilter::default(), &FOR_REAL).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_by_what_is_set_going_and_counts_nothing_else() {
    let world = World::new();
    several(&world, 21).await;
    let options = RedriveOptions { per_second: Some(10), ..FOR_REAL };
    let only = DeadFilter { reason: Some(DeadReason::Gone), ..DeadFilter::default() };
    let begun = tokio::time::Instant::now();
    assert_eq!(redriven(&world, &only, &options).await.len(), 7);
    assert_eq!(begun.elapsed(), Duration::from_millis(600));
    let dry = RedriveOptions { dry_run: true, ..options };
    assert_eq!(redriven(&world, &DeadFilter::default(), &dry).await.len(), 14);
    assert_eq!(begun.elapsed(), Duration::from_millis(600));
}

/// How a redrive of sixteen dead letters ends when the stop is asked for as the given one is told of, and how many
/// went. Eight are at hand at once.
async fn stopped_at(asked_at: usize) -> (Ended, usize) {
    let world = World::new();
    several(&world, 16).await;
    let dead = world.dead_letters();
    let mut told = 0;
    let mut on = |_| {
        told += 1;
        if told == asked_at {
            dead.stop.ask();
        }
    };
    let ended = dead.redrive_many(&DeadFilter::default(), &FOR_REAL, &mut on).await;
    (ended.unwrap(), world.in_queue().len())
}

#[tokio::test]
async fn a_stop_leaves_the_rest_and_one_that_comes_too_late_leaves_nothing() {
    assert_eq!(stopped_at(1).await, (Ended::Interrupted, 8));
    assert_eq!(stopped_at(8).await, (Ended::Interrupted, 8));
    assert_eq!(stopped_at(9).await, (Ended::Whole, 16));
    assert_eq!(stopped_at(17).await, (Ended::Whole, 16));
}

#[tokio::test]
async fn a_run_stops_when_nothing_answers_any_more() {
    let world = World::new();
    several(&world, 100).await;
    world.plan.fail_named(Some("send"));
    let mut failed = 0;
    let dead = world.dead_letters();
    let mut on = |one: relay_operate::Redriven| {
        failed += u32::from(matches!(one.outcome, RedriveOutcome::Failed(_)));
    };
    assert!(dead.redrive_many(&DeadFilter::default(), &FOR_REAL, &mut on).await.is_err());
    assert_eq!(failed, 16);
}
