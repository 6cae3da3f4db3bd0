//! The state of a message as it is stored, and the judgement on a worker that wants to claim it.

use serde::{Deserialize, Serialize};

use super::Status;
use crate::identity::{AcceptedId, Generation, LeaseId};
use crate::outcome::{AttemptRecord, DeadReason};
use crate::time::Timestamp;

/// A status with what belongs to it: a retry without a time or a death without a reason cannot be
/// written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// See [`Status::Pending`].
    Pending,
    /// See [`Status::Queued`].
    Queued,
    /// See [`Status::Processing`].
    Processing {
        /// Who holds it.
        lease_id: LeaseId,
        /// Until when; afterwards it may be claimed again.
        lease_until: Timestamp,
    },
    /// See [`Status::Retrying`].
    Retrying {
        /// The earliest time of the next attempt.
        not_before: Timestamp,
    },
    /// See [`Status::Delivered`].
    Delivered,
    /// See [`Status::Dead`].
    Dead {
        /// Why.
        reason: DeadReason,
        /// Whether the dead-letter queue is known to have its copy.
        buried: bool,
    },
    /// See [`Status::Cancelled`].
    Cancelled,
}

impl Phase {
    /// The status of this phase.
    pub const fn status(&self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Queued => Status::Queued,
            Self::Processing { .. } => Status::Processing,
            Self::Retrying { .. } => Status::Retrying,
            Self::Delivered => Status::Delivered,
            Self::Dead { .. } => Status::Dead,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

/// Which life of a message something belongs to: queue items, leases and writes of another one do not
/// count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The acceptance.
    pub accepted_id: AcceptedId,
    /// Which setting-going of it.
    pub generation: Generation,
    /// When this generation began; the delivery deadline counts from here.
    pub generation_started_at: Timestamp,
    /// When the record stops to exist for every reader, whether or not it was removed.
    pub expires_at: Timestamp,
}

/// The state of a message as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The life it belongs to.
    pub life: Life,
    /// The status and what belongs to it.
    pub phase: Phase,
    /// Attempts begun in this generation, those without an outcome included.
    pub attempts: u32,
    /// The last [`OUTCOMES_KEPT`](crate::outcome::OUTCOMES_KEPT) outcomes.
    pub outcomes: Vec<AttemptRecord>,
    /// The lease of the last settled attempt: a repeated write recognises itself by it.
    pub last_lease_id: Option<LeaseId>,
    /// When it was written.
    pub updated_at: Timestamp,
}

/// What a worker asks for when it wants to make an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The life that the queue item belongs to.
    pub life: Life,
    /// A fresh lease id.
    pub lease_id: LeaseId,
    /// Until when the message is to be held.
    pub lease_until: Timestamp,
    /// How many attempts may be begun.
    pub attempts_max: u32,
    /// The present.
    pub now: Timestamp,
}

/// The judgement on a claim, from the state alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimVerdict {
    /// It may be taken.
    Take,
    /// The state is of another, ended life: it may be taken and everything starts anew.
    TakeAnew,
    /// This very request took it before, and the answer was lost on the way.
    TakenByUs,
    /// Every attempt was begun; the last one has no outcome, or the limit was lowered.
    Exhausted,
    /// It is final in this generation.
    AlreadyFinal,
    /// Another worker holds it.
    HeldByOther {
        /// Until when at most.
        until: Timestamp,
    },
    /// Its next attempt is not due.
    NotYet {
        /// When it is.
        until: Timestamp,
    },
    /// The queue item belongs to an earlier generation, or to an earlier acceptance.
    Superseded,
    /// The queue item belongs to a generation that the record does not show yet.
    Ahead,
}

impl State {
    /// The state of a message that has no stored state.
    pub const fn unwritten(life: Life, now: Timestamp) -> Self {
        Self {
            life,
            phase: Phase::Pending,
            attempts: 0,
            outcomes: Vec::new(),
            last_lease_id: None,
            updated_at: now,
        }
    }

    /// Whether the state counts for the acceptance `accepted_id`: a state of another acceptance, or
    /// one that has expired and was not removed yet, means PENDING.
    pub fn counts_for(&self, accepted_id: &AcceptedId, now: Timestamp) -> bool {
        self.life.accepted_id == *accepted_id && now < self.life.expires_at
    }

    /// Whether the state is of an acceptance that came after that of `life`: nothing of that life may be
    /// written over it any more.
    pub fn comes_after(&self, life: &Life) -> bool {
        self.life.accepted_id != life.accepted_id && life.expires_at < self.life.expires_at
    }

