//! Bodies that only the queue has: kept when their message dies, before the queue lets them go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use relay_core::body::{Body, Pointer, Sha256};
use relay_core::envelope::Envelope;
use relay_core::lifecycle::{Again, Phase};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, DeadLetter, Payloads, Queue, Store};
use relay_testkit::faults::{Fate, Faulty, Trouble, Troubles};
use relay_testkit::sample;
use relay_worker::{Ports, Told, Worker};

use crate::world::{Answer, World, rules};

const BYTES: Bytes = Bytes::from_static(b"{ \"only\": [\"the queue has it\", 1e400] }");
/// More calls than one death takes.
const CALLS_MAX: usize = 12;
/// More receipts than one death takes.
const RECEIPTS_MAX: usize = 5;

/// One call in a row fails.
struct FailsOnce {
    number: usize,
    fate: Fate,
    made: std::sync::Mutex<Vec<&'static str>>,
}

impl Troubles for FailsOnce {
    fn next(&self, call: &'static str) -> Trouble {
        let mut made = self.made.lock().unwrap();
        let fate = if made.len() == self.number { self.fate } else { Fate::Done };
        made.push(call);
        Trouble { before: Duration::ZERO, fate, after: Duration::ZERO }
    }
}

async fn accept(world: &World) -> (Message, Pointer) {
    let mut message = sample::message("unretained", 1);
    let pointer =
        Pointer::for_payload("bucket", &message.id, Sha256::of(&BYTES), BYTES.len() as u64);
    message.body = Body::Unretained(pointer.clone());
    world.store.record(&message, world.clock.now()).await.unwrap();
    let envelope = Envelope::of(&message, message.first_life(), Body::Inline(BYTES));
    assert!(!envelope.retained);
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    (message, pointer)
}

async fn kept(world: &World, pointer: &Pointer) -> Option<Vec<u8>> {
    let stream = world.payloads.open(pointer).await.ok()?;
    Some(stream.map(|piece| piece.unwrap().to_vec()).concat().await)
}

fn failing(world: &World, number: usize, fate: Fate) -> (Worker, Arc<FailsOnce>) {
    let fails = Arc::new(FailsOnce { number, fate, made: std::sync::Mutex::default() });
    let ports = Ports {
        store: Arc::new(Faulty::new((*world.store).clone(), Arc::<FailsOnce>::clone(&fails))),
        queue: Arc::new(Faulty::new(world.queue.inner.clone(), Arc::<FailsOnce>::clone(&fails))),
        payloads: Arc::new(Faulty::new((*world.payloads).clone(), Arc::<FailsOnce>::clone(&fails))),
        ..world.ports.clone()
    };
    (Worker::new(ports, rules()), fails)
}

#[tokio::test]
async fn a_body_of_a_delivered_message_is_not_kept() {
    let world = World::new();
    let (_, pointer) = accept(&world).await;
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.targets.sent.lock().unwrap()[0].body, BYTES);
    assert_eq!(kept(&world, &pointer).await, None);
}

#[tokio::test]
async fn f20_the_body_is_kept_before_the_letter_is_sent() {
    let world = World::new();
    accept(&world).await;
    world.answers([Answer::Status(410)]);
    let (worker, made) = failing(&world, CALLS_MAX, Fate::Done);
    assert_eq!(world.invoke_on(&worker).await, [Told::Acknowledged]);
    let made = made.made.lock().unwrap().clone();
    assert_eq!(made, ["claim", "settle", "put", "bury", "mark_buried"]);
}

#[tokio::test]
async fn f20_a_death_is_finished_with_its_body_kept_whatever_fails_on_the_way() {
    for number in 0..CALLS_MAX {
        for fate in [Fate::Lost, Fate::Unanswered] {
            let world = World::new();
            let (message, pointer) = accept(&world).await;
            world.answers(vec![Answer::Status(410); RECEIPTS_MAX]);
            let (worker, _) = failing(&world, number, fate);
            let case = format!("{number} {fate:?}");
            for _ in 0..RECEIPTS_MAX {
                if world.queue.inner.depth() == 0 {
                    break;
                }
                world.wait_for_next();
                world.invoke_on(&worker).await;
                let is_gone = world.queue.inner.depth() == 0;
                assert!(!is_gone || kept(&world, &pointer).await.is_some(), "{case}: body lost");
            }
            assert_eq!(world.queue.inner.depth(), 0, "{case}");
            let dead = Phase::Dead { reason: DeadReason::Gone, buried: true };
            assert_eq!(world.state(&message).await.phase, dead, "{case}");
            assert_eq!(kept(&world, &pointer).await.as_deref(), Some(&BYTES[..]), "{case}");
        }
    }
}

#[tokio::test]
async fn f20_whoever_finds_it_buried_without_its_body_keeps_that() {
    let world = World::new();
    let (message, pointer) = accept(&world).await;
    let (life, now) = (message.first_life(), world.clock.now());
    world.store.give_up(&message.id, &life, DeadReason::Gone, now).await.unwrap();
    world.store.mark_buried(&message.id, &life, now).await.unwrap();
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(kept(&world, &pointer).await.as_deref(), Some(&BYTES[..]));
}

#[tokio::test]
async fn f20_a_copy_of_an_earlier_generation_keeps_its_body_before_it_is_forgotten() {
    for waited in [Duration::ZERO, rules().deadline] {
        let world = World::new();
        let (message, pointer) = accept(&world).await;
        let (life, now) = (message.first_life(), world.clock.now());
        world.store.give_up(&message.id, &life, DeadReason::Gone, now).await.unwrap();
        world.store.mark_buried(&message.id, &life, now).await.unwrap();
        let begun = world.store.begin_again(&message.id, &life, Again::Redrive, now).await;
        assert!(matches!(begun, Ok(Begun::Pending(_))), "{begun:?}");
        world.clock.advance(waited);
        // Not let go as long as the body cannot be kept.
        let (worker, made) = failing(&world, 1, Fate::Lost);
        assert_eq!(world.invoke_on(&worker).await, [Told::HandedBack], "{waited:?}");
        assert_eq!(made.made.lock().unwrap()[1], "put", "{waited:?}");
        world.wait_for_next();
        assert_eq!(world.invoke().await, [Told::Acknowledged], "{waited:?}");
        assert_eq!(kept(&world, &pointer).await.as_deref(), Some(&BYTES[..]), "{waited:?}");
        assert_eq!(world.sent(), 0, "{waited:?}");
    }
}

#[tokio::test]
async fn f42_a_letter_that_an_operator_moves_back_brings_its_body_and_is_kept_if_it_dies_again() {
    let world = World::new();
    let (message, pointer) = accept(&world).await;
    world.answers([Answer::Status(410), Answer::Status(410)]);
    world.invoke().await;
    world.payloads.remove(&pointer);
    let letter: DeadLetter = world.queue.inner.move_back(0).unwrap();
    assert!(letter.text.contains("bodyJson"));
    // The letter is a redrive; what that sends dies in turn.
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.state(&message).await.life.generation.0, 1);
    assert_eq!(kept(&world, &pointer).await.as_deref(), Some(&BYTES[..]));
    let begun = world
        .store
        .begin_again(
            &message.id,
            &world.state(&message).await.life,
            Again::Redrive,
            world.clock.now(),
        )
        .await;
    assert!(matches!(begun, Ok(Begun::Pending(_))), "{begun:?}");
}
