//! A run ends in time, shows every letter again, and does not hammer on services that are down.

use std::time::Duration;

use relay_core::outcome::DeadReason;
use relay_core::ports::{DEAD_SHARDS, DeadLetter, Queue};
use relay_testkit::faults::Fate;

use crate::world::{LONG, World};

/// More letters than a run compares.
const MANY: usize = 1_100;
/// Calls that a run makes at most when every one fails: it gives up each half after 16.
const FAILED_CALLS_MAX: usize = 64;

#[tokio::test]
async fn a_run_without_time_begins_nothing() {
    let world = World::new();
    world.dead("unburied", DeadReason::Gone).await;
    world.buried("buried", DeadReason::Gone).await;
    world.clock.advance(LONG);
    world.plan.fail(&[]);
    let report = world.reconciler().run(world.now().plus(Duration::from_secs(10))).await;
    assert!(report.unfinished);
    assert_eq!((report.buried, report.letters_seen, report.failed), (0, 0, 0));
    assert!(world.plan.calls().is_empty(), "{:?}", world.plan.calls());
    assert_eq!(world.letters().len(), 1);
}

#[tokio::test]
async fn a_run_stops_when_the_services_are_down() {
    let world = World::new();
    for number in 0..100 {
        world.dead(&format!("dead-{number}"), DeadReason::Gone).await;
    }
    world.clock.advance(LONG);
    world.plan.fail(&[]);
    world.plan.fail_all(true);
    let report = world.run().await;
    let calls = world.plan.calls().len();
    assert!(calls <= FAILED_CALLS_MAX, "{calls} calls");
    assert!(report.failed >= 32 && report.unfinished, "{report:?}");
    world.plan.fail_all(false);
    world.settle().await;
    assert_eq!(world.letters().len(), 100);
}

#[tokio::test]
async fn of_very_many_letters_a_part_is_compared_and_all_are_shown_again() {
    let world = World::new();
    for number in 0..MANY {
        world.buried(&format!("buried-{number}"), DeadReason::Gone).await;
    }
    // What the queue moved is compared whatever else is there.
    world.queued("moved").await;
    world.queue.move_received_often(0);
    world.clock.advance(LONG);
    world.plan.fail(&[]);
    let report = world.run().await;
    let calls = world.plan.calls();
    let first_shown = calls.iter().position(|call| *call == "release_letters").unwrap();
    let last_read = calls.iter().rposition(|call| *call == "find").unwrap();
    assert!(first_shown < last_read, "what is compared is shown while others are compared");
    assert_eq!(report.letters_seen, MANY as u64 + 1);
    assert_eq!(report.letters_judged, 1_001);
    assert!(report.unfinished);
    assert_eq!((report.given_up, report.removed), (1, 1));
    assert_eq!(world.shown().await, MANY + 1);
}

/// A letter is billed and read by its size, so no run takes more than so much.
#[tokio::test]
async fn of_very_large_letters_a_part_is_received() {
    let world = World::new();
    let text = "x".repeat(1024 * 1024);
    for _ in 0..100 {
        let letter = DeadLetter { text: text.clone(), attributes: Vec::new() };
        world.queue.bury(&letter).await.unwrap();
    }
    let report = world.run().await;
    assert!(report.unfinished);
    assert_eq!(report.letters_seen, 70, "64 MiB, and what was left of one call");
    assert_eq!(world.shown().await, 100);
}

#[tokio::test]
async fn receives_that_fail_now_and_then_do_not_end_a_run() {
    let world = World::new();
    for number in 0..200 {
        world.buried(&format!("buried-{number}"), DeadReason::Gone).await;
    }
    // One call for each part of the index, and then every other receive.
    let first = usize::from(DEAD_SHARDS);
    let failing: Vec<_> = (first..first + 40).step_by(2).map(|at| (at, Fate::Lost)).collect();
    world.plan.fail(&failing);
    let report = world.run().await;
    assert_eq!((report.failed, report.letters_seen, report.unfinished), (20, 200, false));
}

/// A run that was killed leaves its letters hidden for some seconds, and not for as long as it had.
#[tokio::test]
async fn letters_that_were_not_shown_again_come_back() {
    let world = World::new();
    world.buried("buried", DeadReason::Gone).await;
    world.plan.fail_named(Some("release_letters"));
    assert_eq!(world.run().await.failed, 1);
    assert_eq!(world.shown().await, 0);
    world.clock.advance(Duration::from_secs(44));
    assert_eq!(world.shown().await, 0);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.shown().await, 1);
}
