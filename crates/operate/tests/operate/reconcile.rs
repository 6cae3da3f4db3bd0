//! What the reconciler does to records and letters that disagree, and what it leaves alone.

use std::time::Duration;

use relay_core::decide::Decision;
use relay_core::envelope::Envelope;
use relay_core::identity::Generation;
use relay_core::lifecycle::{Again, Phase, Status};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Claim, DeadLetter, Queue, Settlement, Store};
use relay_core::reconcile::{BURIAL_GRACE, QUIET, SENDING_GRACE};
use relay_operate::Report;
use relay_testkit::sample;

use crate::world::{FAILURES, LONG, World, mark};

const MOVED: DeadReason = DeadReason::ReceiveCountExceeded;
const MILLISECOND: Duration = Duration::from_millis(1);

/// More calls than a run over one message makes.
const CALLS_MAX: usize = 40;

async fn check_buried(world: &World, message: &Message, reason: DeadReason, case: &str) {
    let state = world.state(&message.id).await;
    assert_eq!(state.phase, Phase::Dead { reason, buried: true }, "{case}");
    let letters = world.letters();
    assert!(!letters.is_empty(), "{case}: no letter");
    let proper = (message.id.clone(), Some(state.life.generation.to_string()));
    assert!(letters.iter().all(|letter| *letter == proper), "{case}: {letters:?}");
}

#[tokio::test]
async fn f20_a_dead_message_without_a_letter_is_buried() {
    let world = World::new();
    let message = world.dead("unburied", DeadReason::Rejected).await;
    world.clock.advance(BURIAL_GRACE);
    let report = world.run().await;
    assert_eq!(
        report,
        Report {
            entries_seen: 1,
            buried: 1,
            letters_seen: 1,
            letters_judged: 1,
            ..Report::default()
        }
    );
    check_buried(&world, &message, DeadReason::Rejected, "").await;
    assert_eq!(world.letters().len(), 1);
    let attributes = &world.queue.dead_letters()[0].attributes;
    assert!(attributes.contains(&("reason", "rejected".to_owned())), "{attributes:?}");
    world.settle().await;
    assert_eq!(world.letters().len(), 1);
}

#[tokio::test]
async fn f20_whoever_is_about_to_bury_a_message_has_the_time_to() {
    let world = World::new();
    world.dead("fresh", DeadReason::Gone).await;
    world.clock.advance(BURIAL_GRACE - MILLISECOND);
    let report = world.run().await;
    assert_eq!((report.buried, world.letters()), (0, vec![]));
}

#[tokio::test]
async fn f20_a_letter_that_the_record_does_not_know_of_is_noted() {
    let world = World::new();
    let message = world.dead("unnoted", DeadReason::Gone).await;
    world.bury(&message, DeadReason::Gone).await;
    let report = world.run().await;
    assert_eq!(
        report,
        Report { noted: 1, letters_seen: 1, letters_judged: 1, ..Report::default() }
    );
    check_buried(&world, &message, DeadReason::Gone, "").await;
    assert_eq!(world.letters().len(), 1);
}

#[tokio::test]
async fn f20_a_burial_is_finished_whatever_fails_on_the_way() {
    for number in 0..CALLS_MAX {
        for fate in FAILURES {
            let world = World::new();
            let message = world.dead("fails", DeadReason::Gone).await;
            world.clock.advance(BURIAL_GRACE);
            world.plan.fail(&[(number, fate)]);
            world.run().await;
            world.settle().await;
            check_buried(&world, &message, DeadReason::Gone, &format!("{number} {fate:?}")).await;
        }
    }
}

/// A message whose copy the queue moved to the dead-letter queue on its own.
async fn moved(world: &World) -> Message {
    let message = world.queued("moved").await;
    assert_eq!(world.queue.move_received_often(0), 1);
    message
}

