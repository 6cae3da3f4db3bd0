//! The calls for one message: what each may follow from, and what their ends say.

use super::{Call, Hold, Story};
use crate::attempt::SETTLE_TIME;
use crate::body::Sha256;
use crate::identity::Generation;
use crate::invariants::{Bounds, Broken, Host, Invariant};
use crate::lifecycle::Phase;
use crate::outcome::{Class, ErrorKind, classify};

impl Story {
    /// A call follows from a claim of the same host, once, while that claim still holds the message. Only two
    /// things may have come between: the yes to an earlier attempt, written late, or a host whose clock is
    /// further ahead than leases allow for. After either, the message may even have begun anew.
    pub(super) fn called(
        &mut self,
        by: Host,
        attempt: u32,
        body: Sha256,
        bounds: &Bounds,
    ) -> Result<(), Broken> {
        if body != self.body {
            let detail = "the target gets another body than was posted".to_owned();
            return Err((Invariant::BytesAreIntact, detail));
        }
        let clocks_are_close = bounds.clock_difference < SETTLE_TIME;
        let due = |detail: String| Err((Invariant::AttemptsAreDue, detail));
        let is_ours = |hold: &&mut Hold| hold.by == by && hold.attempt == attempt && !hold.called;
        let hold = self.holds.iter_mut().rev().find(is_ours);
        let is_held = hold.as_ref().is_some_and(|hold| {
            matches!(&self.state.phase, Phase::Processing { lease_id, .. } if *lease_id == hold.lease_id)
        });
        let may = is_held || hold.as_ref().is_some_and(|hold| hold.overtaken);
        if !may && bounds.lean && self.unclaimed.take(attempt) {
            let generation = Generation::default();
            self.calls.push(Call { by, attempt, generation, claimed: false });
            return Ok(());
        }
        let Some(hold) = hold else {
            return due(format!("a call for attempt {attempt} without a claim"));
        };
        hold.called = true;
        let generation = hold.generation;
        if !may && clocks_are_close {
            let status = self.state.phase.status().as_str();
            return due(format!("attempt {attempt} begins while the record is {status}"));
        }
        if self.withdrawn && clocks_are_close {
            return due(format!("attempt {attempt} begins after it was cancelled"));
        }
        if let Some(call) = self.calls.iter().find(|call| call.claimed)
            && clocks_are_close
        {
            let detail = format!("attempts {} and {attempt}", call.attempt);
            return Err((Invariant::OneCallAtOnce, detail));
        }
        self.calls.push(Call { by, attempt, generation, claimed: true });
        Ok(())
    }

    pub(super) fn returned(
        &mut self,
        by: Host,
        attempt: u32,
        result: Option<Result<u16, ErrorKind>>,
    ) {
        let is_it = |call: &Call| call.by == by && call.attempt == attempt;
        let Some(index) = self.calls.iter().position(is_it) else { return };
        // Two attempts of one number may be under way, of which one was not claimed: either may be the one that is over.
        let is_current = |call: &Call| call.generation == self.state.life.generation;
        let may_count = self.calls.iter().any(|call| is_it(call) && is_current(call));
        self.calls.remove(index);
        let said_yes = result.is_some_and(|result| classify(result) == Class::Delivered);
        self.taken |= said_yes && may_count;
    }
}
