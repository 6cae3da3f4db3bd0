//! The gate before every attempt: whether the destination's breaker lets it begin, and what its outcome
//! does to the breaker. Reads and writes the shared breakers; what they decide is `relay_core::breaker`'s.
//!
//! Trouble with the breakers never stops a delivery: what is not known is taken for closed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use relay_core::breaker::{Answer, Breaker, Permit, Phase, Rules, View, WriteId};
use relay_core::metrics::{Metric, Recorder};
use relay_core::outcome::ErrorKind;
use relay_core::ports::{Ambient, BreakerWritten, Breakers};
use relay_core::retry::Jitter;
use relay_core::time::Timestamp;

/// Destinations remembered at a time, some hundred bytes each. One that is forgotten costs a read when it
/// comes again, and its failures are counted from the start.
const DESTINATIONS_MAX: usize = 1000;
/// How often a write is tried again because another environment was faster. Every time the others got on
/// with the breaker, so there may be nothing left to write.
const TRIES_MAX: usize = 4;
/// How long a call to the breakers may take, an attempt being kept waiting for them: one try that hangs, which
/// the adapter gives up after two seconds, and another one that does not.
const CALL_WITHIN: Duration = Duration::from_secs(3);
/// After trouble with one breaker none is read or written for this long. A table that does not answer would
/// otherwise cost every message of a batch the time of a call, one after the other.
const TROUBLE_LASTS: Duration = Duration::from_secs(5);
/// What waited for an open breaker comes back over this part of the time that it was open: the longer, the
/// more of it there is.
const SPREAD_PART: u32 = 4;
/// Trouble with the breakers is told once in this time, not for every message.
const TROUBLE_TOLD_EVERY: Duration = Duration::from_secs(60);

/// Whether an attempt may begin.
pub(crate) enum Pass {
    /// It may. There is no permit if there are no breakers, or none that answer.
    Go(Option<Permit>),
    /// Not before this time, which differs from message to message.
    Wait(Timestamp),
}

/// What came of a write.
enum Written {
    Done,
    Changed,
    Unknown,
}

/// What one environment knows about destinations.
pub(crate) struct Gate {
    breakers: Arc<dyn Breakers>,
    ambient: Arc<dyn Ambient>,
    rules: Rules,
    recorder: Arc<Recorder>,
    known: Mutex<HashMap<String, Known>>,
    trouble_until: AtomicU64,
    trouble_told_at: AtomicU64,
}

struct Known {
    /// Locked while the shared breaker is read or written: one task does it for all.
    view: Arc<tokio::sync::Mutex<View>>,
    used_at: Timestamp,
}

impl Gate {
    pub(crate) fn new(
        breakers: Arc<dyn Breakers>,
        ambient: Arc<dyn Ambient>,
        rules: Rules,
        recorder: Arc<Recorder>,
    ) -> Self {
        let known = Mutex::default();
        let (trouble_until, trouble_told_at) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { breakers, ambient, rules, recorder, known, trouble_until, trouble_told_at }
    }

    /// Until when a message waits in any case; nothing if an attempt may begin, or might. Asked before any
    /// room is taken for it.
    pub(crate) async fn holds_back(&self, destination: &str) -> Option<Timestamp> {
        if self.rules.is_off() {
            return None;
        }
        let view = self.view(destination);
        let mut view = view.lock().await;
        self.refresh(destination, &mut view).await;
        view.holds_back(self.ambient.now()).map(|until| self.spread(&view, until))
    }

    /// Asks for an attempt that takes at most `attempt`.
    pub(crate) async fn pass(&self, destination: &str, attempt: Duration) -> Pass {
        if self.rules.is_off() {
            return Pass::Go(None);
        }
        let view = self.view(destination);
        let mut view = view.lock().await;
        self.refresh(destination, &mut view).await;
        for _ in 0..TRIES_MAX {
            let now = self.ambient.now();
            match view.ask(&self.rules, now, attempt, || self.write_id()) {
                Answer::Go(permit) => return Pass::Go(Some(permit)),
                Answer::Wait(until) => return Pass::Wait(self.spread(&view, until)),
                Answer::Write(next) => match self.write(destination, &mut view, next).await {
                    Written::Done | Written::Changed => {}
                    Written::Unknown => return Pass::Go(None),
                },
            }
        }
        Pass::Wait(self.spread(&view, self.ambient.now()))
    }

    /// Takes back what [`pass`](Self::pass) gave for an attempt that was not made.
    pub(crate) async fn give_back(&self, destination: &str, permit: Option<Permit>) {
        if let Some(permit) = permit {
            self.view(destination).lock().await.give_back(&permit);
        }
    }

