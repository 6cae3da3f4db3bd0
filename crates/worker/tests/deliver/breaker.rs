//! Circuit breakers in one environment: what opens one, what waiting costs, and what happens when nobody can
//! say whether it is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use relay_core::breaker::{self, Breaker, Rule, Why, WriteId};
use relay_core::destination::Target;
use relay_core::lifecycle::{Phase, Status};
use relay_core::message::Message;
use relay_core::outcome::{DeadReason, ErrorKind};
use relay_core::ports::{BreakerWritten, Breakers, PortError};
use relay_core::time::Timestamp;
use relay_testkit::faults::{Fate, Faulty, Trouble, Troubles};
use relay_testkit::sample;
use relay_worker::{Ports, Rules, Told, Worker};

use crate::world::{Answer, World, rules};

pub(crate) const DESTINATION: &str = "https://api.example.com";

/// Accepts ten messages and lets all of them fail, which opens the breaker.
pub(crate) async fn open(world: &World) {
    for number in 0..10 {
        world.accept(&sample::message(&format!("fails-{number}"), 1)).await;
    }
    world.answers((0..10).map(|number| match number % 2 {
        0 => Answer::Status(503),
        _ => Answer::Fails(ErrorKind::Timeout),
    }));
    assert_eq!(world.invoke().await, [Told::HandedBack; 10]);
    assert_eq!(world.sent(), 10);
}

/// A breaker that stays open until `until`.
pub(crate) async fn keep_open(world: &World, until: Timestamp) {
    let breaker = Breaker {
        version: 1,
        write_id: WriteId::from_random([1; 16]),
        written_at: world.clock.now(),
        since: world.clock.now(),
        opened_in: 1,
        openings: 1,
        phase: breaker::Phase::Open { until },
        why: Why { rule: Rule::Probe, last: Ok(503) },
    };
    assert_eq!(world.breakers.write(DESTINATION, &breaker).await, Ok(BreakerWritten::Done));
}

async fn read(world: &World) -> Option<Breaker> {
    world.breakers.read(DESTINATION, world.clock.now()).await.unwrap()
}

async fn attempts(world: &World, message: &Message) -> (Status, u32) {
    let state = world.state(message).await;
    (state.phase.status(), state.attempts)
}

#[tokio::test]
async fn f23_an_open_breaker_defers_without_attempt_write_or_place_in_flight() {
    let world = World::new();
    open(&world).await;
    let breaker = read(&world).await.unwrap();
    assert_eq!(breaker.why.rule, Rule::InARow { failures: 10 });
    let message = sample::message("waits", 1);
    world.accept(&message).await;
    let before = world.state(&message).await;
    let (reads, writes) = world.breakers.calls();
    assert_eq!(world.invoke().await, [Told::Acknowledged], "a fresh copy waits instead");
    assert_eq!(world.breakers.calls(), (reads, writes));
    assert_eq!(world.state(&message).await, before);
    assert_eq!((before.phase.status(), before.attempts), (Status::Queued, 0));
    assert_eq!(world.sent(), 10);
    // Thirty seconds, and up to a step of the ramp more.
    world.clock.advance(Duration::from_secs(29));
    let waits: Vec<Told> = world.invoke().await;
    assert_eq!(waits, [Told::HandedBack; 10], "retries are deferred too, where they are");
    assert_eq!(world.sent(), 10);
    world.clock.advance(Duration::from_secs(22));
    world.invoke().await;
    assert!(world.sent() > 10, "somebody probes");
}

#[tokio::test]
async fn f24_what_waited_long_comes_back_over_a_longer_time() {
    let open = Duration::from_secs(400);
    let breaker = breaker::Rules { open, ..rules().breaker };
    let world = World::with(Rules { breaker, ..rules() });
    let until = world.clock.now().plus(Duration::from_secs(30));
    keep_open(&world, until).await;
    for number in 0..40 {
        world.accept(&sample::message(&format!("waits-{number}"), 1)).await;
    }
    while !world.invoke().await.is_empty() {}
    let visible = |wait: Duration| {
        world.clock.advance(wait);
        std::iter::from_fn(|| Some(world.receive().len()).filter(|count| *count > 0)).sum::<usize>()
    };
    assert_eq!(visible(until.since(sample::START) - Duration::from_millis(1)), 0);
    let early = visible(rules().breaker.step);
    assert!((1..=20).contains(&early), "a fifth of them, give or take: {early}");
    assert_eq!(early + visible(open / 4 - rules().breaker.step), 40);
}

