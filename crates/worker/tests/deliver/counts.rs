//! What the worker counts while it delivers: every end once, whatever happens around it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, ClaimRequest, Life, Phase};
use relay_core::message::Message;
use relay_core::metrics::{Kind, Metric, Samples};
use relay_core::outcome::{DeadReason, ErrorKind};
use relay_core::ports::{
    Begun, Claim, Found, PortError, Queue, Recorded, Settled, Settlement, Store,
};
use relay_core::time::Timestamp;
use relay_testkit::{MemoryStore, sample};
use relay_worker::{Item, Ports, Told, Worker};

use crate::world::{Answer, World, rules};

/// What was recorded, one metric a line; of a distribution its values.
fn shown(samples: &Samples) -> String {
    let line = |(metric, values): (Metric, &[u64])| {
        let definition = metric.definition();
        match (definition.kind, values) {
            (Kind::Counter, [sum]) => format!("{}: {sum}\n", definition.name),
            (Kind::Counter | Kind::Distribution, values) => {
                format!("{}: {values:?}\n", definition.name)
            }
        }
    };
    samples.iter().map(line).collect()
}

async fn batch(world: &World, items: &[Item]) {
    let ends = world.clock.now().plus(Duration::from_secs(120));
    world.worker.deliver_batch(items, ends).await;
}

#[tokio::test]
async fn a_batch_with_every_kind_of_end() {
    let world = World::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.accept(&sample::message(name, 1)).await;
    }
    world.answers([
        Answer::Status(200),
        Answer::Status(503),
        Answer::Status(429),
        Answer::Status(410),
        Answer::Fails(ErrorKind::Timeout),
        Answer::Fails(ErrorKind::AddressRefused),
    ]);
    world.clock.advance(Duration::from_millis(1500));
    batch(&world, &world.receive()).await;
    expect_test::expect![[r#"
        BatchSize: [6]
        AttemptsDelivered: 1
        AttemptsRejected: 1
        AttemptsThrottled: 1
        AttemptsTargetError: 1
        AttemptsTimedOut: 1
        AttemptsAddressRefused: 1
        AttemptMilliseconds: [5, 5, 5, 5, 5, 5]
        Delivered: 1
        EndToEndMilliseconds: [1500]
        AttemptsAtDelivery: [1]
        Retries: 3
        Dead: 2
        DeadGone: 1
        DeadTargetRefused: 1
    "#]]
    .assert_eq(&shown(&world.worker.recorder().take()));
}

#[tokio::test]
async fn a_wait_in_the_queue_is_told_by_the_first_receipt_alone() {
    let world = World::new();
    for name in ["first", "second"] {
        world.accept(&sample::message(name, 1)).await;
    }
    let available_at = Some(world.clock.now());
    world.clock.advance(Duration::from_millis(700));
    let mut items = world.receive();
    for (item, receipts) in items.iter_mut().zip([1, 2]) {
        (item.available_at, item.receipts) = (available_at, receipts);
    }
    batch(&world, &items).await;
    let samples = world.worker.recorder().take();
    let waits: Vec<_> =
        shown(&samples).lines().filter(|line| line.contains("Wait")).map(str::to_owned).collect();
    assert_eq!(waits, ["QueueWaitMilliseconds: [700]"]);
}

#[tokio::test]
async fn a_death_counts_once_however_often_its_burial_is_begun() {
    let world = World::new();
    world.accept(&sample::message("half", 1)).await;
    world.answers([Answer::Status(410)]);
    world.queue.burying_fails.store(true, Ordering::SeqCst);
    world.invoke().await;
    world.queue.burying_fails.store(false, Ordering::SeqCst);
    world.wait_for_next();
    world.invoke().await;
    expect_test::expect![[r#"
        BatchSize: [1, 1]
        AttemptsRejected: 1
        AttemptMilliseconds: [5]
        Setbacks: 1
        Dead: 1
        DeadGone: 1
    "#]]
    .assert_eq(&shown(&world.worker.recorder().take()));
}

#[tokio::test]
async fn a_breaker_that_opens_is_counted_and_so_is_what_it_puts_off() {
    let world = World::new();
    let failures = rules().breaker.failures_max;
    for number in 0..=failures {
        world.accept(&sample::message(&format!("m{number}"), 1)).await;
    }
    world.answers((0..failures).map(|_| Answer::Status(500)));
    for item in world.receive() {
        batch(&world, &[item]).await;
    }
    let samples = world.worker.recorder().take();
    assert_eq!(samples.sum(Metric::AttemptsTargetError), u64::from(failures));
    assert_eq!((samples.sum(Metric::BreakersOpened), samples.sum(Metric::Deferrals)), (1, 0));
    let [item] = &world.receive()[..] else { panic!("one is left") };
    batch(&world, std::slice::from_ref(item)).await;
    let samples = world.worker.recorder().take();
    assert_eq!((samples.sum(Metric::BreakersOpened), samples.sum(Metric::Deferrals)), (0, 1));
    assert_eq!(world.sent(), failures as usize);
}

/// A store in which the state of no message can be read for a claim, and in which another worker gives every message up
/// a moment before.
struct Odd(Arc<MemoryStore>);

#[async_trait]
impl Store for Odd {
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        self.0.record(message, now).await
    }
    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        self.0.find(id, now).await
    }
    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.0.mark_queued(id, life, now).await
    }
    async fn claim(&self, _: &RelayId, _: &ClaimRequest) -> Result<Claim, PortError> {
        Err(PortError::Corrupt { action: "claiming", reason: "phase is missing".to_owned() })
    }
    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        self.0.settle(settlement).await
    }
    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.0.give_up(id, life, reason, now.minus(Duration::from_millis(1))).await?;
        self.0.give_up(id, life, reason, now).await
    }
    async fn cancel(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.0.cancel(id, life, now).await
    }
    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.0.mark_buried(id, life, now).await
    }
    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        self.0.begin_again(id, life, again, now).await
    }
    async fn ready(&self) -> Result<(), PortError> {
        self.0.ready().await
    }
}

