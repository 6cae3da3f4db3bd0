//! The circuit breaker of a destination: when attempts stop, and how they begin again.
//!
//! All environments share one [`Breaker`] per destination, which is written only when it changes, each time
//! on the condition that its version is still the one that was read. What one environment knows and saw
//! besides is its [`View`]. Nothing here reads, writes or waits, and nothing here ends a message: a
//! destination that stays away is the deadline's business.

mod health;
mod observed;
mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::outcome::ErrorKind;
use crate::time::Timestamp;

pub use health::{Health, health};
pub use observed::{OUTCOMES_MIN, WINDOW};
pub use view::{Answer, Permit, View};

/// The last step of the ramp; after it the breaker is closed. Five steps of four times more each lead from
/// one attempt to a thousand.
pub const LAST_STEP: u8 = 5;
/// How many times more attempts a step allows than the one before.
const GROWTH: u32 = 4;
/// Into how many parts a step's allowance is taken: few writes, and still something for every environment.
const SLICES: u32 = 16;
/// The smallest part, step 1 as a whole: whoever takes it makes enough attempts to see more than one fail.
const SLICE_MIN: u32 = 4;
/// What a probe may take beyond its own time, before another environment may probe: its result is written,
/// and hosts' clocks differ by seconds.
const PROBE_MARGIN: Duration = Duration::from_secs(10);
/// The part of it that a probe needs which begins late, its permit having come back unused: claim and report,
/// and the difference between clocks.
const PROBE_MARGIN_LEFT: Duration = Duration::from_secs(9);
/// How long a breaker is remembered after it last changed or was due to: a day says more about a destination
/// than anybody asks, and a forgotten breaker is a closed one.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Failures in a row, as one environment sees them, that open it. 0 turns breakers off.
    pub failures_max: u32,
    /// Share of failed outcomes within [`WINDOW`], in percent, that opens it.
    pub failure_percent: u32,
    /// How long it stays open first.
    pub open: Duration,
    /// How long it stays open at most, however often it opens again.
    pub open_max: Duration,
    /// How long a step of the ramp lasts.
    pub step: Duration,
}

impl Rules {
    /// Whether there are breakers at all.
    pub const fn is_off(&self) -> bool {
        self.failures_max == 0
    }

    /// How long opening number `openings` (from 1) lasts: twice as long each time.
    fn open_for(&self, openings: u32) -> Duration {
        let doublings = openings.saturating_sub(1).min(31);
        self.open.saturating_mul(1 << doublings).min(self.open_max)
    }
}

/// How many attempts a step of the ramp allows in all environments together.
pub const fn allowance(step: u8) -> u32 {
    GROWTH.pow(if step > LAST_STEP { LAST_STEP as u32 } else { step as u32 })
}

/// One write of a breaker, by which it recognises itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriteId(String);

impl WriteId {
    /// Names it by 128 random bits, which the caller draws.
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(HEXLOWER.encode(&bits))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a breaker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Attempts are free.
    Closed,
    /// No attempt is made.
    Open {
        /// When somebody may probe.
        until: Timestamp,
    },
    /// So many attempts are made and no more. Step 0 is the probe (half-open).
    Ramping {
        /// Which step, from 0 to [`LAST_STEP`].
        step: u8,
        /// How much of its allowance environments have taken.
        taken: u32,
        /// When the next step begins; for the probe, when it counts as lost.
        until: Timestamp,
    },
}

/// By which rule a breaker opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// One environment saw this many failures in a row.
    InARow {
        /// How many.
        failures: u32,
    },
    /// One environment saw this share fail within [`WINDOW`].
    Share {
        /// Failed outcomes.
        failed: u32,
        /// All of them.
        outcomes: u32,
    },
    /// The probe failed.
    Probe,
}

/// Why a breaker opened last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The rule.
    pub rule: Rule,
    /// The last failure: a status, or why there was none.
    pub last: Result<u16, ErrorKind>,
}