    /// Takes note of what came of an attempt.
    pub(crate) async fn report(
        &self,
        destination: &str,
        permit: Option<Permit>,
        result: Result<u16, ErrorKind>,
    ) {
        let Some(permit) = permit else { return };
        let view = self.view(destination);
        let mut view = view.lock().await;
        view.note(&permit, result, self.ambient.now());
        for _ in 0..TRIES_MAX {
            let now = self.ambient.now();
            let next = view.report(&permit, result, &self.rules, now, || self.write_id());
            let Some(next) = next else { return };
            match self.write(destination, &mut view, next).await {
                Written::Done | Written::Unknown => return,
                Written::Changed => {}
            }
        }
    }

    /// Reads the shared breaker if what is known is too old.
    async fn refresh(&self, destination: &str, view: &mut View) {
        let now = self.ambient.now();
        if !view.is_stale(now) || self.is_in_trouble(now) {
            return;
        }
        let read = self.breakers.read(destination, now);
        match tokio::time::timeout(CALL_WITHIN, read).await {
            Ok(Ok(breaker)) => view.learn(breaker, now),
            Ok(Err(error)) => {
                self.note_trouble(&error.to_string());
            }
            Err(_elapsed) => {
                self.note_trouble("no answer in time");
            }
        }
    }

    /// Writes `next` and takes note of it, or of what is there instead.
    async fn write(&self, destination: &str, view: &mut View, next: Breaker) -> Written {
        if self.is_in_trouble(self.ambient.now()) {
            return Written::Unknown;
        }
        let write = self.breakers.write(destination, &next);
        let written = tokio::time::timeout(CALL_WITHIN, write).await;
        let now = self.ambient.now();
        match written {
            Ok(Ok(BreakerWritten::Done)) => {
                self.tell_change(destination, &next);
                view.wrote(next, now);
                Written::Done
            }
            Ok(Ok(BreakerWritten::Changed(found))) => {
                view.learn(found, now);
                Written::Changed
            }
            Ok(Err(error)) => {
                self.note_trouble(&error.to_string());
                Written::Unknown
            }
            Err(_elapsed) => {
                self.note_trouble("no answer in time");
                Written::Unknown
            }
        }
    }

    fn view(&self, destination: &str) -> Arc<tokio::sync::Mutex<View>> {
        let used_at = self.ambient.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get_mut(destination) {
            found.used_at = used_at;
            return Arc::clone(&found.view);
        }
        if known.len() >= DESTINATIONS_MAX {
            let oldest = known.iter().min_by_key(|(_, known)| known.used_at);
            if let Some(oldest) = oldest.map(|(destination, _)| destination.clone()) {
                known.remove(&oldest);
            }
        }
        let view = Arc::default();
        known.insert(destination.to_owned(), Known { view: Arc::clone(&view), used_at });
        view
    }

    fn write_id(&self) -> WriteId {
        WriteId::from_random(self.ambient.bits())
    }

    /// Messages that wait for the same moment come back over a whole step of the ramp, or over longer if more of
    /// them can have gathered.
    fn spread(&self, view: &View, until: Timestamp) -> Timestamp {
        let over = self.rules.step.max(view.open_for(&self.rules) / SPREAD_PART);
        until.plus(Jitter::new(self.ambient.unit()).part_of(over))
    }

    fn is_in_trouble(&self, now: Timestamp) -> bool {
        let until = Timestamp::from_millis(self.trouble_until.load(Ordering::Relaxed));
        let left = until.since(now);
        // More is left only if the clock was turned back.
        !left.is_zero() && left <= TROUBLE_LASTS
    }

    /// From now on and for a while what is known counts, and nothing is asked or written.
    fn note_trouble(&self, reason: &str) {
        let now = self.ambient.now();
        self.trouble_until.store(now.plus(TROUBLE_LASTS).as_millis(), Ordering::Relaxed);
        let told_at = self.trouble_told_at.load(Ordering::Relaxed);
        if now.since(Timestamp::from_millis(told_at)) < TROUBLE_TOLD_EVERY {
            return;
        }
        self.trouble_told_at.store(now.as_millis(), Ordering::Relaxed);
        tracing::warn!(reason, "circuit breakers cannot be reached; deliveries go on without them");
    }

    fn tell_change(&self, destination: &str, breaker: &Breaker) {
        let Breaker { version: breaker_version, openings, why, .. } = breaker;
        match breaker.phase {
            Phase::Open { until } => {
                self.recorder.count(Metric::BreakersOpened);
                tracing::warn!(destination, breaker_version, openings, ?why, %until, "circuit breaker opened");
            }
            Phase::Ramping { step, taken, .. } => {
                tracing::debug!(
                    destination,
                    breaker_version,
                    step,
                    taken,
                    "circuit breaker lets pass"
                );
            }
            Phase::Closed => {
                self.recorder.count(Metric::BreakersClosed);
                tracing::info!(destination, breaker_version, "circuit breaker closed");
            }
        }
    }
}