fn odd(world: &World) -> Worker {
    let store: Arc<dyn Store> = Arc::new(Odd(Arc::clone(&world.store)));
    Worker::new(Ports { store, ..world.ports.clone() }, rules())
}

#[tokio::test]
async fn what_cannot_be_read_is_no_trouble_of_a_service() {
    let world = World::new();
    let envelope = world.accept(&sample::message("record", 1)).await;
    let worker = odd(&world);
    let ends = world.clock.now().plus(Duration::from_secs(120));
    let item = world.receive().remove(0);
    assert_eq!(worker.deliver(&item, ends).await, Told::HandedBack);
    let newer = sample::newer(&envelope.to_json());
    assert_eq!(worker.deliver(&Item { text: newer.into(), ..item }, ends).await, Told::HandedBack);
    assert_eq!(shown(&worker.recorder().take()), "Unreadable: 2\n");
}

#[tokio::test]
async fn a_message_given_up_by_several_workers_at_once_counts_for_one_of_them() {
    let world = World::new();
    let message = sample::message("overdue", 1);
    world.accept(&message).await;
    world.clock.advance(rules().deadline);
    let worker = odd(&world);
    let ends = world.clock.now().plus(Duration::from_secs(120));
    let item = world.receive().remove(0);
    assert_eq!(worker.deliver(&item, ends).await, Told::Acknowledged);
    let dead = Phase::Dead { reason: DeadReason::DeadlinePassed, buried: true };
    assert_eq!(world.state(&message).await.phase, dead);
    assert_eq!(shown(&worker.recorder().take()), "");
}

/// An item of a message that cannot be read, though it says whose it is.
async fn malformed(world: &World, message: &Message) -> Item {
    world.accept(message).await;
    let received = world.receive().remove(0);
    let text = received.text.replace("bodyJson", "bodyOfAnotherKind").into();
    Item { text, ..received }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_counts_once_however_often_it_is_buried() {
    let world = World::new();
    let message = sample::message("unreadable", 1);
    let item = malformed(&world, &message).await;
    let ends = world.clock.now().plus(Duration::from_secs(120));
    world.queue.burying_fails.store(true, Ordering::SeqCst);
    assert_eq!(world.worker.deliver(&item, ends).await, Told::HandedBack);
    world.queue.burying_fails.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(world.worker.deliver(&item, ends).await, Told::Acknowledged);
    }
    assert_eq!(world.queue.inner.dead_letters().len(), 2);
    assert_eq!(shown(&world.worker.recorder().take()), "Setbacks: 1\nDead: 1\nDeadMalformed: 1\n");
    // Nobody knows whose this is: each counts.
    let stranger = Item { text: "{}".into(), ..item };
    assert_eq!(world.worker.deliver(&stranger, ends).await, Told::Acknowledged);
    assert_eq!(shown(&world.worker.recorder().take()), "Dead: 1\nDeadMalformed: 1\n");
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_of_a_delivered_message_is_no_death() {
    let world = World::new();
    let message = sample::message("done", 1);
    let envelope = world.accept(&message).await;
    world.invoke().await;
    assert_eq!(world.worker.recorder().take().sum(Metric::Delivered), 1);
    world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    let received = world.receive().remove(0);
    let text = received.text.replace("bodyJson", "bodyOfAnotherKind").into();
    let ends = world.clock.now().plus(Duration::from_secs(120));
    let told = world.worker.deliver(&Item { text, ..received }, ends).await;
    assert_eq!((told, world.queue.inner.dead_letters().len()), (Told::Acknowledged, 1));
    assert_eq!(world.worker.recorder().take().sum(Metric::Dead), 0);
}
