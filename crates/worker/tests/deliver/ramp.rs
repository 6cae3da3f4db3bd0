//! A destination that comes back: several environments that share nothing but the ports let it have what the
//! ramp allows, and not one attempt more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use relay_core::breaker::{self, Breaker, Phase, allowance};
use relay_core::lifecycle::Status;
use relay_core::outcome::Outcome;
use relay_core::ports::{BreakerWritten, Breakers, PortError, Request, Sender};
use relay_core::time::Timestamp;
use relay_testkit::{MemoryBreakers, sample};
use relay_worker::{Ports, Rules, Worker};

use crate::breaker::open;
use crate::world::{Targets, World, rules};

const ENVIRONMENTS: usize = 8;
const WAITING: usize = 1000;

/// What happened, in order.
enum Event {
    Wrote(Phase),
    Sent,
}

/// Shared breakers and a target that write down what happens to them.
struct Watched {
    breakers: Arc<MemoryBreakers>,
    targets: Arc<Targets>,
    events: Mutex<Vec<Event>>,
}

#[async_trait]
impl Breakers for Watched {
    async fn read(&self, destination: &str, now: Timestamp) -> Result<Option<Breaker>, PortError> {
        self.breakers.read(destination, now).await
    }
    async fn write(
        &self,
        destination: &str,
        breaker: &Breaker,
    ) -> Result<BreakerWritten, PortError> {
        let written = self.breakers.write(destination, breaker).await?;
        if written == BreakerWritten::Done {
            self.events.lock().unwrap().push(Event::Wrote(breaker.phase));
        }
        Ok(written)
    }
}

#[async_trait]
impl Sender for Watched {
    async fn send(&self, request: Request, started_at: Timestamp) -> Outcome {
        self.events.lock().unwrap().push(Event::Sent);
        self.targets.send(request, started_at).await
    }
}

/// Attempts in each step of the ramp, and after it.
fn counts(events: &[Event]) -> Vec<usize> {
    let mut counts = Vec::new();
    let mut current = None;
    for event in events {
        match event {
            Event::Wrote(Phase::Open { .. }) => panic!("it opened again"),
            Event::Wrote(phase) => {
                let step = match phase {
                    Phase::Ramping { step, .. } => Some(*step),
                    Phase::Closed | Phase::Open { .. } => None,
                };
                if current != Some(step) {
                    current = Some(step);
                    counts.push(0);
                }
            }
            Event::Sent => *counts.last_mut().expect("nothing is sent before the probe") += 1,
        }
    }
    counts
}

#[tokio::test]
async fn f24_a_thousand_waiting_messages_meet_a_recovering_target_step_by_step() {
    let world = World::with(Rules { concurrency_per_destination: 5, ..rules() });
    open(&world).await;
    let mut messages: Vec<_> =
        (0..10).map(|number| sample::message(&format!("fails-{number}"), 1)).collect();
    for number in messages.len()..WAITING {
        let message = sample::message(&format!("waits-{number}"), 1);
        world.accept(&message).await;
        messages.push(message);
    }
    let watched = Arc::new(Watched {
        breakers: world.breakers.clone(),
        targets: world.targets.clone(),
        events: Mutex::default(),
    });
    let ports = Ports { breakers: watched.clone(), sender: watched.clone(), ..world.ports.clone() };
    let workers: Vec<Worker> =
        (0..ENVIRONMENTS).map(|_| Worker::new(ports.clone(), rules())).collect();
    // Everything that is visible is handed out, in turn to every environment; then a second passes.
    for _ in 0..180 {
        for round in 0.. {
            assert!(round < 10_000, "messages go round in circles");
            if world.invoke_on(&workers[round % ENVIRONMENTS]).await.is_empty() {
                break;
            }
        }
        world.clock.advance(Duration::from_secs(1));
    }
    for message in &messages {
        assert_eq!(world.state(message).await.phase.status(), Status::Delivered);
    }
    let counts = counts(&watched.events.lock().unwrap());
    assert_eq!(counts.iter().sum::<usize>(), WAITING, "each once");
    // All that a step allows and never more, but for the few permits that an environment took for messages
    // which another one was handed.
    for (step, count) in (0..breaker::LAST_STEP).zip(&counts) {
        let allowed = allowance(step) as usize;
        assert!(*count <= allowed && *count * 10 >= allowed * 9, "step {step}: {counts:?}");
    }
    assert!(counts[usize::from(breaker::LAST_STEP)] <= allowance(breaker::LAST_STEP) as usize);
}
