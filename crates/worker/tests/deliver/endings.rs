//! Dead letters: burials cut off half-way, deadlines, and letters that an operator moves back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use relay_core::identity::Generation;
use relay_core::lifecycle::{Phase, Status};
use relay_core::outcome::DeadReason;
use relay_core::ports::{Claim, Queue, Store};
use relay_testkit::sample;
use relay_worker::{Item, Rules, Told};

use crate::breaker::keep_open;
use crate::world::{Answer, World, rules};

#[tokio::test]
async fn f20_a_burial_cut_off_is_finished_by_the_next_copy() {
    let world = World::new();
    let message = sample::message("half", 1);
    world.accept(&message).await;
    world.answers([Answer::Status(410)]);
    world.queue.burying_fails.store(true, Ordering::SeqCst);
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    let unburied = Phase::Dead { reason: DeadReason::Gone, buried: false };
    assert_eq!(world.state(&message).await.phase, unburied);
    world.queue.burying_fails.store(false, Ordering::SeqCst);
    world.wait_for_next();
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let buried = Phase::Dead { reason: DeadReason::Gone, buried: true };
    assert_eq!(world.state(&message).await.phase, buried);
    assert_eq!((world.sent(), world.queue.inner.dead_letters().len()), (1, 1));
}

#[tokio::test]
async fn f34_the_deadline_ends_a_message_without_a_call() {
    let world = World::new();
    let message = sample::message("overdue", 1);
    world.accept(&message).await;
    world.clock.advance(Duration::from_secs(1800));
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let dead = Phase::Dead { reason: DeadReason::DeadlinePassed, buried: true };
    assert_eq!(world.state(&message).await.phase, dead);
    assert_eq!((world.sent(), world.queue.inner.dead_letters().len()), (0, 1));
}

#[tokio::test]
async fn f34_copies_of_a_delivered_message_end_at_the_deadline_whatever_its_breaker_says() {
    let world = World::new();
    let message = sample::message("done", 1);
    let envelope = world.accept(&message).await;
    world.invoke().await;
    keep_open(&world, world.clock.now().plus(Duration::from_secs(1_000_000))).await;
    for _ in 0..3 {
        world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    }
    world.clock.advance(rules().deadline);
    assert_eq!(world.invoke().await, [Told::Acknowledged; 3]);
    assert_eq!((world.queue.inner.depth(), world.sent()), (0, 1));
    assert_eq!(world.state(&message).await.phase, Phase::Delivered);
}

#[tokio::test]
async fn f22_copies_of_an_earlier_generation_end_at_its_deadline_whatever_the_breaker_says() {
    let world = World::new();
    let (message, item) = moved_back(&world).await;
    let ends = world.clock.now().plus(Duration::from_secs(120));
    world.worker.deliver(&item, ends).await;
    keep_open(&world, world.clock.now().plus(Duration::from_secs(1_000_000))).await;
    world.clock.advance(rules().deadline);
    let stray = Item { dead_letter: None, ..item };
    let ends = world.clock.now().plus(Duration::from_secs(120));
    assert_eq!(world.worker.deliver(&stray, ends).await, Told::Acknowledged);
    assert_eq!(world.state(&message).await.phase.status(), Status::Queued);
}

#[tokio::test]
async fn f09_a_last_attempt_without_an_outcome_is_the_reason_even_after_the_deadline() {
    let world = World::new();
    let message = sample::message("killer", 1);
    world.accept(&message).await;
    for lease in 1..=3 {
        let claim = sample::claim(&message.first_life(), lease, world.clock.now());
        assert!(matches!(world.store.claim(&message.id, &claim).await, Ok(Claim::Ours(_))));
        world.clock.advance(sample::LEASE);
    }
    world.clock.advance(rules().deadline);
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let dead = Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: true };
    assert_eq!(world.state(&message).await.phase, dead);
}

#[tokio::test]
async fn f34_the_deadline_waits_for_whoever_is_at_it() {
    let world = World::new();
    let message = sample::message("held", 1);
    world.accept(&message).await;
    world.clock.advance(rules().deadline - Duration::from_secs(1));
    let claim = sample::claim(&message.first_life(), 1, world.clock.now());
    assert!(matches!(world.store.claim(&message.id, &claim).await, Ok(Claim::Ours(_))));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    let wait = world.wait_for_next();
    assert!(wait >= sample::LEASE && wait <= sample::LEASE + Duration::from_secs(3), "{wait:?}");
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let dead = Phase::Dead { reason: DeadReason::DeadlinePassed, buried: true };
    assert_eq!(world.state(&message).await.phase, dead);
}

