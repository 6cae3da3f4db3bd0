//! Copies of a message: handed out twice, after a crash, too early, too late, or by another version.

use std::sync::atomic::Ordering;
use std::time::Duration;

use relay_core::body::Body;
use relay_core::lifecycle::{Phase, Status};
use relay_core::outcome::{DeadReason, ErrorKind};
use relay_core::ports::{Claim, Queue, Store};
use relay_testkit::sample;
use relay_worker::{Item, Told};

use crate::world::{Answer, VISIBILITY, World};

#[tokio::test]
async fn f08_of_two_copies_at_once_one_is_sent() {
    let world = World::new();
    let message = sample::message("twice", 1);
    let envelope = world.accept(&message).await;
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    let told = world.invoke().await;
    assert_eq!((told.len(), world.sent()), (2, 1));
    // The other copy waited for the lease, and finds the message final.
    if world.queue.inner.depth() > 0 {
        world.wait_for_next();
        assert_eq!(world.invoke().await, [Told::Acknowledged]);
    }
    assert_eq!((world.sent(), world.queue.inner.depth()), (1, 0));
    assert_eq!(world.state(&message).await.attempts, 1);
}

#[tokio::test]
async fn f08_a_copy_of_a_message_that_is_held_waits_for_the_lease() {
    let world = World::new();
    let message = sample::message("held", 1);
    world.accept(&message).await;
    let claim = sample::claim(&message.first_life(), 9, world.clock.now());
    assert!(matches!(world.store.claim(&message.id, &claim).await, Ok(Claim::Ours(_))));
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    let wait = world.wait_for_next();
    assert!(wait > sample::LEASE && wait <= sample::LEASE + Duration::from_secs(3), "{wait:?}");
    assert_eq!(world.sent(), 0);
}

#[tokio::test]
async fn f09_an_attempt_of_a_dead_worker_counts_and_is_told() {
    let world = World::new();
    let message = sample::message("crash", 1);
    world.accept(&message).await;
    let claim = sample::claim(&message.first_life(), 9, world.clock.now());
    world.store.claim(&message.id, &claim).await.unwrap();
    world.receive();
    world.clock.advance(VISIBILITY);
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let state = world.state(&message).await;
    assert_eq!((state.phase, state.attempts), (Phase::Delivered, 2));
    assert_eq!(state.outcomes[0].error, Some(ErrorKind::Unknown));
}

#[tokio::test]
async fn f09_a_message_that_kills_its_workers_is_buried_without_another_call() {
    let world = World::new();
    let message = sample::message("killer", 1);
    world.accept(&message).await;
    for lease in 1..=3 {
        let claim = sample::claim(&message.first_life(), lease, world.clock.now());
        assert!(matches!(world.store.claim(&message.id, &claim).await, Ok(Claim::Ours(_))));
        world.clock.advance(sample::LEASE);
    }
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let dead = Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: true };
    assert_eq!(world.state(&message).await.phase, dead);
    assert_eq!((world.sent(), world.queue.inner.dead_letters().len()), (0, 1));
}

#[tokio::test]
async fn f11_a_copy_of_a_delivered_message_is_acknowledged_without_a_call() {
    let world = World::new();
    let message = sample::message("done", 1);
    let envelope = world.accept(&message).await;
    world.invoke().await;
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.sent(), 1);
}

#[tokio::test]
async fn f17_a_copy_that_comes_early_waits_again() {
    let world = World::new();
    let message = sample::message("early", 1);
    world.accept(&message).await;
    world.answers([Answer::Status(503)]);
    world.queue.postponing_fails.store(true, Ordering::SeqCst);
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    world.queue.postponing_fails.store(false, Ordering::SeqCst);
    let Phase::Retrying { not_before } = world.state(&message).await.phase else {
        panic!("not RETRYING")
    };
    // Another copy arrives before the time.
    let life = message.first_life();
    let envelope = relay_core::envelope::Envelope::of(&message, life, message.body.clone());
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    assert_eq!(world.sent(), 1);
    world.wait_for_next();
    assert!(world.clock.now() > not_before);
}

