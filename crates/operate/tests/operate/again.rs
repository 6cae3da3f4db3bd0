//! Setting one message going again, whatever fails on the way.

use relay_core::identity::Generation;
use relay_core::lifecycle::{Again, Status};
use relay_core::outcome::DeadReason;
use relay_core::ports::{Claim, Store};
use relay_operate::{Gone, can_go};
use relay_testkit::sample;

use crate::world::{FAILURES, World};

const VERBS: [Again; 2] = [Again::Redrive, Again::Resend];

/// The world after the wish was repeated, and nothing failed any more.
async fn check_one_generation(world: &World, case: &str) {
    let id = &world.store.ids()[0];
    let state = world.state(id).await;
    assert_eq!(state.life.generation, Generation(1), "{case}");
    assert_eq!(state.phase.status(), Status::Queued, "{case}");
    let copies = world.in_queue();
    assert!(!copies.is_empty(), "{case}: in no queue");
    assert!(copies.iter().all(|copy| copy.life == state.life), "{case}: {copies:?}");
    // However many copies there are: one claim wins.
    let mut won = 0;
    for (number, copy) in copies.iter().enumerate() {
        let lease = u8::try_from(number).unwrap();
        let claim = sample::claim(&copy.life, lease, world.now());
        let claimed = world.store.claim(&copy.id, &claim).await.unwrap();
        won += u32::from(matches!(claimed, Claim::Ours(_)));
    }
    assert_eq!(won, 1, "{case}");
}

/// What a dry run says is what happens.
#[tokio::test]
async fn f22_what_can_go_is_what_goes() {
    for again in VERBS {
        let world = World::new();
        let half_done = world.buried("half-done", DeadReason::Gone).await;
        world.begun_again(&half_done).await;
        let unsent = sample::message("unsent", 1);
        world.store.record(&unsent, world.now()).await.unwrap();
        let queued = world.queued("queued").await;
        let dead = world.buried("dead", DeadReason::Gone).await;
        for (message, goes) in [(half_done, true), (unsent, false), (queued, false), (dead, true)] {
            let state = world.state(&message.id).await;
            assert_eq!(can_go(&state, again), goes, "{again:?} {state:?}");
            let gone = world.going().again(&message.id, again).await;
            assert_eq!(gone == Ok(Gone::Again(Generation(1))), goes, "{again:?} {state:?}");
        }
    }
}

#[tokio::test]
async fn f22_a_repetition_finishes_whatever_stopped_and_begins_nothing_else() {
    for again in VERBS {
        for first in 0..4 {
            for second in 0..5 {
                for (one, other) in
                    FAILURES.into_iter().flat_map(|one| FAILURES.map(|two| (one, two)))
                {
                    let world = World::new();
                    let message = world.buried("repeated", DeadReason::Gone).await;
                    let case =
                        format!("{again:?} fails at {first} {one:?}, then {second} {other:?}");
                    world.plan.fail(&[(first, one)]);
                    let stopped = world.going().again(&message.id, again).await;
                    assert!(stopped.is_err(), "{case}: {stopped:?}");
                    // At 4 nothing fails the second time.
                    world.plan.fail(&[(second, other)]);
                    drop(world.going().again(&message.id, again).await);
                    world.plan.fail(&[]);
                    let gone = world.going().again(&message.id, again).await;
                    let expected =
                        [Ok(Gone::Again(Generation(1))), Ok(Gone::Refused(Status::Queued))];
                    assert!(expected.contains(&gone), "{case}: {gone:?}");
                    check_one_generation(&world, &case).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn f22_an_undisturbed_redrive_makes_four_calls() {
    let world = World::new();
    let message = world.buried("calls", DeadReason::Gone).await;
    let gone = world.going().again(&message.id, Again::Redrive).await;
    assert_eq!(gone, Ok(Gone::Again(Generation(1))));
    assert_eq!(world.plan.calls(), ["find", "begin_again", "send", "mark_queued"]);
    assert_eq!(world.in_queue().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn f22_the_copies_of_two_who_ask_at_once_are_of_one_generation() {
    let world = World::new();
    world.plan.slow_down();
    let message = world.buried("at-once", DeadReason::Gone).await;
    let going = world.going();
    let (one, other) = tokio::join!(
        going.again(&message.id, Again::Redrive),
        going.again(&message.id, Again::Redrive)
    );
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    check_one_generation(&world, "at once").await;
}

#[tokio::test]
async fn what_cannot_go_again_says_so() {
    let world = World::new();
    let unknown = sample::message("unknown", 1).id;
    assert_eq!(world.going().again(&unknown, Again::Redrive).await, Ok(Gone::Unknown));
    let queued = world.queued("queued").await;
    for again in VERBS {
        let gone = world.going().again(&queued.id, again).await;
        assert_eq!(gone, Ok(Gone::Refused(Status::Queued)));
    }
    assert_eq!(world.in_queue().len(), 1);
}

/// A read that is old by the time it is acted on.
#[tokio::test]
async fn f22_a_message_that_moved_on_is_not_set_going_by_an_old_look_at_it() {
    let world = World::new();
    let message = world.buried("moved-on", DeadReason::Gone).await;
    let old = world.store.find(&message.id, world.now()).await.unwrap().unwrap();
    world.going().again(&message.id, Again::Redrive).await.unwrap();
    let next = world.state(&message.id).await.life;
    world.give_up(&message, &next, DeadReason::Rejected).await;
    let gone = world.going().again_from(&old, Again::Redrive).await;
    assert_eq!(gone, Ok(Gone::Refused(Status::Dead)));
    assert_eq!(world.state(&message.id).await.life.generation, Generation(1));
}
