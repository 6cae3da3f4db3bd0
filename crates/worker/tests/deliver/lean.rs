//! Lean status tracking: first attempts are not claimed, and written down together. What that costs in calls, and what
//! is left of the promises when things go wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay_core::envelope::Envelope;
use relay_core::lifecycle::{Phase, Status};
use relay_core::message::Message;
use relay_core::outcome::{DeadReason, ErrorKind};
use relay_core::ports::{Queue, Store};
use relay_core::settings::Tracking;
use relay_testkit::faults::{Fate, Faulty, Trouble, Troubles};
use relay_testkit::sample;
use relay_worker::{Item, Ports, Rules, Told, Worker};

use crate::world::{Answer, VISIBILITY, World, rules};

/// More receipts than any of these messages needs.
const RECEIPTS_MAX: usize = 20;

/// The calls to the store so far, and what becomes of the next ones: done, if nothing is said.
#[derive(Default)]
pub(crate) struct Calls {
    made: Mutex<Vec<&'static str>>,
    /// How long a call for several settlements takes before it does anything.
    pub(crate) together_takes: Mutex<Duration>,
    fates: Mutex<Vec<(&'static str, Fate)>>,
}

impl Troubles for Calls {
    fn next(&self, call: &'static str) -> Trouble {
        self.made.lock().unwrap().push(call);
        let mut fates = self.fates.lock().unwrap();
        let meant = fates.iter().position(|(name, _)| *name == call);
        let fate = meant.map_or(Fate::Done, |place| fates.remove(place).1);
        let is_together = call == "settle_all";
        let before =
            if is_together { *self.together_takes.lock().unwrap() } else { Duration::ZERO };
        Trouble { before, fate, after: Duration::ZERO }
    }
}

impl Calls {
    /// The calls since this was last asked.
    pub(crate) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.made.lock().unwrap())
    }

    /// What becomes of the next calls of this name, one after the other.
    pub(crate) fn meet(&self, call: &'static str, fates: impl IntoIterator<Item = Fate>) {
        self.fates.lock().unwrap().extend(fates.into_iter().map(|fate| (call, fate)));
    }
}

/// A world whose worker tracks as little as it may, and the calls it makes to the store.
pub(crate) struct Lean {
    pub(crate) world: World,
    pub(crate) worker: Worker,
    pub(crate) calls: Arc<Calls>,
}

impl Lean {
    pub(crate) fn new() -> Self {
        Self::with(rules())
    }

    pub(crate) fn with(rules: Rules) -> Self {
        let (world, calls) = (World::new(), Arc::<Calls>::default());
        let store = Arc::new(Faulty::new((*world.store).clone(), Arc::<Calls>::clone(&calls)));
        let ports = Ports { store, ..world.ports.clone() };
        let worker = Worker::new(ports, Rules { tracking: Tracking::Lean, ..rules });
        Self { world, worker, calls }
    }

    /// Accepts a message as ingest does in lean tracking: recorded and in the queue.
    pub(crate) async fn accept(&self, name: &str) -> Message {
        let message = sample::message(name, 1);
        self.world.store.record(&message, self.world.clock.now()).await.unwrap();
        self.send(&message).await;
        message
    }

    async fn send(&self, message: &Message) {
        let envelope = Envelope::of(message, message.first_life(), message.body.clone());
        self.world.queue.send(&envelope, Duration::ZERO).await.unwrap();
    }

    pub(crate) async fn accept_all(&self, names: &[&str]) -> Vec<Message> {
        let mut messages = Vec::new();
        for name in names {
            messages.push(self.accept(name).await);
        }
        messages
    }

    pub(crate) async fn invoke(&self) -> Vec<Told> {
        self.world.invoke_on(&self.worker).await
    }

    /// Invokes the worker as long as there are items, each time when the next one is visible.
    pub(crate) async fn finish(&self) {
        for _ in 0..RECEIPTS_MAX {
            if self.world.queue.inner.depth() == 0 {
                return;
            }
            self.world.wait_for_next();
            self.invoke().await;
        }
        panic!("still in the queue after {RECEIPTS_MAX} receipts");
    }

    pub(crate) async fn is_delivered(&self, message: &Message) -> bool {
        self.world.state(message).await.phase == Phase::Delivered
    }
}

#[tokio::test]
async fn a_batch_that_is_delivered_costs_one_call_to_the_store() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["a", "b", "c", "d", "e"]).await;
    assert_eq!(lean.invoke().await, [Told::Acknowledged; 5]);
    // And what becomes of each part of it.
    let parts = ["settle"; 5];
    assert_eq!(lean.calls.take(), [&["settle_all"][..], &parts].concat());
    for message in &messages {
        let state = lean.world.state(message).await;
        assert_eq!((state.phase, state.attempts), (Phase::Delivered, 1));
        assert_eq!(state.outcomes[0].status, Some(200));
    }
    assert_eq!((lean.world.sent(), lean.world.queue.inner.depth()), (5, 0));
}