#[tokio::test]
async fn a_healthy_destination_costs_one_read_in_two_seconds() {
    let world = World::new();
    for number in 0..10 {
        world.accept(&sample::message(&format!("healthy-{number}"), 1)).await;
    }
    world.invoke().await;
    assert_eq!((world.sent(), world.breakers.calls()), (10, (1, 0)));
    world.clock.advance(Duration::from_secs(2));
    for number in 10..15 {
        world.accept(&sample::message(&format!("healthy-{number}"), 1)).await;
    }
    world.invoke().await;
    assert_eq!((world.sent(), world.breakers.calls()), (15, (2, 0)));
}

#[tokio::test]
async fn destinations_that_were_not_used_for_long_are_forgotten() {
    let world = World::new();
    for number in 0..1002 {
        // The first one again at last.
        let host = number % 1001;
        let target = Target::parse(&format!("https://host-{host}.example.com/")).unwrap();
        let message = Message { target, ..sample::message(&format!("message-{number}"), 1) };
        world.accept(&message).await;
        assert_eq!(world.invoke().await, [Told::Acknowledged]);
        world.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(world.breakers.calls(), (1002, 0));
}

#[tokio::test]
async fn breakers_can_be_turned_off() {
    let breaker = breaker::Rules { failures_max: 0, ..rules().breaker };
    let world = World::with(Rules { breaker, ..rules() });
    open(&world).await;
    assert_eq!(world.breakers.calls(), (0, 0));
}

#[tokio::test]
async fn answers_that_refuse_a_message_open_nothing() {
    let world = World::new();
    for round in 0..3 {
        for number in 0..10 {
            world.accept(&sample::message(&format!("refused-{round}-{number}"), 1)).await;
        }
        world.answers(vec![Answer::Status(404); 10]);
        assert_eq!(world.invoke().await, [Told::Acknowledged; 10]);
    }
    assert_eq!((world.sent(), read(&world).await), (30, None));
}

#[tokio::test]
async fn f34_a_breaker_never_ends_a_message_and_its_deadline_does() {
    let world = World::new();
    keep_open(&world, world.clock.now().plus(Duration::from_secs(1_000_000))).await;
    let mut message = sample::message("patient", 1);
    message.expires_at = sample::START.plus(Duration::from_secs(1_000_000));
    world.accept(&message).await;
    let deadline = sample::START.plus(rules().deadline);
    while world.clock.now() < deadline {
        assert_eq!(attempts(&world, &message).await, (Status::Queued, 0));
        assert_eq!(world.invoke().await, [Told::Acknowledged]);
        assert_eq!(world.queue.inner.depth(), 1, "one copy at any time");
        world.wait_for_next();
    }
    assert!(world.clock.now() <= deadline.plus(Duration::from_secs(1)), "it is there in time");
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    let state = world.state(&message).await;
    let dead = Phase::Dead { reason: DeadReason::DeadlinePassed, buried: true };
    assert_eq!((state.phase, state.attempts, world.sent()), (dead, 0, 0));
}

#[tokio::test]
async fn a_copy_of_a_final_message_gives_its_permit_to_the_next() {
    let world = World::new();
    let done = sample::message("done", 1);
    let envelope = world.accept(&done).await;
    world.invoke().await;
    keep_open(&world, world.clock.now().plus(Duration::from_secs(5))).await;
    world.clock.advance(Duration::from_secs(5));
    relay_core::ports::Queue::send(&*world.queue, &envelope, Duration::ZERO).await.unwrap();
    let next = sample::message("next", 1);
    world.accept(&next).await;
    assert_eq!(world.invoke().await, [Told::Acknowledged; 2]);
    assert_eq!(attempts(&world, &next).await, (Status::Delivered, 1));
    assert!(matches!(read(&world).await.unwrap().phase, breaker::Phase::Ramping { step: 1, .. }));
}

/// Breakers that cannot be reached, or that never answer.
#[derive(Default)]
struct Broken {
    calls: AtomicUsize,
    hangs: AtomicBool,
}

impl Broken {
    async fn fail<T>(&self) -> Result<T, PortError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let reason = "broken on purpose".to_owned();
        Err(PortError::Unavailable { action: "test", reason })
    }
}

#[async_trait]
impl Breakers for Broken {
    async fn read(&self, _: &str, _: Timestamp) -> Result<Option<Breaker>, PortError> {
        self.fail().await
    }
    async fn write(&self, _: &str, _: &Breaker) -> Result<BreakerWritten, PortError> {
        self.fail().await
    }
}

