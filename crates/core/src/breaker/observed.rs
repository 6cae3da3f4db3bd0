//! What one environment saw of a destination lately: failures in a row, and the share of failures within a
//! minute. Kept in six counters, so that it costs the same however much is delivered.

use std::time::Duration;

use super::{Phase, Rule, Rules};
use crate::time::Timestamp;

/// How far back the share of failures looks: long enough for a few dozen outcomes, short enough that an
/// hour of health does not hide a minute of failures.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Outcomes within the window below which a share says nothing: two of three are chance.
pub const OUTCOMES_MIN: u32 = 20;
/// Failures below which a share says nothing while the ramp is climbed: the few attempts of its first steps
/// must be able to stop it, and one failure among healthy answers must not.
const RAMP_FAILURES_MIN: u32 = 2;
/// Failures in a row are forgotten when the last one is older than this: what failed hours ago and what fails
/// now are not one row.
const ROW_AGE_MAX: Duration = Duration::from_secs(5 * WINDOW.as_secs());
/// Counters that make up the window; it moves by a sixth of its length.
const PARTS: usize = 6;
const PART_MILLIS: u64 = WINDOW.as_millis() as u64 / PARTS as u64;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Part {
    number: u64,
    good: u32,
    bad: u32,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observed {
    in_a_row: u32,
    failed_at: Option<Timestamp>,
    parts: [Part; PARTS],
}

impl Observed {
    pub(super) fn note(&mut self, is_good: bool, now: Timestamp) {
        let number = now.as_millis() / PART_MILLIS;
        let part = &mut self.parts[(number % PARTS as u64) as usize];
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        if is_good {
            part.good = part.good.saturating_add(1);
            self.in_a_row = 0;
        } else {
            part.bad = part.bad.saturating_add(1);
            let is_old = self.failed_at.is_some_and(|at| now.since(at) > ROW_AGE_MAX);
            self.in_a_row = if is_old { 1 } else { self.in_a_row.saturating_add(1) };
            self.failed_at = Some(now);
        }
    }

    /// The rule by which the last outcome, a failure, opens a breaker that is in `phase`.
    pub(super) fn rule(&self, phase: Phase, rules: &Rules, now: Timestamp) -> Option<Rule> {
        let (failed, outcomes) = self.within_window(now);
        let is_enough = match phase {
            Phase::Open { .. } => return None,
            Phase::Ramping { step: 0, .. } => return Some(Rule::Probe),
            Phase::Ramping { .. } => failed >= RAMP_FAILURES_MIN,
            Phase::Closed => outcomes >= OUTCOMES_MIN,
        };
        if self.in_a_row >= rules.failures_max {
            return Some(Rule::InARow { failures: self.in_a_row });
        }
        let share =
            u64::from(failed) * 100 >= u64::from(rules.failure_percent) * u64::from(outcomes);
        (is_enough && share).then_some(Rule::Share { failed, outcomes })
    }

    /// Failed outcomes, and all of them.
    fn within_window(&self, now: Timestamp) -> (u32, u32) {
        let number = now.as_millis() / PART_MILLIS;
        let counts = self.parts.iter().filter(|part| part.number + PARTS as u64 > number);
        counts.fold((0, 0), |(failed, outcomes), part| {
            (failed.saturating_add(part.bad), outcomes.saturating_add(part.good + part.bad))
        })
    }
}
