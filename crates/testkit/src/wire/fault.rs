//! What can go wrong with a call, by chance or because a test says so.

use std::time::Duration;

use super::call::Call;
use super::service::{ErrorAnswer, Service};

/// What happens to a call instead of an ordinary answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does not reach the service and is answered with one of the service's own errors.
    Error(&'static ErrorAnswer),
    /// It is held for this long, then passed on. If the caller goes away by then, it is never done.
    Slow(Duration),
    /// Its connection is reset before it reaches the service.
    Reset,
    /// It is done by the service, then the connection is reset instead of answered.
    AnswerLost,
    /// It is done by the service, and the connection ends in the middle of the answer.
    AnswerCut,
}

/// A fault without what belongs to it, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// See [`Fault::Error`].
    Error,
    /// See [`Fault::Slow`].
    Slow,
    /// See [`Fault::Reset`].
    Reset,
    /// See [`Fault::AnswerLost`].
    AnswerLost,
    /// See [`Fault::AnswerCut`].
    AnswerCut,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Error, Self::Slow, Self::Reset, Self::AnswerLost, Self::AnswerCut];

    /// The kind as reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Slow => "slow",
            Self::Reset => "reset",
            Self::AnswerLost => "answer_lost",
            Self::AnswerCut => "answer_cut",
        }
    }
}

impl Fault {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Error(_) => FaultKind::Error,
            Self::Slow(_) => FaultKind::Slow,
            Self::Reset => FaultKind::Reset,
            Self::AnswerLost => FaultKind::AnswerLost,
            Self::AnswerCut => FaultKind::AnswerCut,
        }
    }
}

/// How much goes wrong by chance, in percent of all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Calls that fail, or are done and lose their answer.
    pub failing_percent: u8,
    /// Calls that are held for a while and then done.
    pub slow_percent: u8,
    /// The longest that a call is held.
    pub slow_max: Duration,
}

/// Of a hundred failing calls, how many lose their answer, are answered with an error, and are reset;
/// the rest are cut. Lost answers are what the relay's writes have to recognise, so there are most.
const LOST: u64 = 40;
const ERRORS: u64 = 35;
const RESETS: u64 = 15;

impl Shares {
    /// What `chance` makes of a call; all of it follows from the number.
    pub(super) fn draw(&self, service: Service, chance: u64) -> Option<Fault> {
        let percent = chance % 100;
        let (failing, slow) = (u64::from(self.failing_percent), u64::from(self.slow_percent));
        let (kind, detail) = ((chance / 100) % 100, chance / 10_000);
        if percent >= failing + slow {
            None
        } else if percent >= failing {
            let most = u64::try_from(self.slow_max.as_millis()).unwrap_or(u64::MAX).max(1);
            Some(Fault::Slow(Duration::from_millis(1 + detail % most)))
        } else if kind < LOST {
            Some(Fault::AnswerLost)
        } else if kind < LOST + ERRORS {
            let errors = service.errors();
            // The remainder is below the length of an array.
            let index = usize::try_from(detail % errors.len() as u64).unwrap_or_default();
            errors.get(index).map(Fault::Error)
        } else if kind < LOST + ERRORS + RESETS {
            Some(Fault::Reset)
        } else {
            Some(Fault::AnswerCut)
        }
    }
}

/// A fault for certain calls, in the order in which they come.
#[derive(Debug, Clone)]
pub struct Rule {
    service: Service,
    operation: &'static str,
    caller: Option<&'static str>,
    fault: Fault,
    passes: u32,
    times: u32,
}

impl Rule {
    /// `fault` for the next call of `operation` (`SendMessage`, `PutObject`).
    #[must_use]
    pub const fn next(service: Service, operation: &'static str, fault: Fault) -> Self {
        Self { service, operation, caller: None, fault, passes: 0, times: 1 }
    }

    /// Only for calls signed with a key id that ends so.
    #[must_use]
    pub const fn by(mut self, caller: &'static str) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Lets so many of these calls pass first.
    #[must_use]
    pub const fn after(mut self, passes: u32) -> Self {
        self.passes = passes;
        self
    }

    /// For so many calls instead of one.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// What this rule makes of a call, which counts for it.
    pub(super) fn apply(&mut self, call: &Call) -> Option<Fault> {
        let is_meant = self.service == call.service
            && self.operation == call.operation
            && self.caller.is_none_or(|caller| call.caller.ends_with(caller));
        if !is_meant || self.times == 0 {
            return None;
        }
        if self.passes > 0 {
            self.passes -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.fault.clone())
    }

    /// Whether it has done all that it is for.
    pub(super) const fn is_over(&self) -> bool {
        self.times == 0
    }
}
