//! Sees everything that happens, holds it against the invariants at once and remembers the last of it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

use relay_core::identity::RelayId;
use relay_core::invariants::{Answer, Bounds, History, Host, Observed, Violation};
use relay_core::lifecycle::{Life, Phase, State};
use relay_core::ports::{Found, Receipt};
use relay_testkit::{ManualClock, sample};
use tokio::sync::Notify;

/// How many events are told of when a seed fails, and when it is asked for by its number.
const EVENTS_TOLD: usize = 80;
const EVENTS_TOLD_ALONE: usize = 100_000;

/// What was counted in a world, to see that worlds are not too tame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) calls: u64,
    pub(crate) deaths: u64,
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) begun_again: u64,
    pub(crate) cancelled: u64,
}

impl Counts {
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            calls: self.calls + other.calls,
            deaths: self.deaths + other.deaths,
            delivered: self.delivered + other.delivered,
            dead: self.dead + other.dead,
            begun_again: self.begun_again + other.begun_again,
            cancelled: self.cancelled + other.cancelled,
        }
    }
}

struct Seen {
    history: History,
    states: BTreeMap<String, State>,
    calls: BTreeMap<String, u32>,
    letters: BTreeMap<String, (RelayId, Life)>,
    trace: VecDeque<String>,
    hasher: DefaultHasher,
    counts: Counts,
    violation: Option<Violation>,
}

/// The eye on a world.
pub(crate) struct Watch {
    clock: ManualClock,
    events_told: usize,
    names: Mutex<BTreeMap<String, String>>,
    seen: Mutex<Seen>,
    /// Tells that an invariant was broken.
    pub(crate) broken: Notify,
    /// Tells that the queue has something new.
    pub(crate) queue_changed: Notify,
}

impl Watch {
    pub(crate) fn new(clock: ManualClock, bounds: Bounds) -> Self {
        let seen = Seen {
            history: History::new(bounds),
            states: BTreeMap::new(),
            calls: BTreeMap::new(),
            letters: BTreeMap::new(),
            trace: VecDeque::new(),
            hasher: DefaultHasher::new(),
            counts: Counts::default(),
            violation: None,
        };
        let is_alone = std::env::var_os("SIM_SEED").is_some();
        Self {
            clock,
            events_told: if is_alone { EVENTS_TOLD_ALONE } else { EVENTS_TOLD },
            names: Mutex::default(),
            seen: Mutex::new(seen),
            broken: Notify::new(),
            queue_changed: Notify::new(),
        }
    }

    /// What reports call a message.
    pub(crate) fn name(&self, id: &RelayId, name: &str) {
        self.names.lock().unwrap().insert(id.as_str().to_owned(), name.to_owned());
    }

    fn name_of(&self, id: &RelayId) -> String {
        self.names.lock().unwrap().get(id.as_str()).cloned().unwrap_or_else(|| id.to_string())
    }

    /// Notes something that no invariant is about.
    pub(crate) fn note(&self, by: Host, text: &str) {
        let time = self.clock.now().since(sample::START).as_millis();
        let line = format!("{time:>9} ms  host {:>2}  {text}", by.0);
        let mut seen = self.seen.lock().unwrap();
        line.hash(&mut seen.hasher);
        seen.counts.events += 1;
        if seen.violation.is_some() {
            return;
        }
        if seen.trace.len() == self.events_told {
            seen.trace.pop_front();
        }
        seen.trace.push_back(line);
    }

    pub(crate) fn note_about(&self, by: Host, id: &RelayId, text: &str) {
        self.note(by, &format!("{}  {text}", self.name_of(id)));
    }

    /// Holds something that happened against the invariants.
    pub(crate) fn observe(&self, by: Host, observed: &Observed) {
        self.note_about(by, observed.message(), &told(observed));
        let mut seen = self.seen.lock().unwrap();
        match observed {
            Observed::Called { id, .. } => {
                seen.counts.calls += 1;
                *seen.calls.entry(id.as_str().to_owned()).or_default() += 1;
            }
            Observed::Written { state, .. } => match state.phase {
                Phase::Delivered => seen.counts.delivered += 1,
                Phase::Dead { buried: false, .. } => seen.counts.dead += 1,
                Phase::Pending => seen.counts.begun_again += 1,
                Phase::Cancelled => seen.counts.cancelled += 1,
                _ => {}
            },
            _ => {}
        }
        if seen.violation.is_none()
            && let Err(violation) = seen.history.observe(self.clock.now(), observed)
        {
            seen.violation = Some(violation);
            self.broken.notify_one();
        }
    }