    /// Judges a claim on a stored state. Whoever has no state at hand may take the message.
    pub fn judge_claim(&self, claim: &ClaimRequest) -> ClaimVerdict {
        if self.comes_after(&claim.life) {
            return ClaimVerdict::Superseded;
        }
        if !self.counts_for(&claim.life.accepted_id, claim.now) {
            return ClaimVerdict::TakeAnew;
        }
        if claim.life.generation < self.life.generation {
            return ClaimVerdict::Superseded;
        }
        if claim.life.generation > self.life.generation {
            return ClaimVerdict::Ahead;
        }
        let until = match &self.phase {
            Phase::Delivered | Phase::Dead { .. } | Phase::Cancelled => {
                return ClaimVerdict::AlreadyFinal;
            }
            Phase::Processing { lease_id, .. } if *lease_id == claim.lease_id => {
                return ClaimVerdict::TakenByUs;
            }
            Phase::Processing { lease_until, .. } if claim.now < *lease_until => {
                return ClaimVerdict::HeldByOther { until: *lease_until };
            }
            Phase::Retrying { not_before } => Some(*not_before),
            Phase::Processing { .. } | Phase::Pending | Phase::Queued => None,
        };
        // Attempts are judged before time: what will never be tried again need not wait.
        if self.attempts >= claim.attempts_max {
            return ClaimVerdict::Exhausted;
        }
        match until {
            Some(until) if claim.now < until => ClaimVerdict::NotYet { until },
            Some(_) | None => ClaimVerdict::Take,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn life(accepted: u8, generation: u32) -> Life {
        Life {
            accepted_id: AcceptedId::from_random([accepted; 16]),
            generation: Generation(generation),
            generation_started_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(10_000),
        }
    }

    fn check(phase: Phase, attempts: u32, claim: (Life, u64), expected: Expect) {
        let mut state = State::unwritten(life(1, 1), Timestamp::from_millis(0));
        (state.phase, state.attempts) = (phase, attempts);
        let (life, now) = claim;
        let verdict = state.judge_claim(&ClaimRequest {
            life,
            lease_id: LeaseId::from_random([9; 16]),
            lease_until: Timestamp::from_millis(now + 100),
            attempts_max: 3,
            now: Timestamp::from_millis(now),
        });
        expected.assert_eq(&format!("{verdict:?}"));
    }

    fn held(lease: u8) -> Phase {
        Phase::Processing {
            lease_id: LeaseId::from_random([lease; 16]),
            lease_until: Timestamp::from_millis(100),
        }
    }

    #[test]
    fn every_claim_has_its_verdict() {
        let waiting = Phase::Retrying { not_before: Timestamp::from_millis(100) };
        let dead = Phase::Dead { reason: DeadReason::Gone, buried: false };
        check(Phase::Pending, 0, (life(1, 1), 50), expect!["Take"]);
        check(Phase::Queued, 2, (life(1, 1), 50), expect!["Take"]);
        check(Phase::Queued, 3, (life(1, 1), 50), expect!["Exhausted"]);
        check(held(8), 1, (life(1, 1), 99), expect!["HeldByOther { until: Timestamp(100) }"]);
        check(held(8), 3, (life(1, 1), 99), expect!["HeldByOther { until: Timestamp(100) }"]);
        check(held(8), 1, (life(1, 1), 100), expect!["Take"]);
        check(held(8), 3, (life(1, 1), 100), expect!["Exhausted"]);
        check(held(9), 1, (life(1, 1), 50), expect!["TakenByUs"]);
        check(waiting.clone(), 1, (life(1, 1), 99), expect!["NotYet { until: Timestamp(100) }"]);
        check(waiting.clone(), 1, (life(1, 1), 100), expect!["Take"]);
        check(waiting, 3, (life(1, 1), 99), expect!["Exhausted"]);
        check(Phase::Delivered, 1, (life(1, 1), 50), expect!["AlreadyFinal"]);
        check(dead, 3, (life(1, 1), 50), expect!["AlreadyFinal"]);
        check(Phase::Cancelled, 0, (life(1, 1), 50), expect!["AlreadyFinal"]);
        check(Phase::Queued, 0, (life(1, 0), 50), expect!["Superseded"]);
        check(Phase::Queued, 0, (life(1, 2), 50), expect!["Ahead"]);
    }

    #[test]
    fn f45_a_state_of_another_life_blocks_nothing() {
        // An item that outlived its record leaves the new acceptance alone, even by a clock that is behind.
        let earlier = Life { expires_at: Timestamp::from_millis(9000), ..life(2, 0) };
        check(Phase::Delivered, 1, (earlier.clone(), 8999), expect!["Superseded"]);
        check(held(8), 1, (earlier, 9001), expect!["Superseded"]);
        check(Phase::Delivered, 1, (life(2, 0), 50), expect!["TakeAnew"]);
        check(Phase::Delivered, 1, (life(1, 1), 10_000), expect!["TakeAnew"]);
        check(held(8), 3, (life(2, 0), 50), expect!["TakeAnew"]);
    }
}
