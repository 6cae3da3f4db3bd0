//! A run ends in time, shows every letter again, and does not hammer on services that are down.

use std::time::Duration;

use relay_core::outcome::DeadReason;

use crate::world::{LONG, RUN, World};

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
    let report = world.run().await;
    assert_eq!(report.letters_seen, MANY as u64 + 1);
    assert_eq!(report.letters_judged, 1_001);
    assert!(report.unfinished);
    assert_eq!((report.given_up, report.removed), (1, 1));
    assert_eq!(world.shown().await, MANY + 1);
}

/// A run that was killed leaves its letters hidden for as long as it could have run, and not much longer.
#[tokio::test]
async fn letters_that_were_not_shown_again_come_back() {
    let world = World::new();
    world.buried("buried", DeadReason::Gone).await;
    world.plan.fail_named(Some("release_letters"));
    assert_eq!(world.run().await.failed, 1);
    assert_eq!(world.shown().await, 0);
    world.clock.advance(RUN + Duration::from_secs(5));
    assert_eq!(world.shown().await, 1);
}