#[tokio::test(start_paused = true)]
async fn breakers_that_cannot_be_reached_stop_nothing() {
    for hangs in [false, true] {
        let world = World::new();
        let broken = Arc::new(Broken { hangs: AtomicBool::new(hangs), ..Broken::default() });
        let ports = Ports { breakers: broken.clone(), ..world.ports.clone() };
        let worker = Worker::new(ports, rules());
        for number in 0..10 {
            world.accept(&sample::message(&format!("fails-{number}"), 1)).await;
        }
        world.answers(vec![Answer::Status(503); 10]);
        assert_eq!(world.invoke_on(&worker).await, [Told::HandedBack; 10]);
        // One read that failed: for a while nothing more is asked, nor written to open it.
        assert_eq!((world.sent(), broken.calls.load(Ordering::SeqCst)), (10, 1));
        for (seconds, calls) in [(4, 1), (1, 2)] {
            world.clock.advance(Duration::from_secs(seconds));
            world.accept(&sample::message(&format!("next-{seconds}"), 1)).await;
            assert_eq!(world.invoke_on(&worker).await, [Told::Acknowledged]);
            assert_eq!(broken.calls.load(Ordering::SeqCst), calls);
        }
        assert_eq!(world.sent(), 12);
    }
}

/// Breakers that are read and never answer a write.
struct Unwritable(AtomicUsize);

#[async_trait]
impl Breakers for Unwritable {
    async fn read(&self, _: &str, _: Timestamp) -> Result<Option<Breaker>, PortError> {
        Ok(None)
    }
    async fn write(&self, _: &str, _: &Breaker) -> Result<BreakerWritten, PortError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_cannot_be_written_costs_a_batch_the_time_of_one_write() {
    let world = World::new();
    let unwritable = Arc::new(Unwritable(AtomicUsize::new(0)));
    let ports = Ports { breakers: unwritable.clone(), ..world.ports.clone() };
    let worker = Worker::new(ports, Rules { concurrency: 20, ..rules() });
    for number in 0..20 {
        world.accept(&sample::message(&format!("fails-{number}"), 1)).await;
    }
    world.answers(vec![Answer::Status(503); 20]);
    let begun = tokio::time::Instant::now();
    assert_eq!(world.invoke_on(&worker).await, [Told::HandedBack; 10]);
    assert_eq!(world.invoke_on(&worker).await, [Told::HandedBack; 10]);
    assert_eq!((world.sent(), unwritable.0.load(Ordering::SeqCst)), (20, 1));
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_told_while_a_breaker_keeps_its_report_waiting() {
    let world = World::new();
    let unwritable = Arc::new(Unwritable(AtomicUsize::new(0)));
    let breaker = breaker::Rules { failures_max: 1, ..rules().breaker };
    let ports = Ports { breakers: unwritable.clone(), ..world.ports.clone() };
    let worker = Worker::new(ports, Rules { breaker, ..rules() });
    world.accept(&sample::message("fails", 1)).await;
    world.answers([Answer::Status(503)]);
    let cut_off = tokio::time::timeout(Duration::from_secs(1), world.invoke_on(&worker)).await;
    assert!(cut_off.is_err(), "the report is still under way");
    let wait = world.wait_for_next();
    assert!((5..=10).contains(&wait.as_secs()), "hidden until the next attempt: {wait:?}");
}

/// Settling fails, everything else works.
struct NoSettling;

impl Troubles for NoSettling {
    fn next(&self, call: &'static str) -> Trouble {
        let fate = if call == "settle" { Fate::Lost } else { Fate::Done };
        Trouble { before: Duration::ZERO, fate, after: Duration::ZERO }
    }
}

#[tokio::test]
async fn what_the_target_did_counts_even_if_it_cannot_be_settled() {
    let world = World::new();
    let store = Arc::new(Faulty::new((*world.store).clone(), Arc::new(NoSettling)));
    let worker = Worker::new(Ports { store, ..world.ports.clone() }, rules());
    for number in 0..10 {
        world.accept(&sample::message(&format!("fails-{number}"), 1)).await;
    }
    world.answers(vec![Answer::Status(503); 10]);
    assert_eq!(world.invoke_on(&worker).await, [Told::HandedBack; 10]);
    assert!(matches!(read(&world).await.unwrap().phase, breaker::Phase::Open { .. }));
}
