//! Single attempts: what is sent, and what follows from the answer.

use std::time::Duration;

use bytes::Bytes;
use relay_core::lifecycle::{Phase, Status};
use relay_core::outcome::{DeadReason, ErrorKind};
use relay_testkit::sample;
use relay_worker::{Item, Rules, Told};

use crate::world::{Answer, World, rules};

#[tokio::test]
async fn a_message_is_sent_once_and_done_with() {
    let world = World::new();
    let message = sample::message("one", 1);
    world.accept(&message).await;
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let state = world.state(&message).await;
    assert_eq!((state.phase, state.attempts), (Phase::Delivered, 1));
    assert_eq!((world.sent(), world.queue.inner.depth()), (1, 0));
    let sent = world.targets.sent.lock().unwrap();
    assert_eq!(sent[0].body, b"{\"price\": 0.10}");
    let header = |name: &str| {
        let found = sent[0].headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(header("webhook-id"), message.id.as_str());
    assert_eq!(header("webhook-attempt"), "1");
    assert_eq!(header("x-correlation-id"), "correlation-1");
    assert_eq!(header("webhook-timestamp"), sample::START.as_seconds().to_string());
    assert!(!sent[0].headers.iter().any(|(name, _)| name == "webhook-signature"));
}

#[tokio::test]
async fn failures_are_retried_with_growing_waits_and_then_buried() {
    let world = World::new();
    let message = sample::message("fails", 1);
    world.accept(&message).await;
    world.answers([Answer::Status(503), Answer::Fails(ErrorKind::Timeout), Answer::Status(500)]);
    let mut waits = Vec::new();
    while world.queue.inner.depth() > 0 {
        waits.push(world.wait_for_next().as_secs());
        world.invoke().await;
    }
    assert_eq!((waits.len(), waits[0]), (3, 0));
    assert!((5..=10).contains(&waits[1]) && (15..=30).contains(&waits[2]), "{waits:?}");
    let state = world.state(&message).await;
    let dead = Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: true };
    assert_eq!((state.phase, state.attempts), (dead, 3));
    let letters = world.queue.inner.dead_letters();
    assert_eq!(letters.len(), 1);
    for expected in [
        ("reason", "attempts_exhausted"),
        ("attempts", "3"),
        ("lastOutcome", "attempt 3: status 500 after 5 ms"),
        ("deadLetter", "0"),
        ("messageId", "fails"),
        ("senderId", "test"),
    ] {
        let found = letters[0].attributes.iter().find(|(name, _)| *name == expected.0);
        assert_eq!(found.map(|(name, value)| (*name, value.as_str())), Some(expected));
    }
}

#[tokio::test]
async fn a_permanent_refusal_is_buried_at_once() {
    let world = World::new();
    let message = sample::message("gone", 1);
    world.accept(&message).await;
    world.answers([Answer::Status(410)]);
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let state = world.state(&message).await;
    assert_eq!(state.phase, Phase::Dead { reason: DeadReason::Gone, buried: true });
    assert_eq!(world.queue.inner.dead_letters().len(), 1);
}

#[tokio::test]
async fn f13_an_attempt_that_could_not_end_in_time_is_not_begun() {
    let world = World::new();
    let message = sample::message("late", 1);
    world.accept(&message).await;
    let items = world.receive();
    let ends = world.clock.now().plus(Duration::from_secs(15));
    assert_eq!(world.worker.deliver(&items[0], ends).await, Told::HandedBack);
    assert_eq!((world.sent(), world.state(&message).await.attempts), (0, 0));
    assert!(world.wait_for_next() <= Duration::from_secs(5));
}

#[tokio::test]
async fn f13_an_item_that_never_finds_room_comes_back_less_and_less_often() {
    let world = World::new();
    world.accept(&sample::message("large", 1)).await;
    let item = Item { receipts: 60, ..world.receive().remove(0) };
    let ends = world.clock.now().plus(Duration::from_secs(15));
    let mut waits = Duration::ZERO;
    for _ in 0..20 {
        assert_eq!(world.worker.deliver(&item, ends).await, Told::HandedBack);
        waits += world.queue.inner.next_visible_at().unwrap().since(world.clock.now());
    }
    let mean = waits / 20;
    assert!(mean > Duration::from_secs(60) && mean <= Duration::from_secs(300), "{mean:?}");
}

#[tokio::test]
async fn f09_an_attempt_ends_in_time_to_be_settled() {
    let world = World::with(Rules { lease: Duration::from_secs(12), ..rules() });
    world.accept(&sample::message("brief", 1)).await;
    world.invoke().await;
    assert_eq!(world.targets.sent.lock().unwrap()[0].timeout, Duration::from_secs(4));
}

#[tokio::test]
async fn a_stored_body_is_verified_and_streamed_with_time_to_match() {
    let world = World::new();
    let (message, _) = world.accept_stored(b"a body from the bucket").await;
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.state(&message).await.phase.status(), Status::Delivered);
    let sent = world.targets.sent.lock().unwrap();
    assert_eq!(sent[0].body, b"a body from the bucket");
    assert_eq!(sent[0].timeout, Duration::from_secs(10));
}

#[tokio::test]
async fn f16_a_wrong_stored_body_is_never_sent() {
    let world = World::new();
    let (message, pointer) = world.accept_stored(b"a body from the bucket").await;
    world.payloads.corrupt(&pointer, Bytes::from_static(b"a body from the BUCKET"));
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let state = world.state(&message).await;
    assert_eq!(state.phase, Phase::Dead { reason: DeadReason::BodyCorrupt, buried: true });
    assert_eq!(world.sent(), 0);
}

#[tokio::test]
async fn f16_a_missing_stored_body_is_looked_for_again() {
    let world = World::new();
    let (message, pointer) = world.accept_stored(b"a body from the bucket").await;
    world.payloads.remove(&pointer);
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    let state = world.state(&message).await;
    assert_eq!(state.phase.status(), Status::Retrying);
    assert_eq!(state.outcomes[0].error, Some(ErrorKind::BodyMissing));
    assert_eq!(world.sent(), 0);
}

#[tokio::test]
async fn f14_a_panic_fails_its_own_item_only() {
    let world = World::new();
    let messages = ["a", "b", "c"].map(|name| sample::message(name, 1));
    for message in &messages {
        world.accept(message).await;
    }
    world.answers([Answer::Status(200), Answer::Panics]);
    let told = world.invoke().await;
    assert_eq!(told.iter().filter(|told| **told == Told::HandedBack).count(), 1);
    let mut delivered = 0;
    for message in &messages {
        delivered += usize::from(world.state(message).await.phase == Phase::Delivered);
    }
    assert_eq!(delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_as_long_as_its_slowest_message() {
    let world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.accept(&sample::message(name, 1)).await;
    }
    world.answers([1, 9, 2, 9, 3].map(|seconds| Answer::Takes(Duration::from_secs(seconds))));
    let begun = tokio::time::Instant::now();
    assert_eq!(world.invoke().await, [Told::Acknowledged; 5]);
    assert_eq!(begun.elapsed().as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn f40_what_still_runs_when_the_invocation_ends_is_answered_as_failed() {
    let world = World::new();
    world.accept(&sample::message("quick", 1)).await;
    world.accept(&sample::message("stuck", 1)).await;
    world.answers([Answer::Status(200), Answer::Takes(Duration::from_secs(1_000_000))]);
    assert_eq!(world.invoke().await, [Told::Acknowledged, Told::HandedBack]);
}