#[tokio::test]
async fn f34_a_message_ends_before_its_record_expires_whatever_the_deadline() {
    let deadline = sample::TTL * 10;
    let world = World::with(Rules { deadline, ..rules() });
    let message = sample::message("shortlived", 1);
    world.accept(&message).await;
    world.clock.advance(sample::TTL - Duration::from_secs(60));
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let dead = Phase::Dead { reason: DeadReason::DeadlinePassed, buried: true };
    assert_eq!(world.state(&message).await.phase, dead);
}

#[tokio::test]
async fn f14_a_message_whose_item_cannot_be_read_is_dead_with_that_reason() {
    let world = World::new();
    let message = sample::message("unreadable", 1);
    world.accept(&message).await;
    let received = world.receive().remove(0);
    let text = received.text.replace("bodyJson", "bodyOfAnotherKind").into();
    let item = Item { text, ..received };
    let ends = world.clock.now().plus(Duration::from_secs(120));
    assert_eq!(world.worker.deliver(&item, ends).await, Told::Acknowledged);
    let dead = Phase::Dead { reason: DeadReason::Malformed, buried: true };
    assert_eq!(world.state(&message).await.phase, dead);
    let letters = world.queue.inner.dead_letters();
    assert!(letters[0].attributes.contains(&("deadLetter", "0".to_owned())), "{letters:?}");
}

#[tokio::test]
async fn f42_a_redrive_received_too_often_stays_a_redrive() {
    let world = World::new();
    let (_, item) = moved_back(&world).await;
    let item = Item { receipts: 501, text: "{\"v\":9}".into(), ..item };
    let ends = world.clock.now().plus(Duration::from_secs(120));
    assert_eq!(world.worker.deliver(&item, ends).await, Told::HandedBack);
    assert_eq!(world.queue.inner.depth(), 1);
}

#[tokio::test]
async fn a_late_copy_of_a_delivered_message_stays_delivered() {
    let world = World::new();
    let message = sample::message("done", 1);
    let envelope = world.accept(&message).await;
    world.invoke().await;
    world.clock.advance(Duration::from_secs(1800));
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.state(&message).await.phase, Phase::Delivered);
    assert!(world.queue.inner.dead_letters().is_empty());
}

/// A message that died, and its copy as an operator moved it back to the main queue.
async fn moved_back(world: &World) -> (relay_core::message::Message, Item) {
    let message = sample::message("back", 1);
    let envelope = world.accept(&message).await;
    world.answers([Answer::Status(410)]);
    world.invoke().await;
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    let item = world.receive().remove(0);
    (message, Item { dead_letter: Some(Generation(0)), ..item })
}

#[tokio::test]
async fn f42_a_dead_letter_in_the_main_queue_is_a_redrive() {
    let world = World::new();
    let (message, item) = moved_back(&world).await;
    let ends = world.clock.now().plus(Duration::from_secs(120));
    assert_eq!(world.worker.deliver(&item, ends).await, Told::Acknowledged);
    world.queue.inner.delete(&item.receipt);
    let state = world.state(&message).await;
    assert_eq!((state.phase.status(), state.life.generation), (Status::Queued, Generation(1)));
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let state = world.state(&message).await;
    assert_eq!((state.phase, state.attempts), (Phase::Delivered, 1));
    let ids: Vec<String> = world
        .targets
        .sent
        .lock()
        .unwrap()
        .iter()
        .filter_map(|sent| sent.headers.iter().find(|(name, _)| name == "webhook-id"))
        .map(|(_, id)| id.clone())
        .collect();
    assert_eq!(ids, [message.id.to_string(), message.id.to_string()]);
}

#[tokio::test]
async fn f22_a_redrive_done_twice_is_one_delivery() {
    let world = World::new();
    let (message, item) = moved_back(&world).await;
    let ends = world.clock.now().plus(Duration::from_secs(120));
    world.worker.deliver(&item, ends).await;
    assert_eq!(world.worker.deliver(&item, ends).await, Told::Acknowledged);
    world.queue.inner.delete(&item.receipt);
    world.invoke().await;
    assert_eq!(world.worker.deliver(&item, ends).await, Told::Acknowledged);
    assert_eq!(world.state(&message).await.phase, Phase::Delivered);
    assert_eq!((world.sent(), world.queue.inner.depth()), (2, 0));
}

#[tokio::test]
async fn f22_a_copy_of_an_earlier_generation_is_forgotten() {
    let world = World::new();
    let (message, item) = moved_back(&world).await;
    let ends = world.clock.now().plus(Duration::from_secs(120));
    world.worker.deliver(&item, ends).await;
    let stray = Item { dead_letter: None, ..item };
    assert_eq!(world.worker.deliver(&stray, ends).await, Told::Acknowledged);
    assert_eq!(world.state(&message).await.phase.status(), Status::Queued);
}