#[tokio::test]
async fn f21_a_message_that_the_queue_gave_up_is_dead_with_a_proper_letter() {
    let world = World::new();
    let message = moved(&world).await;
    assert_eq!(world.letters(), [(message.id.clone(), None)]);
    world.clock.advance(QUIET);
    let report = world.run().await;
    let expected =
        Report { given_up: 1, removed: 1, letters_seen: 1, letters_judged: 1, ..Report::default() };
    assert_eq!(report, expected);
    check_buried(&world, &message, MOVED, "").await;
    assert_eq!(world.letters().len(), 1);
    // F42: with that letter the queue's own redrive is a redrive.
    let letter = world.queue.move_back(0).unwrap();
    assert_eq!(mark(&letter), Some("0".to_owned()));
}

#[tokio::test]
async fn f21_what_the_queue_moved_is_settled_whatever_fails_on_the_way() {
    for number in 0..CALLS_MAX {
        for fate in FAILURES {
            let world = World::new();
            let message = moved(&world).await;
            world.clock.advance(QUIET);
            world.plan.fail(&[(number, fate)]);
            world.run().await;
            world.settle().await;
            check_buried(&world, &message, MOVED, &format!("{number} {fate:?}")).await;
        }
    }
}

#[tokio::test]
async fn f21_what_the_queue_gave_up_is_told_once_even_if_its_letter_comes_later() {
    let world = World::new();
    let message = moved(&world).await;
    world.clock.advance(QUIET);
    world.plan.fail_named(Some("bury"));
    let report = world.run().await;
    assert_eq!((report.given_up, report.failed), (1, 1), "{report:?}");
    world.plan.fail_named(None);
    world.clock.advance(LONG);
    assert_eq!(world.run().await.given_up, 0);
    check_buried(&world, &message, MOVED, "later").await;
}

#[tokio::test]
async fn f21_what_somebody_may_be_at_is_left() {
    let world = World::new();
    let message = moved(&world).await;
    let life = message.first_life();
    world.clock.advance(QUIET - MILLISECOND);
    assert_eq!(world.run().await.given_up, 0, "just written");
    let claim = sample::claim(&life, 1, world.now());
    let Ok(Claim::Ours(lease)) = world.store.claim(&message.id, &claim).await else {
        panic!("not claimed")
    };
    world.clock.advance(sample::LEASE);
    assert_eq!(world.run().await.given_up, 0, "its lease just ended");
    let not_before = world.now().plus(LONG);
    let settlement = Settlement {
        id: message.id.clone(),
        life,
        lease,
        attempt: sample::attempt(1, 503),
        decision: Decision::Retry { not_before },
        now: world.now(),
    };
    world.store.settle(&settlement).await.unwrap();
    world.clock.advance(LONG - MILLISECOND);
    assert_eq!(world.run().await.given_up, 0, "not due");
    assert_eq!(world.letters(), [(message.id.clone(), None)]);
    world.clock.advance(QUIET + MILLISECOND);
    assert_eq!(world.run().await.given_up, 1);
    check_buried(&world, &message, MOVED, "due").await;
}

#[tokio::test]
async fn f21_a_copy_that_the_queue_moved_of_a_message_that_is_over_is_removed() {
    let world = World::new();
    let message = moved(&world).await;
    let claim = sample::claim(&message.first_life(), 1, world.now());
    let Ok(Claim::Ours(lease)) = world.store.claim(&message.id, &claim).await else {
        panic!("not claimed")
    };
    let settlement = Settlement {
        id: message.id.clone(),
        life: message.first_life(),
        lease,
        attempt: sample::attempt(1, 200),
        decision: Decision::Delivered,
        now: world.now(),
    };
    world.store.settle(&settlement).await.unwrap();
    let report = world.run().await;
    assert_eq!((report.removed, report.given_up), (1, 0));
    assert_eq!(world.letters(), []);
    assert_eq!(world.state(&message.id).await.phase, Phase::Delivered);
}