/// The breaker of one destination, as all environments share it. One that never opened does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Counts the writes, from 1.
    pub version: u64,
    /// The write that made this version.
    pub write_id: WriteId,
    /// When that was.
    pub written_at: Timestamp,
    /// Since when it is closed, open, half-open or ramping.
    pub since: Timestamp,
    /// The version in which it opened last. Attempts begun before say nothing about the time after.
    pub opened_in: u64,
    /// How often it opened since it was last closed.
    pub openings: u32,
    /// What it does.
    pub phase: Phase,
    /// Why it opened last.
    pub why: Why,
}

/// What an environment without a permit of its own is told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ask {
    Free,
    Wait(Timestamp),
    /// To be written first; what it has taken more than before is the writer's.
    Write(Breaker),
}

impl Breaker {
    /// What follows `current` when it opens.
    fn opened(
        current: Option<&Self>,
        why: Why,
        rules: &Rules,
        now: Timestamp,
        write_id: WriteId,
    ) -> Self {
        let version = current.map_or(0, |breaker| breaker.version) + 1;
        let openings = current.map_or(0, |breaker| breaker.openings).saturating_add(1);
        Self {
            version,
            write_id,
            written_at: now,
            since: now,
            opened_in: version,
            openings,
            phase: Phase::Open { until: now.plus(rules.open_for(openings)) },
            why,
        }
    }

    /// The next version, in `phase`.
    fn next(&self, phase: Phase, since: Timestamp, now: Timestamp, write_id: WriteId) -> Self {
        let openings = if phase == Phase::Closed { 0 } else { self.openings };
        let version = self.version + 1;
        Self { version, write_id, written_at: now, since, openings, phase, ..self.clone() }
    }

    /// What to do for an attempt that takes at most `attempt`.
    fn ask(&self, rules: &Rules, now: Timestamp, attempt: Duration, write_id: WriteId) -> Ask {
        let probe = |write_id| {
            let until = now.plus(attempt + PROBE_MARGIN);
            let phase = Phase::Ramping { step: 0, taken: 1, until };
            Ask::Write(self.next(phase, now, now, write_id))
        };
        match self.phase {
            Phase::Closed => Ask::Free,
            Phase::Open { until } if now < until => Ask::Wait(until),
            Phase::Open { .. } => probe(write_id),
            Phase::Ramping { step, taken, until } if now < until => {
                let left = allowance(step).saturating_sub(taken);
                if left == 0 {
                    // Looked at again within a step, but no sooner than the probe has ended.
                    let ended = if step == 0 { until.minus(PROBE_MARGIN) } else { now };
                    return Ask::Wait(until.min(now.plus(rules.step).max(ended)));
                }
                let slice = slice(step).min(left);
                let phase = Phase::Ramping { step, taken: taken + slice, until };
                Ask::Write(self.next(phase, self.since, now, write_id))
            }
            // The prober died, or could not write what it found.
            Phase::Ramping { step: 0, .. } => probe(write_id),
            // A step of which nobody took anything proved nothing and begins again.
            Phase::Ramping { step, taken, .. } if step >= LAST_STEP && taken > 0 => {
                Ask::Write(self.next(Phase::Closed, now, now, write_id))
            }
            Phase::Ramping { step, taken, .. } => {
                let step = (step + u8::from(taken > 0)).min(LAST_STEP);
                let until = now.plus(rules.step);
                let phase = Phase::Ramping { step, taken: slice(step), until };
                Ask::Write(self.next(phase, self.since, now, write_id))
            }
        }
    }

    /// What follows a probe that the target took; nothing if there is no probe under way.
    fn probed(&self, rules: &Rules, now: Timestamp, write_id: WriteId) -> Option<Self> {
        let Phase::Ramping { step: 0, .. } = self.phase else { return None };
        let phase = Phase::Ramping { step: 1, taken: 0, until: now.plus(rules.step) };
        Some(self.next(phase, now, now, write_id))
    }

    /// When the record may be forgotten.
    pub fn expires_at(&self) -> Timestamp {
        let due = match self.phase {
            Phase::Closed => self.written_at,
            Phase::Open { until } | Phase::Ramping { until, .. } => until,
        };
        due.max(self.written_at).plus(KEPT)
    }
}

/// How much of a step's allowance is taken at once.
fn slice(step: u8) -> u32 {
    (allowance(step) / SLICES).max(SLICE_MIN).min(allowance(step))
}