    /// Compares what is stored of a message with what was seen last.
    pub(crate) fn look(&self, by: Host, found: Option<Found>) {
        let Some(found) = found else { return };
        let id = found.message.id.clone();
        let known = self.seen.lock().unwrap().states.get(id.as_str()).cloned();
        let is_recorded =
            known.as_ref().is_some_and(|state| state.life.accepted_id == found.message.accepted_id);
        if !is_recorded {
            self.observe(by, &Observed::Recorded(Box::new(found.message.clone())));
        } else if known.as_ref() == Some(&found.state) {
            return;
        }
        let state = found.state.clone();
        let is_first = !is_recorded && found.state.phase == Phase::Pending;
        self.seen.lock().unwrap().states.insert(id.as_str().to_owned(), state);
        if !is_first {
            self.observe(by, &Observed::Written { by, id, state: Box::new(found.state) });
        }
    }

    /// Remembers whose letter a receipt is for.
    pub(crate) fn letter(&self, receipt: &Receipt, id: &RelayId, life: &Life) {
        let letter = (id.clone(), life.clone());
        self.seen.lock().unwrap().letters.insert(receipt.0.clone(), letter);
    }

    /// Whose letter a receipt is for.
    pub(crate) fn letter_of(&self, receipt: &Receipt) -> Option<(RelayId, Life)> {
        self.seen.lock().unwrap().letters.get(&receipt.0).cloned()
    }

    /// The state of a message and how many calls there were for it.
    pub(crate) fn state_and_calls(&self, id: &RelayId) -> Option<(State, u32)> {
        let seen = self.seen.lock().unwrap();
        let calls = seen.calls.get(id.as_str()).copied().unwrap_or_default();
        Some((seen.states.get(id.as_str())?.clone(), calls))
    }

    pub(crate) fn died(&self, by: Host, what: &str) {
        self.note(by, what);
        self.seen.lock().unwrap().counts.deaths += 1;
    }

    /// Reports something that only the world itself can see.
    pub(crate) fn blame(&self, violation: Violation) {
        let mut seen = self.seen.lock().unwrap();
        if seen.violation.is_none() {
            seen.violation = Some(violation);
            self.broken.notify_one();
        }
    }

    /// What broke, with the events before it.
    pub(crate) fn violation(&self) -> Option<(Violation, Vec<String>)> {
        let seen = self.seen.lock().unwrap();
        let violation = seen.violation.clone()?;
        Some((violation, seen.trace.iter().cloned().collect()))
    }

    /// The last events.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.seen.lock().unwrap().trace.iter().cloned().collect()
    }

    /// Holds what is left against the invariants.
    pub(crate) fn judge_rest(&self) {
        let result = self.seen.lock().unwrap().history.at_rest(self.clock.now());
        if let Err(violation) = result {
            self.note_about(Host(0), &violation.id, "is judged at rest");
            self.blame(violation);
        }
    }

    pub(crate) fn answers(&self, answer: Answer) -> usize {
        self.seen.lock().unwrap().history.answers(answer)
    }

    /// What stands for everything that happened, in order, and how much that was.
    pub(crate) fn sum(&self) -> (u64, Counts) {
        let seen = self.seen.lock().unwrap();
        (seen.hasher.finish(), seen.counts)
    }
}

fn told(observed: &Observed) -> String {
    match observed {
        Observed::Posted { post, .. } => format!("post {post} begins"),
        Observed::Answered { post, answer, .. } => format!("post {post} is answered: {answer:?}"),
        Observed::Recorded(_) => "RECORDED".to_owned(),
        Observed::Written { state, .. } => {
            let State { phase, attempts, life, .. } = &**state;
            format!("WRITTEN {phase:?}, attempts {attempts}, generation {}", life.generation)
        }
        Observed::Called { attempt, .. } => format!("CALL for attempt {attempt}"),
        Observed::Returned { attempt, result, .. } => {
            format!("call for attempt {attempt} is over: {result:?}")
        }
        Observed::Queued { life, .. } => format!("one more copy of generation {}", life.generation),
        Observed::Withdrawn { .. } => "is said to be CANCELLED".to_owned(),
        Observed::Unqueued { life, .. } => {
            format!("one copy less of generation {}", life.generation)
        }
        Observed::Buried { life, .. } => {
            format!("one more letter of generation {}", life.generation)
        }
        Observed::Moved { life, .. } => {
            format!("the queue gives up a copy of generation {}", life.generation)
        }
        Observed::Exhumed { life, .. } => {
            format!("one letter less of generation {}", life.generation)
        }
    }
}
