//! Sends every request when it is due, whatever became of the ones before.
//!
//! Two things may make a request late, and they are told apart: the bound on requests in flight, which is the relay's
//! slowness and counted as held back, and the generator itself, which is its lag. Either way a latency counts from
//! when the request was due.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client::Client;
use crate::content::Content;
use crate::plan::{Lane, Message, Plan};
use crate::tally::Tally;

/// Where the messages go.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    /// Answers at once.
    pub(crate) sound: String,
    /// Takes its time.
    pub(crate) slow: String,
    /// Never takes a message.
    pub(crate) dead: String,
}

impl Targets {
    fn of(&self, lane: Lane) -> &str {
        match lane {
            Lane::Sound => &self.sound,
            Lane::Slow => &self.slow,
            Lane::Dead => &self.dead,
        }
    }
}

/// Everything that generator, receiver and those who watch them share.
#[derive(Debug)]
pub(crate) struct Run {
    /// What is sent.
    pub(crate) plan: Plan,
    /// The bodies.
    pub(crate) content: Content,
    /// What became of it.
    pub(crate) tally: Tally,
    /// When the schedule begins.
    pub(crate) origin: Instant,
}

impl Run {
    /// How long the schedule has been running; zero before it begins.
    pub(crate) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// Sends requests.
#[derive(Debug, Clone)]
pub(crate) struct Generator {
    /// What, and how it went.
    pub(crate) run: Arc<Run>,
    /// To whom.
    pub(crate) client: Client,
    /// Where the relay shall send it.
    pub(crate) targets: Arc<Targets>,
}

impl Generator {
    /// Follows the schedule to its end, with at most so many requests in flight. The last answers may still be due
    /// when this returns: [`Generator::drain`] waits for them.
    pub(crate) async fn follow(&self, places: &Arc<Semaphore>) {
        let run = &self.run;
        // Until then the generator was kept from sending, and is not to blame for what is late.
        let mut free_since = Duration::ZERO;
        for request in 0..run.plan.requests() {
            let due = run.plan.due(request);
            tokio::time::sleep_until((run.origin + due).into()).await;
            let place = match Arc::clone(places).try_acquire_owned() {
                Ok(place) => place,
                Err(_) => {
                    let rest = run.plan.duration().saturating_sub(run.elapsed());
                    let waiting = tokio::time::timeout(rest, Arc::clone(places).acquire_owned());
                    // What cannot be sent before the schedule ends is never sent.
                    let Ok(Ok(place)) = waiting.await else { return };
                    free_since = run.elapsed();
                    place
                }
            };
            let messages: Vec<_> = run.plan.of_request(request).collect();
            let now = run.elapsed();
            if due < free_since {
                run.tally.held_back(messages.len() as u64, now.saturating_sub(due));
            }
            run.tally.sends(messages.len() as u64, now.saturating_sub(due.max(free_since)));
            tokio::spawn(self.clone().send(messages, due, place));
        }
    }

    /// Waits until no request is in flight any more; each of them ends by itself.
    pub(crate) async fn drain(places: &Arc<Semaphore>, bound: u32) {
        // The semaphore is never closed.
        let _ = places.acquire_many(bound).await;
    }

    async fn send(self, messages: Vec<Message>, due: Duration, place: OwnedSemaphorePermit) {
        let Self { run, client, targets } = self;
        let verdicts = if run.plan.bulk() == 1 {
            let mut json = String::new();
            for message in &messages {
                run.content.write(*message, targets.of(message.lane), &mut json);
            }
            vec![client.send_one(json).await]
        } else {
            let json = together(&run.content, &targets, &messages);
            client.send_many(json, messages.len()).await
        };
        let now = run.elapsed();
        run.tally.answered(messages.into_iter().zip(verdicts), now.saturating_sub(due), now);
        drop(place);
    }
}

fn together(content: &Content, targets: &Targets, messages: &[Message]) -> String {
    let mut json = "{\"messages\":[".to_owned();
    for (place, message) in messages.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        content.write(*message, targets.of(message.lane), &mut json);
    }
    json.push_str("]}");
    json
}

#[cfg(test)]
#[path = "generator_tests.rs"]
mod tests;
