//! Attempts that are made without a claim, as first attempts are in lean status tracking: how many there may be, and what
//! their settlements may write. Where every attempt is claimed, nothing of this applies.

use crate::identity::Generation;
use crate::lifecycle::{Life, Phase, State};

/// How many copies were sent that may each be attempted once without a claim, and how many calls came of them.
#[derive(Default)]
pub(super) struct Unclaimed {
    copies: u32,
    calls: u32,
}

impl Unclaimed {
    /// A copy of this life was sent to be attempted at once.
    pub(super) fn sent(&mut self, life: &Life) {
        self.copies += u32::from(life.generation == Generation::default());
    }

    /// Counts a call for this attempt, if it may be one that was not claimed.
    pub(super) const fn take(&mut self, attempt: u32) -> bool {
        let may = attempt == 1 && self.calls < self.copies;
        if may {
            self.calls += 1;
        }
        may
    }
}

/// The state that a settlement without a claim comes from, if it may be one: as if the claim had come just before.
/// Only the first attempt of a message that nobody else began is settled so, and only by whoever made it.
pub(super) fn as_if_claimed(before: &State, after: &State) -> Option<State> {
    let is_first = after.life.generation == Generation::default() && after.attempts == 1;
    let is_untouched =
        matches!(before.phase, Phase::Pending | Phase::Queued) && before.attempts == 0;
    let is_settled = matches!(
        after.phase,
        Phase::Retrying { .. } | Phase::Delivered | Phase::Dead { buried: false, .. }
    );
    let lease_id = after.last_lease_id.clone()?;
    let phase = Phase::Processing { lease_id, lease_until: after.updated_at };
    (is_first && is_untouched && is_settled && after.outcomes.len() == 1).then(|| State {
        phase,
        attempts: 1,
        ..before.clone()
    })
}
