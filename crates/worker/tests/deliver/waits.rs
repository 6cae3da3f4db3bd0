//! Long waits: spent as delayed copies outside the queue's in-flight set, one after the other.

use std::sync::atomic::Ordering;
use std::time::Duration;

use relay_core::lifecycle::Phase;
use relay_core::message::Message;
use relay_core::retry::RetryPolicy;
use relay_testkit::sample;
use relay_worker::{Rules, Told};

use crate::breaker::keep_open;
use crate::world::{Answer, World, rules};

/// The longest delay of a copy.
const HOP: Duration = Duration::from_secs(900);

/// A world in which the second attempt is an hour or more away.
fn patient() -> World {
    let base = Duration::from_secs(7200);
    let retry = RetryPolicy { base, delay_max: base, ..rules().retry };
    let deadline = Duration::from_secs(72 * 3600);
    World::with(Rules { retry, deadline, ..rules() })
}

/// A message that is kept for longer than it waits.
fn long_lived(name: &str) -> Message {
    let mut message = sample::message(name, 1);
    message.expires_at = sample::START.plus(Duration::from_secs(30 * 24 * 3600));
    message
}

#[tokio::test]
async fn f41_a_long_wait_is_spent_outside_the_in_flight_set() {
    let world = patient();
    let message = long_lived("patient");
    world.accept(&message).await;
    world.answers([Answer::Status(503)]);
    assert_eq!(world.invoke().await, [Told::Acknowledged], "the received item is let go");
    let Phase::Retrying { not_before } = world.state(&message).await.phase else {
        panic!("it waits for its next attempt")
    };
    let mut hops = 0;
    while world.sent() == 1 {
        assert!(hops < 10, "7200 s are eight hops, and one that is hidden");
        assert_eq!(world.queue.inner.depth(), 1, "one copy at any time");
        assert!(world.wait_for_next() <= HOP);
        let left = not_before.since(world.clock.now());
        let told = world.invoke().await;
        // What is left of the wait at last is short enough to be hidden for.
        let expected =
            if left > HOP || left.is_zero() { Told::Acknowledged } else { Told::HandedBack };
        assert_eq!(told, [expected], "{left:?} before the next attempt");
        hops += 1;
    }
    assert!(hops >= 4, "{hops} hops for an hour at least");
    assert!(world.clock.now() >= not_before, "not before its time");
    let state = world.state(&message).await;
    assert_eq!((state.phase, state.attempts), (Phase::Delivered, 2));
    assert_eq!(world.queue.inner.depth(), 0);
}

#[tokio::test]
async fn f41_a_short_wait_is_spent_hidden_and_makes_no_copy() {
    let world = World::new();
    world.accept(&sample::message("short", 1)).await;
    world.answers([Answer::Status(503)]);
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    assert_eq!(world.queue.inner.depth(), 1);
    world.wait_for_next();
    assert_eq!(world.receive()[0].receipts, 2, "it is the same item");
}

#[tokio::test]
async fn f41_an_item_whose_copy_cannot_be_sent_is_not_let_go() {
    let world = patient();
    let message = long_lived("no-copy");
    world.accept(&message).await;
    world.answers([Answer::Status(503)]);
    world.queue.sending_fails.store(true, Ordering::SeqCst);
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    world.queue.sending_fails.store(false, Ordering::SeqCst);
    assert!(world.wait_for_next() <= HOP, "it comes back to try again");
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!((world.queue.inner.depth(), world.sent()), (1, 1));
}

/// Receives and delivers once whatever is visible. Nothing is deleted: every answer of the worker is lost.
async fn deliver_losing_deletes(world: &World) {
    let ends = world.clock.now().plus(Duration::from_secs(120));
    loop {
        let items = world.receive();
        if items.is_empty() {
            return;
        }
        for item in items {
            world.worker.deliver(&item, ends).await;
        }
    }
}

#[tokio::test]
async fn f36_a_wait_for_a_breaker_leaves_one_copy_behind_for_each_lost_delete() {
    let world = World::new();
    keep_open(&world, world.clock.now().plus(Duration::from_secs(1_000_000))).await;
    world.accept(&long_lived("deferred")).await;
    let end = world.clock.now().plus(rules().deadline);
    let mut received = 0;
    loop {
        world.wait_for_next();
        if world.clock.now() >= end {
            break;
        }
        received += 1;
        deliver_losing_deletes(&world).await;
        // The chain has one end that goes on; whatever it left behind waits where it is.
        assert!(world.queue.inner.depth() <= received + 1, "{received}");
    }
    assert!(received >= 2, "{received}");
    // At the deadline all of them end.
    for _ in 0..=received {
        while !world.invoke().await.is_empty() {}
        if world.queue.inner.depth() > 0 {
            world.wait_for_next();
        }
    }
    assert_eq!((world.queue.inner.depth(), world.sent()), (0, 0));
    assert_eq!(world.queue.inner.dead_letters().len(), 1);
}

#[tokio::test]
async fn f36_a_copy_whose_send_was_not_confirmed_is_not_sent_again() {
    let world = World::new();
    keep_open(&world, world.clock.now().plus(Duration::from_secs(1_000_000))).await;
    world.accept(&long_lived("unconfirmed")).await;
    world.queue.sent_answers_are_lost.store(true, Ordering::SeqCst);
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    assert_eq!(world.queue.inner.depth(), 2, "the copy is there, and so is the item");
    world.queue.sent_answers_are_lost.store(false, Ordering::SeqCst);
    world.clock.advance(HOP);
    let mut told = world.invoke().await;
    told.sort_by_key(|told| *told == Told::HandedBack);
    assert_eq!(told, [Told::Acknowledged, Told::HandedBack], "one goes on, one stays");
    assert_eq!(world.queue.inner.depth(), 2);
}
