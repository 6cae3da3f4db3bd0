//! Bodies that only a letter has, which the queue moved on its own: they are kept before the letter goes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use relay_core::body::{Body, Pointer, Sha256};
use relay_core::envelope::Envelope;
use relay_core::identity::Generation;
use relay_core::lifecycle::{Again, Phase, Status};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Letter, Letters, Payloads, PortError, Queue, Receipt, Store};
use relay_core::reconcile::{QUIET, SENDING_GRACE};
use relay_operate::Gone;
use relay_testkit::{MemoryQueue, sample};

use crate::world::{FAILURES, World};

static BYTES: Bytes = Bytes::from_static(b"only the queue has it");
/// JSON stands in its letter as it is.
static JSON: Bytes = Bytes::from_static(b"{ \"only\": [\"the queue\", 1e400] }");
/// More calls than a run over one message makes.
const CALLS_MAX: usize = 40;

/// A message of which only the queue had the body, when it moved its copy to the dead letters.
async fn moved(world: &World) -> (Message, Pointer) {
    moved_with(world, &BYTES).await
}

async fn moved_with(world: &World, body: &Bytes) -> (Message, Pointer) {
    let mut message = sample::message("moved", 1);
    let sha256 = Sha256::of(body);
    let pointer = Pointer::for_payload("bucket", &message.id, sha256, body.len() as u64);
    message.body = Body::Unretained(pointer.clone());
    world.store.record(&message, world.now()).await.unwrap();
    let envelope = Envelope::of(&message, message.first_life(), Body::Inline(body.clone()));
    assert!(!envelope.retained);
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    assert_eq!(world.queue.move_received_often(0), 1);
    world.clock.advance(QUIET);
    (message, pointer)
}

async fn kept(world: &World, pointer: &Pointer) -> Option<Vec<u8>> {
    let stream = world.payloads.open(pointer).await.ok()?;
    Some(stream.map(|piece| piece.unwrap().to_vec()).concat().await)
}

#[tokio::test]
async fn f21_the_body_of_a_letter_that_the_queue_moved_is_kept_whatever_fails_on_the_way() {
    for (number, body) in (0..CALLS_MAX).flat_map(|number| [(number, &BYTES), (number, &JSON)]) {
        for fate in FAILURES {
            let world = World::new();
            let (message, pointer) = moved_with(&world, body).await;
            world.plan.fail(&[(number, fate)]);
            world.run().await;
            let case = format!("{number} {fate:?}");
            let letters = world.queue.dead_letters();
            let has_body = letters.iter().any(|letter| letter.text.contains("the queue"));
            assert!(has_body || kept(&world, &pointer).await.is_some(), "{case}: the body is gone");
            world.settle().await;
            let reason = DeadReason::ReceiveCountExceeded;
            let state = world.state(&message.id).await;
            assert_eq!(state.phase, Phase::Dead { reason, buried: true }, "{case}");
            assert_eq!(kept(&world, &pointer).await.as_deref(), Some(&body[..]), "{case}");
        }
    }
}

#[tokio::test]
async fn f21_the_body_is_kept_even_if_the_message_was_buried_without_it() {
    let world = World::new();
    let (message, pointer) = moved(&world).await;
    let (life, reason) = (message.first_life(), DeadReason::AttemptsExhausted);
    world.give_up(&message, &life, reason).await;
    world.bury(&message, reason).await;
    world.store.mark_buried(&message.id, &life, world.now()).await.unwrap();
    world.run().await;
    assert_eq!(world.letters(), [(message.id.clone(), Some("0".to_owned()))]);
    assert_eq!(kept(&world, &pointer).await.as_deref(), Some(&BYTES[..]));
}

/// The letters, as if newer code had written them.
struct Newer(MemoryQueue);

#[async_trait]
impl Letters for Newer {
    async fn receive(&self, hidden_for: Duration) -> Result<Vec<Letter>, PortError> {
        let letters = Letters::receive(&self.0, hidden_for).await?;
        let newer = |letter: Letter| Letter { text: sample::newer(&letter.text), ..letter };
        Ok(letters.into_iter().map(newer).collect())
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        Letters::delete(&self.0, receipts).await
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        self.0.release(receipts).await
    }
}

#[tokio::test]
async fn f15_a_letter_of_a_newer_version_is_left_to_newer_code_if_it_may_have_the_only_body() {
    let world = World::new();
    let (message, pointer) = moved(&world).await;
    world.run_over(Arc::new(Newer(world.queue.clone()))).await;
    assert_eq!(world.letters(), [(message.id.clone(), None)]);
    assert_eq!(world.state(&message.id).await.phase.status(), Status::Pending);
    world.run().await;
    assert_eq!(kept(&world, &pointer).await.as_deref(), Some(&BYTES[..]));
    // A body that is kept elsewhere needs nobody who can read the letter.
    let world = World::new();
    let message = world.queued("retained").await;
    assert_eq!(world.queue.move_received_often(0), 1);
    world.clock.advance(QUIET);
    world.run_over(Arc::new(Newer(world.queue.clone()))).await;
    assert_eq!(world.letters(), [(message.id.clone(), Some("0".to_owned()))]);
    assert_eq!(world.state(&message.id).await.phase.status(), Status::Dead);
}

#[tokio::test]
async fn a_body_that_nobody_asks_for_any_more_is_not_kept() {
    let world = World::new();
    let (message, pointer) = moved(&world).await;
    let life = message.first_life();
    world.store.cancel(&message.id, &life, world.now()).await.unwrap();
    world.run().await;
    assert_eq!((world.letters(), kept(&world, &pointer).await), (Vec::new(), None));
}

#[tokio::test]
async fn f22_with_the_body_that_was_kept_the_message_can_be_redriven() {
    let world = World::new();
    let (message, pointer) = moved(&world).await;
    world.run().await;
    let gone = world.going().again(&message.id, Again::Redrive).await;
    assert_eq!(gone, Ok(Gone::Again(Generation(1))));
    let sent = world.in_queue();
    assert_eq!(sent.len(), 1);
    assert_eq!((&sent[0].body, sent[0].retained), (&Body::Stored(pointer), true));
}

#[tokio::test]
async fn f22_a_redrive_that_stopped_and_has_no_body_any_more_is_left_and_not_told_to_be_sent() {
    let world = World::new();
    let (message, pointer) = moved(&world).await;
    world.run().await;
    world.begun_again(&message).await;
    world.payloads.remove(&pointer);
    world.clock.advance(SENDING_GRACE * 2);
    let report = world.run().await;
    assert_eq!((report.left, report.sent, report.failed), (1, 0, 0), "{report:?}");
    assert!(world.in_queue().is_empty());
    assert_eq!(world.state(&message.id).await.phase, Phase::Pending);
}