#[tokio::test]
async fn f22_a_redrive_that_stopped_half_way_goes_on() {
    for number in 0..CALLS_MAX {
        for fate in FAILURES {
            let world = World::new();
            let message = world.buried("stopped", DeadReason::Gone).await;
            let next = world.begun_again(&message).await;
            world.clock.advance(SENDING_GRACE - MILLISECOND);
            world.plan.fail(&[]);
            assert_eq!(world.run().await.sent, 0);
            world.clock.advance(MILLISECOND);
            world.plan.fail(&[(number, fate)]);
            world.run().await;
            world.settle().await;
            let case = format!("{number} {fate:?}");
            let state = world.state(&message.id).await;
            assert_eq!(
                (state.life.clone(), state.phase.status()),
                (next, Status::Queued),
                "{case}"
            );
            let copies = world.in_queue();
            assert!(!copies.is_empty(), "{case}: in no queue");
            assert!(copies.iter().all(|copy| copy.life == state.life), "{case}");
            assert_eq!(world.letters(), [], "{case}: a letter of an earlier generation");
        }
    }
}

#[tokio::test]
async fn f22_the_letter_of_a_redriven_message_is_removed_and_the_next_one_stays() {
    let world = World::new();
    let message = world.buried("redriven", DeadReason::Gone).await;
    world.going().again(&message.id, Again::Redrive).await.unwrap();
    let next = world.state(&message.id).await.life;
    world.give_up(&message, &next, DeadReason::Rejected).await;
    world.bury(&message, DeadReason::Rejected).await;
    world.store.mark_buried(&message.id, &next, world.now()).await.unwrap();
    assert_eq!(world.letters().len(), 2);
    assert_eq!(world.run().await.removed, 1);
    assert_eq!(world.letters(), [(message.id, Some("1".to_owned()))]);
}

#[tokio::test(start_paused = true)]
async fn two_runs_at_once_do_no_harm() {
    let world = World::new();
    world.plan.slow_down();
    let unburied = world.dead("one", DeadReason::Gone).await;
    let stopped = world.buried("two", DeadReason::Gone).await;
    world.begun_again(&stopped).await;
    moved(&world).await;
    world.clock.advance(LONG);
    tokio::join!(world.run(), world.run());
    world.settle().await;
    assert_eq!(world.state(&stopped.id).await.phase.status(), Status::Queued);
    assert_eq!(world.state(&stopped.id).await.life.generation, Generation(1));
    let letters = world.letters();
    assert!(letters.contains(&(unburied.id, Some("0".to_owned()))), "{letters:?}");
    assert!(letters.iter().all(|(id, mark)| *id != stopped.id && mark.is_some()), "{letters:?}");
}

/// What is in order, and what nobody understands.
#[tokio::test]
async fn nothing_else_is_touched() {
    let world = World::new();
    let queued = world.queued("queued").await;
    world.buried("buried", DeadReason::Gone).await;
    let pending = sample::message("pending", 1);
    world.store.record(&pending, world.now()).await.unwrap();
    for text in ["not an envelope", "{\"v\":1000}", ""] {
        let letter = DeadLetter { text: text.to_owned(), attributes: Vec::new() };
        world.queue.bury(&letter).await.unwrap();
    }
    // Of a message that has no record, and one that somebody put there by hand.
    let stranger = sample::message("stranger", 1);
    let life = stranger.first_life();
    for (message, mark) in [(&stranger, Some("0")), (&queued, None)] {
        let envelope = Envelope::of(message, life.clone(), message.body.clone());
        let mark = mark.map(|mark| ("deadLetter", mark.to_owned()));
        let letter =
            DeadLetter { text: envelope.to_json(), attributes: mark.into_iter().collect() };
        world.queue.bury(&letter).await.unwrap();
    }
    world.clock.advance(LONG);
    let before = (world.states().await, world.queue.dead_letters(), world.in_queue());
    let report = world.run().await;
    let seen = Report { letters_seen: 6, letters_judged: 2, ..Report::default() };
    assert_eq!(report, seen);
    assert_eq!((world.states().await, world.queue.dead_letters(), world.in_queue()), before);
    // On-call sees all of them at once.
    assert_eq!(world.shown().await, 6);
}