#[tokio::test]
async fn f15_an_item_of_a_newer_version_comes_back_in_a_minute() {
    let world = World::new();
    let envelope = world.accept(&sample::message("newer", 1)).await;
    let mut item = world.receive().remove(0);
    item.text = sample::newer(&envelope.to_json()).into();
    let ends = world.clock.now().plus(VISIBILITY);
    assert_eq!(world.worker.deliver(&item, ends).await, Told::HandedBack);
    assert_eq!(world.wait_for_next(), Duration::from_secs(60));
    assert!(world.queue.inner.dead_letters().is_empty());
}

#[tokio::test]
async fn f14_an_item_nobody_can_read_goes_to_the_dead_letters() {
    let world = World::new();
    world.accept(&sample::message("x", 1)).await;
    let received = world.receive().remove(0);
    let item = Item { text: "{\"v\":1}".into(), ..received };
    let ends = world.clock.now().plus(VISIBILITY);
    assert_eq!(world.worker.deliver(&item, ends).await, Told::Acknowledged);
    let letters = world.queue.inner.dead_letters();
    assert_eq!(
        (letters[0].text.as_str(), letters[0].attributes[0].1.as_str()),
        ("{\"v\":1}", "malformed")
    );
}

#[tokio::test]
async fn f19_an_item_received_too_often_goes_on_as_a_fresh_copy() {
    let world = World::new();
    let message = sample::message("often", 1);
    world.accept(&message).await;
    world.answers([Answer::Status(503)]);
    let item = Item { receipts: 501, ..world.receive().remove(0) };
    let ends = world.clock.now().plus(Duration::from_secs(120));
    assert_eq!(world.worker.deliver(&item, ends).await, Told::Acknowledged);
    world.queue.inner.delete(&item.receipt);
    let wait = world.wait_for_next();
    assert!((5..=10).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.state(&message).await.phase.status(), Status::Delivered);
}

#[tokio::test]
async fn f32_an_item_of_the_first_version_goes_on_as_a_copy_of_the_second_with_the_same_body() {
    let world = World::new();
    let message = sample::message("quoted", 1);
    let envelope = world.accept(&message).await;
    let Body::Inline(body) = &message.body else { panic!("no bytes") };
    let body = std::str::from_utf8(body).unwrap();
    let quoted = format!("\"bodyText\":{}", serde_json::to_string(body).unwrap());
    let first = envelope.to_json().replace(&format!("\"bodyJson\":{body}"), &quoted);
    assert!(first.contains("bodyText"), "{first}");
    let text = sample::of_version(&first, 1).into();
    world.answers([Answer::Status(503)]);
    let item = Item { receipts: 501, text, ..world.receive().remove(0) };
    let ends = world.clock.now().plus(Duration::from_secs(120));
    assert_eq!(world.worker.deliver(&item, ends).await, Told::Acknowledged);
    world.queue.inner.delete(&item.receipt);
    world.wait_for_next();
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let sent = world.targets.sent.lock().unwrap();
    assert_eq!([&sent[0].body, &sent[1].body], [body.as_bytes(); 2]);
}

#[tokio::test]
async fn f45_an_expired_copy_is_forgotten() {
    let world = World::new();
    world.accept(&sample::message("old", 1)).await;
    world.clock.advance(sample::TTL);
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.sent(), 0);
}

#[tokio::test]
async fn f07_a_message_still_noted_as_pending_is_delivered() {
    let world = World::new();
    let message = sample::message("pending", 1);
    world.store.record(&message, world.clock.now()).await.unwrap();
    let life = message.first_life();
    let envelope = relay_core::envelope::Envelope::of(&message, life, message.body.clone());
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.state(&message).await.phase, Phase::Delivered);
}
