//! What the worker logs of a message: whose every line is, how severe it is, and what a share of plain success leaves
//! out. The lines are those that the functions write.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join;
use relay_aws::JsonLines;
use relay_core::decide::Decision;
use relay_core::envelope::VERSION;
use relay_core::outcome::ErrorKind;
use relay_core::ports::{Claim, Settled, Settlement, Store};
use relay_testkit::faults::{Fate, Faulty, Trouble, Troubles};
use relay_testkit::lines::judge_for_all_threads;
use relay_testkit::sample;
use relay_worker::{Item, Ports, Told, Worker};
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::world::{Answer, World, rules};

/// What was written to the log.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Begins to write down everything that this thread logs.
    pub(crate) fn kept() -> (Self, tracing::subscriber::DefaultGuard) {
        judge_for_all_threads();
        let lines = Self::default();
        let written = lines.clone();
        let writer =
            JsonLines::new(move |line: &[u8]| written.0.lock().unwrap().extend_from_slice(line));
        (lines, tracing::subscriber::set_default(registry().with(writer)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn all(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines that say this.
    pub(crate) fn saying(&self, message: &str) -> Vec<Value> {
        self.all().into_iter().filter(|line| line["message"] == message).collect()
    }

    /// The only line that says this.
    fn only(&self, message: &str) -> Value {
        let mut found = self.saying(message);
        assert_eq!(found.len(), 1, "{message}: {}", self.text());
        found.remove(0)
    }
}

async fn deliver(world: &World, worker: &Worker, item: &Item) -> Told {
    worker.deliver(item, world.clock.now().plus(Duration::from_secs(120))).await
}

#[tokio::test]
async fn the_lines_about_an_item_that_cannot_be_read_say_whose_it_is() {
    let (lines, _guard) = Lines::kept();
    let world = World::new();
    let message = sample::message("unreadable", 1);
    let envelope = world.accept(&message).await;
    let received = world.receive().remove(0);
    let broken = received.text.replace("bodyJson", "bodyOfAnotherKind");
    deliver(&world, &world.worker, &Item { text: broken.clone().into(), ..received.clone() }).await;
    let line = lines.only("item is malformed");
    assert_eq!((&line["id"], &line["item_id"]), (&message.id.as_str().into(), &"item-0".into()));
    // Nor is it lost when the line is about trouble on the way.
    world.queue.burying_fails.store(true, Ordering::SeqCst);
    deliver(&world, &world.worker, &Item { text: broken.into(), ..received.clone() }).await;
    assert_eq!(lines.only("item handed back")["id"], message.id.as_str());
    let newer = sample::newer(&envelope.to_json());
    deliver(&world, &world.worker, &Item { text: newer.into(), ..received.clone() }).await;
    let line = lines.only("item of a newer version");
    assert_eq!(
        (&line["id"], &line["envelope_version"]),
        (&message.id.as_str().into(), &(VERSION + 1).into())
    );
    // Nobody's.
    world.queue.burying_fails.store(false, Ordering::SeqCst);
    deliver(&world, &world.worker, &Item { text: "{}".into(), ..received }).await;
    assert_eq!(lines.saying("item is malformed")[1]["id"], Value::Null);
}

#[tokio::test]
async fn the_line_of_a_delivery_that_panics_says_whose_it_is() {
    let (lines, _guard) = Lines::kept();
    let world = World::new();
    let message = sample::message("panics", 1);
    world.accept(&message).await;
    world.answers([Answer::Panics]);
    world.queue.postponing_fails.store(true, Ordering::SeqCst);
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    for said in ["delivery panicked", "visibility was not changed"] {
        let line = lines.only(said);
        assert_eq!(line["message_id"], "panics", "{line}");
        assert_eq!(line["id"], message.id.as_str());
        assert_eq!(line["item_id"], "item-0");
    }
}

/// Delivers a message, and before its result can be written another worker takes it over and is done with it.
async fn deliver_too_slowly(world: &World, worker: &Worker) -> Told {
    let message = sample::message("slow", 1);
    world.accept(&message).await;
    world.answers([Answer::Takes(Duration::from_secs(5))]);
    let item = world.receive().remove(0);
    let taken_over = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.clock.advance(rules().lease);
        let life = message.first_life();
        let claim = sample::claim(&life, 9, world.clock.now());
        let Ok(Claim::Ours(lease)) = world.store.claim(&message.id, &claim).await else {
            panic!("it is not held any more")
        };
        let (id, now) = (message.id.clone(), world.clock.now());
        let (attempt, decision) = (sample::attempt(lease.attempt, 200), Decision::Delivered);
        let settlement = Settlement { id, life, lease, attempt, decision, now };
        let settled = world.store.settle(&settlement).await;
        assert!(matches!(settled, Ok(Settled::Done(_))));
    };
    join(deliver(world, worker, &item), taken_over).await.0
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_too_late_to_be_written_is_told() {
    let (lines, _guard) = Lines::kept();
    let world = World::new();
    assert_eq!(deliver_too_slowly(&world, &world.worker).await, Told::HandedBack);
    let line = lines.only("not written: the lease was lost");
    assert_eq!((&line["level"], &line["message_id"]), (&"WARN".into(), &"slow".into()));
    assert_eq!(lines.saying("attempt").len(), 1);
}

/// No result can be written.
struct SettlingFails;

impl Troubles for SettlingFails {
    fn next(&self, call: &'static str) -> Trouble {
        let fate = if call == "settle" { Fate::Lost } else { Fate::Done };
        Trouble { before: Duration::ZERO, fate, after: Duration::ZERO }
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_that_was_not_written_down_is_not_plain() {
    let (lines, _guard) = Lines::kept();
    let world = World::new();
    let worker = world.worker.clone().logging_success_of(0);
    world.accept(&sample::message("plain", 1)).await;
    world.invoke_on(&worker).await;
    assert_eq!(lines.all(), Vec::<Value>::new());
    deliver_too_slowly(&world, &worker).await;
    let line = lines.only("attempt");
    assert_eq!((&line["message_id"], &line["status"]), (&"slow".into(), &200.into()));
    let store = Arc::new(Faulty::new((*world.store).clone(), Arc::new(SettlingFails)));
    let ports = Ports { store, ..world.ports.clone() };
    let worker = Worker::new(ports, rules()).logging_success_of(0);
    world.accept(&sample::message("unwritten", 1)).await;
    world.invoke_on(&worker).await;
    assert_eq!(lines.saying("attempt")[1]["message_id"], "unwritten");
}

#[tokio::test(start_paused = true)]
async fn what_an_invocation_is_cut_off_from_is_told() {
    let (lines, _guard) = Lines::kept();
    let world = World::new();
    for name in ["goes", "hangs", "hangs-too"] {
        world.accept(&sample::message(name, 1)).await;
    }
    let hangs = Answer::Takes(Duration::from_secs(3600));
    world.answers([Answer::Status(200), hangs.clone(), hangs]);
    assert_eq!(world.invoke().await, [Told::Acknowledged, Told::HandedBack, Told::HandedBack]);
    let line = lines.only("cut off: the invocation is about to end");
    assert_eq!((&line["level"], &line["items_left"]), (&"WARN".into(), &2.into()));
}

#[tokio::test]
async fn an_attempt_that_did_not_deliver_is_a_warning() {
    let (lines, _guard) = Lines::kept();
    let world = World::new();
    for name in ["fails", "is-refused", "times-out", "goes"] {
        world.accept(&sample::message(name, 1)).await;
    }
    let timeout = Answer::Fails(ErrorKind::Timeout);
    world.answers([Answer::Status(503), Answer::Status(410), timeout, Answer::Status(200)]);
    world.invoke().await;
    let attempts = lines.saying("attempt");
    let told: Vec<_> =
        attempts.iter().map(|line| (line["level"].clone(), line["outcome"].clone())).collect();
    let expected = [
        ("WARN", "transient"),
        ("WARN", "permanent"),
        ("WARN", "transient"),
        ("INFO", "delivered"),
    ];
    assert_eq!(told, expected.map(|(level, outcome)| (level.into(), outcome.into())));
}

#[tokio::test]
async fn a_wait_that_was_meant_is_no_wait_in_the_queue() {
    let (lines, _guard) = Lines::kept();
    let world = World::new();
    for name in ["first", "second"] {
        world.accept(&sample::message(name, 1)).await;
    }
    let available_at = Some(world.clock.now());
    world.clock.advance(Duration::from_millis(700));
    for (receipts, item) in (1..).zip(world.receive()) {
        deliver(&world, &world.worker, &Item { available_at, receipts, ..item }).await;
    }
    let attempts = lines.saying("attempt");
    let waits: Vec<_> = attempts.iter().map(|line| line["queue_wait_ms"].clone()).collect();
    assert_eq!(waits, [700.into(), Value::Null]);
}
