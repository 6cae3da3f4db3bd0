//! The environments of one Lambda function: warm ones are used again, new ones come at a limited rate and start cold,
//! and all functions together have no more at work than the account may.

use crate::limits::Rate;

/// Why there is no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The account's concurrency, or the function's own, is used up.
    Concurrency,
    /// New environments do not come any faster.
    Scaling,
}

/// Where work goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// To an environment that has started before.
    Warm,
    /// To one that has to start first.
    Cold,
}

/// The environments of one function. They are not taken back: a run is shorter than Lambda keeps idle ones.
#[derive(Debug, Clone)]
pub(crate) struct Environments {
    started: u32,
    busy: u32,
    most: u32,
    scaling: Rate,
}

impl Environments {
    /// `started` are warm at the beginning, `most` may be there, `per_second` come new after a first `at_once`.
    pub(crate) fn new(started: u32, most: u32, per_second: f64, at_once: f64) -> Self {
        Self { started, busy: 0, most, scaling: Rate::new(per_second, at_once) }
    }

    /// How many are at work.
    pub(crate) fn busy(&self) -> u32 {
        self.busy
    }

    /// Takes one, while the account has room for `left` more at work.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn take(&mut self, now: u64, left: u32) -> Result<Place, NoRoom> {
        if left == 0 || self.busy >= self.most {
            return Err(NoRoom::Concurrency);
        }
        if self.busy < self.started {
            self.busy += 1;
            return Ok(Place::Warm);
        }
        if !self.scaling.try_take(now, 1.0) {
            return Err(NoRoom::Scaling);
        }
        self.started += 1;
        self.busy += 1;
        Ok(Place::Cold)
    }

    /// Microseconds until another one may start.
    pub(crate) fn wait(&self, now: u64) -> u64 {
        self.scaling.wait(now, 1.0)
    }

    /// Gives one back.
    pub(crate) fn give_back(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }
}
