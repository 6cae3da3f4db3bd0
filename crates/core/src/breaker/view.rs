//! What one environment knows about one destination: the shared breaker as it was last read, the permits
//! taken from it, and what came of the attempts made here.

use std::time::Duration;

use super::observed::Observed;
use super::{Ask, Breaker, Health, PROBE_MARGIN_LEFT, Phase, Rules, Why, WriteId, health};
use crate::outcome::ErrorKind;
use crate::time::Timestamp;

/// How old the knowledge of the shared breaker may be. Every environment reads it once in that time for
/// each destination it sends to; until then it does not know what the others found out.
const AGE_MAX: Duration = Duration::from_secs(2);

/// A step of one ramp, as permits remember it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) step: u8,
    pub(super) until: Timestamp,
}

impl Step {
    fn of(breaker: Option<&Breaker>) -> Option<Self> {
        match breaker?.phase {
            Phase::Ramping { step, until, .. } => Some(Self { step, until }),
            Phase::Closed | Phase::Open { .. } => None,
        }
    }
}

/// Leave for one attempt.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    version: u64,
    pub(super) step: Option<Step>,
}

impl Permit {
    /// The step of the ramp whose allowance it is part of; nothing if attempts were free.
    pub fn step(&self) -> Option<u8> {
        self.step.map(|step| step.step)
    }
}

/// What becomes of an attempt that is about to begin.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It begins.
    Go(Permit),
    /// It waits until then, with jitter on top.
    Wait(Timestamp),
    /// This is to be written, and [`View::wrote`] told; then it asks again.
    Write(Breaker),
}

/// One environment's view of one destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    pub(super) breaker: Option<Breaker>,
    read_at: Option<Timestamp>,
    /// Permits taken and not used, with the step they are for.
    pool: Option<(Step, u32)>,
    observed: Observed,
}

impl View {
    /// Whether the shared breaker has to be read before anything is asked.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.read_at.is_none_or(|read_at| now.since(read_at) >= AGE_MAX || now < read_at)
    }

    /// Takes note of the shared breaker as it is at `now`.
    pub fn learn(&mut self, breaker: Option<Breaker>, now: Timestamp) {
        if self.opened_in() != breaker.as_ref().map_or(0, |breaker| breaker.opened_in) {
            self.observed = Observed::default();
        }
        self.breaker = breaker;
        self.read_at = Some(now);
    }

    /// Until when no attempt can begin, whoever asks; nothing if one may, or might.
    pub fn holds_back(&self, now: Timestamp) -> Option<Timestamp> {
        match self.breaker.as_ref()?.phase {
            Phase::Open { until } => (now < until).then_some(until),
            Phase::Closed | Phase::Ramping { .. } => None,
        }
    }

    /// How long the breaker is open if it is; zero otherwise.
    pub fn open_for(&self, rules: &Rules) -> Duration {
        match &self.breaker {
            Some(Breaker { phase: Phase::Open { .. }, openings, .. }) => rules.open_for(*openings),
            Some(_) | None => Duration::ZERO,
        }
    }

    /// What becomes of an attempt that takes at most `attempt`. A name is drawn only for what may be written.
    pub fn ask(
        &mut self,
        rules: &Rules,
        now: Timestamp,
        attempt: Duration,
        write_id: impl FnOnce() -> WriteId,
    ) -> Answer {
        if let Some(step) = self.take_from_pool(now, attempt) {
            return Answer::Go(self.permit(Some(step)));
        }
        let Some(breaker) = &self.breaker else { return Answer::Go(self.permit(None)) };
        match breaker.ask(rules, now, attempt, write_id()) {
            Ask::Free => Answer::Go(self.permit(None)),
            Ask::Wait(until) => Answer::Wait(until),
            Ask::Write(next) => Answer::Write(next),
        }
    }

    /// Takes note that the breaker which [`ask`](Self::ask) or [`report`](Self::report) named was written.
    pub fn wrote(&mut self, next: Breaker, now: Timestamp) {
        let before = match &self.breaker {
            Some(Breaker { phase: Phase::Ramping { taken, .. }, .. })
                if Step::of(self.breaker.as_ref()) == Step::of(Some(&next)) =>
            {
                *taken
            }
            Some(_) | None => 0,
        };
        self.pool = match (Step::of(Some(&next)), next.phase) {
            (Some(step), Phase::Ramping { taken, .. }) => {
                Some((step, taken.saturating_sub(before)))
            }
            (Some(_) | None, _) => None,
        };
        self.learn(Some(next), now);
    }

    /// Takes back a permit whose attempt was not made.
    pub fn give_back(&mut self, permit: &Permit) {
        let Some(step) = permit.step else { return };
        match &mut self.pool {
            Some((current, count)) if *current == step => *count += 1,
            Some(_) | None => {}
        }
    }

    /// Takes note of what came of an attempt, once.
    pub fn note(&mut self, permit: &Permit, result: Result<u16, ErrorKind>, now: Timestamp) {
        match health(result) {
            Health::Silent => self.give_back(permit),
            _ if !self.counts(permit) => {}
            Health::Good => self.observed.note(true, now),
            Health::Bad => self.observed.note(false, now),
        }
    }

    /// What is to be written after [`note`](Self::note), and [`wrote`](Self::wrote) told; nothing if the
    /// breaker stays as it is.
    pub fn report(
        &self,
        permit: &Permit,
        result: Result<u16, ErrorKind>,
        rules: &Rules,
        now: Timestamp,
        write_id: impl FnOnce() -> WriteId,
    ) -> Option<Breaker> {
        let breaker = self.breaker.as_ref();
        match health(result) {
            _ if !self.counts(permit) => None,
            Health::Silent => None,
            Health::Good => breaker?.probed(rules, now, write_id()),
            Health::Bad => {
                let phase = breaker.map_or(Phase::Closed, |breaker| breaker.phase);
                let rule = self.observed.rule(phase, rules, now)?;
                let why = Why { rule, last: result };
                Some(Breaker::opened(breaker, why, rules, now, write_id()))
            }
        }
    }

    fn permit(&self, step: Option<Step>) -> Permit {
        let version = self.breaker.as_ref().map_or(0, |breaker| breaker.version);
        Permit { version, step }
    }

    /// A permit that is there already and will not outlive its step: what a probe finds must be known
    /// before another one may be made.
    fn take_from_pool(&mut self, now: Timestamp, attempt: Duration) -> Option<Step> {
        let current = Step::of(self.breaker.as_ref())?;
        let (step, count) =
            self.pool.as_mut().filter(|(step, count)| *step == current && *count > 0)?;
        let ends = if step.step == 0 { now.plus(attempt + PROBE_MARGIN_LEFT) } else { now };
        (ends < step.until).then(|| {
            *count -= 1;
            *step
        })
    }

    fn opened_in(&self) -> u64 {
        self.breaker.as_ref().map_or(0, |breaker| breaker.opened_in)
    }

    /// Whether an attempt was begun after the breaker last opened.
    fn counts(&self, permit: &Permit) -> bool {
        permit.version >= self.opened_in()
    }
}