#[tokio::test]
async fn a_message_alone_costs_one_call_too() {
    let lean = Lean::new();
    let message = lean.accept("alone").await;
    assert_eq!(lean.invoke().await, [Told::Acknowledged]);
    assert_eq!(lean.calls.take(), ["settle"]);
    assert!(lean.is_delivered(&message).await);
}

#[tokio::test]
async fn what_failed_once_is_claimed_from_then_on() {
    let lean = Lean::new();
    let message = lean.accept("fails").await;
    lean.world.answers([Answer::Status(503), Answer::Fails(ErrorKind::Timeout)]);
    assert_eq!(lean.invoke().await, [Told::HandedBack]);
    assert_eq!(lean.calls.take(), ["settle"]);
    let state = lean.world.state(&message).await;
    assert_eq!((state.phase.status(), state.attempts), (Status::Retrying, 1));
    let wait = lean.world.wait_for_next().as_secs();
    assert!((5..=10).contains(&wait), "{wait}");
    lean.invoke().await;
    assert_eq!(lean.calls.take(), ["claim", "settle"]);
    lean.finish().await;
    let state = lean.world.state(&message).await;
    assert_eq!((state.phase, state.attempts), (Phase::Delivered, 3));
    let attempts: Vec<u32> = state.outcomes.iter().map(|kept| kept.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn a_batch_of_failures_and_successes_is_written_together() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["good", "bad", "gone"]).await;
    lean.world.answers([Answer::Status(200), Answer::Status(503), Answer::Status(410)]);
    let told = lean.invoke().await;
    assert_eq!(told, [Told::Acknowledged, Told::HandedBack, Told::Acknowledged]);
    let calls = lean.calls.take();
    assert_eq!(calls, ["settle_all", "settle", "settle", "settle", "mark_buried"]);
    let dead = lean.world.state(&messages[2]).await;
    assert_eq!(dead.phase, Phase::Dead { reason: DeadReason::Gone, buried: true });
    assert_eq!(lean.world.queue.inner.dead_letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn f09_a_worker_that_dies_in_a_first_attempt_leaves_the_message_to_the_next() {
    let lean = Lean::new();
    let message = lean.accept("crash").await;
    lean.world.answers([Answer::Takes(Duration::from_secs(5))]);
    let dies = tokio::time::timeout(Duration::from_secs(1), lean.invoke());
    assert!(dies.await.is_err());
    assert_eq!((lean.world.sent(), lean.world.state(&message).await.attempts), (1, 0));
    lean.world.clock.advance(VISIBILITY);
    assert_eq!(lean.invoke().await, [Told::Acknowledged]);
    assert_eq!(lean.calls.take(), ["claim", "settle"]);
    assert!(lean.is_delivered(&message).await);
    let sent = lean.world.targets.sent.lock().unwrap();
    let ids = sent.iter().map(|sent| &sent.headers.iter().find(|h| h.0 == "webhook-id").unwrap().1);
    assert_eq!(ids.collect::<Vec<_>>(), [message.id.as_str(); 2], "one id, whoever sends it");
}

#[tokio::test]
async fn f09_a_message_that_kills_its_workers_is_buried_after_one_attempt_more() {
    let lean = Lean::new();
    let message = lean.accept("killer").await;
    lean.world.answers([Answer::Panics, Answer::Panics, Answer::Panics, Answer::Panics]);
    lean.finish().await;
    let dead = Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: true };
    assert_eq!(lean.world.state(&message).await.phase, dead);
    let most = usize::try_from(rules().retry.attempts_max).unwrap() + 1;
    assert_eq!((lean.world.sent(), lean.world.queue.inner.dead_letters().len()), (most, 1));
}

#[tokio::test]
async fn f08_of_two_copies_in_one_batch_one_is_sent() {
    let lean = Lean::new();
    let message = lean.accept("twice").await;
    lean.send(&message).await;
    let told = lean.invoke().await;
    assert_eq!(told.iter().filter(|told| **told == Told::HandedBack).count(), 1);
    // As long as the other's attempt may take, and not as long as a hold lasts that is written nowhere.
    let wait = lean.world.wait_for_next();
    let longest = rules().timeout + Duration::from_secs(2);
    assert!(rules().timeout < wait && wait <= longest, "{wait:?}");
    lean.finish().await;
    assert_eq!((lean.world.sent(), lean.world.state(&message).await.attempts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn f08_of_two_copies_at_two_workers_the_first_that_is_written_counts() {
    for (answers, phase, attempts) in [
        ([200, 200], Status::Delivered, 1),
        ([503, 200], Status::Delivered, 1),
        ([200, 503], Status::Delivered, 1),
        ([503, 503], Status::Retrying, 1),
    ] {
        let lean = Lean::new();
        let message = lean.accept("twice").await;
        let first = lean.world.receive().remove(0);
        lean.send(&message).await;
        let second = lean.world.receive().remove(0);
        lean.world.answers(answers.map(Answer::Status));
        let ends = lean.world.clock.now().plus(Duration::from_secs(120));
        // Another environment: what it attempts is not known to the first.
        let (one, other) =
            tokio::join!(lean.worker.deliver(&first, ends), lean.worker.deliver(&second, ends));
        assert_eq!(lean.world.sent(), 2);
        let state = lean.world.state(&message).await;
        assert_eq!((state.phase.status(), state.attempts), (phase, attempts), "{answers:?}");
        for (told, item) in [(one, first), (other, second)] {
            if told == Told::Acknowledged {
                lean.world.queue.inner.delete(&item.receipt);
            }
        }
        // Whichever came too late looks again before long, and finds how it stands.
        lean.finish().await;
        assert!(lean.is_delivered(&message).await, "{answers:?}");
    }
}

#[tokio::test]
async fn f11_a_late_copy_of_a_delivered_message_changes_nothing_that_is_written() {
    let lean = Lean::new();
    let message = lean.accept("done").await;
    lean.invoke().await;
    let before = lean.world.state(&message).await;
    // A copy that nobody received before: at least once is all that is promised here.
    lean.send(&message).await;
    lean.world.answers([Answer::Status(503)]);
    assert_eq!(lean.invoke().await, [Told::HandedBack]);
    assert_eq!((lean.world.sent(), lean.world.state(&message).await), (2, before));
    assert!(lean.world.wait_for_next() <= Duration::from_secs(3));
    assert_eq!(lean.invoke().await, [Told::Acknowledged]);
    assert_eq!(lean.world.sent(), 2);
    // One that was received before is told by the record.
    lean.send(&message).await;
    let item = Item { receipts: 2, ..lean.world.receive().remove(0) };
    let ends = lean.world.clock.now().plus(Duration::from_secs(120));
    assert_eq!(lean.worker.deliver(&item, ends).await, Told::Acknowledged);
    assert_eq!(lean.world.sent(), 2);
}

#[tokio::test]
async fn whatever_may_not_be_the_first_is_claimed() {
    let is_claimed = async |change: &dyn Fn(&mut Item)| {
        let lean = Lean::new();
        lean.accept("other").await;
        let mut item = lean.world.receive().remove(0);
        change(&mut item);
        let ends = lean.world.clock.now().plus(Duration::from_secs(120));
        lean.worker.deliver(&item, ends).await;
        lean.calls.take().contains(&"claim")
    };
    assert!(!is_claimed(&|_| {}).await);
    assert!(is_claimed(&|item| item.receipts = 2).await);
    assert!(is_claimed(&|item| item.is_delayed = true).await);
    let of_next = |item: &mut Item| {
        item.text = item.text.replace(r#""generation":0"#, r#""generation":1"#).into();
    };
    assert!(is_claimed(&of_next).await);
}

#[tokio::test]
async fn f41_a_copy_that_waited_for_a_breaker_is_claimed() {
    let lean = Lean::new();
    let message = lean.accept("deferred").await;
    let until = lean.world.clock.now().plus(Duration::from_secs(300));
    crate::breaker::keep_open(&lean.world, until).await;
    assert_eq!(lean.invoke().await, [Told::Acknowledged], "a delayed copy goes on");
    assert_eq!(lean.calls.take(), [""; 0]);
    lean.finish().await;
    assert!(lean.calls.take().contains(&"claim"));
    assert!(lean.is_delivered(&message).await);
}

#[tokio::test]
async fn f36_a_settlement_whose_answer_is_lost_knows_itself() {
    for fate in [Fate::Unanswered, Fate::Lost, Fate::Twice] {
        let lean = Lean::new();
        let messages = lean.accept_all(&["a", "b"]).await;
        lean.calls.meet("settle", [fate, fate]);
        assert_eq!(lean.invoke().await, [Told::Acknowledged; 2], "{fate:?}");
        for message in &messages {
            let state = lean.world.state(message).await;
            assert_eq!((state.phase, state.outcomes.len()), (Phase::Delivered, 1), "{fate:?}");
        }
    }
}
