//! Giving a message up between attempts: what it makes of a state that was found.

use super::{Event, Life, Phase, State};
use crate::outcome::{AttemptRecord, DeadReason, ErrorKind, with_attempt};
use crate::time::Timestamp;

/// What giving up makes of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// This is to be written.
    Write(State),
    /// It was given up for this reason before.
    Already(State),
    /// Somebody is at it, it is final, in another generation, or its record has expired.
    Refused,
}

impl Ending {
    /// Gives up the message of `life`, of which the state `found` is stored, or none. A message whose
    /// worker died is between attempts as soon as the lease has ended, and that attempt's outcome is
    /// unknown.
    pub fn of(found: Option<&State>, life: &Life, reason: DeadReason, now: Timestamp) -> Self {
        if life.expires_at <= now || found.is_some_and(|found| found.comes_after(life)) {
            return Self::Refused;
        }
        let counting = found.filter(|found| found.counts_for(&life.accepted_id, now));
        let mut next = counting.cloned().unwrap_or_else(|| State::unwritten(life.clone(), now));
        if next.life.generation != life.generation {
            return Self::Refused;
        }
        match &next.phase {
            Phase::Dead { reason: known, .. } if *known == reason => return Self::Already(next),
            Phase::Processing { lease_until, .. } if *lease_until <= now => {
                let lost = next.lost_attempt();
                next.outcomes = with_attempt(next.outcomes, lost);
            }
            phase if phase.status().after(Event::Expired).is_none() => return Self::Refused,
            // The queue gives up what nobody receives well. Whoever just wrote that it is to wait did, and
            // will again.
            Phase::Retrying { not_before }
                if reason == DeadReason::ReceiveCountExceeded && now < *not_before =>
            {
                return Self::Refused;
            }
            Phase::Pending
            | Phase::Queued
            | Phase::Processing { .. }
            | Phase::Retrying { .. }
            | Phase::Delivered
            | Phase::Dead { .. }
            | Phase::Cancelled => {}
        }
        next.phase = Phase::Dead { reason, buried: false };
        next.updated_at = now;
        Self::Write(next)
    }

    /// Withdraws the message of `life`, of which the state `found` is stored, or none. One that a worker holds is not: the
    /// call to its target may be under way.
    pub fn cancelling(found: Option<&State>, life: &Life, now: Timestamp) -> Self {
        if life.expires_at <= now || found.is_some_and(|found| found.comes_after(life)) {
            return Self::Refused;
        }
        let counting = found.filter(|found| found.counts_for(&life.accepted_id, now));
        let mut next = counting.cloned().unwrap_or_else(|| State::unwritten(life.clone(), now));
        if next.life.generation != life.generation {
            return Self::Refused;
        }
        if next.phase == Phase::Cancelled {
            return Self::Already(next);
        }
        if next.phase.status().after(Event::Cancelled).is_none() {
            return Self::Refused;
        }
        next.phase = Phase::Cancelled;
        next.updated_at = now;
        Self::Write(next)
    }
}

impl State {
    /// The record of the attempt under way, whose worker died.
    fn lost_attempt(&self) -> AttemptRecord {
        AttemptRecord {
            attempt: self.attempts,
            generation: self.life.generation,
            at: self.updated_at,
            status: None,
            error: Some(ErrorKind::Unknown),
            millis: 0,
            answer: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{AcceptedId, Generation, LeaseId};
    use expect_test::{Expect, expect};

    fn life(accepted: u8, generation: u32) -> Life {
        Life {
            accepted_id: AcceptedId::from_random([accepted; 16]),
            generation: Generation(generation),
            generation_started_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(10_000),
        }
    }

    fn check(phase: Phase, life_of_item: Life, expected: Expect) {
        check_reason(phase, life_of_item, DeadReason::AttemptsExhausted, expected);
    }

    fn check_reason(phase: Phase, life_of_item: Life, reason: DeadReason, expected: Expect) {
        let mut found = State::unwritten(life(1, 1), Timestamp::from_millis(0));
        (found.phase, found.attempts) = (phase, 2);
        let now = Timestamp::from_millis(100);
        let told = match Ending::of(Some(&found), &life_of_item, reason, now) {
            Ending::Write(state) => {
                let unknown = state.outcomes.iter().filter(|kept| kept.error.is_some()).count();
                format!("written with {} attempts, {unknown} unknown", state.attempts)
            }
            Ending::Already(_) => "already".to_owned(),
            Ending::Refused => "refused".to_owned(),
        };
        expected.assert_eq(&told);
    }

    fn held_until(millis: u64) -> Phase {
        Phase::Processing {
            lease_id: LeaseId::from_random([1; 16]),
            lease_until: Timestamp::from_millis(millis),
        }
    }

    #[test]
    fn every_state_has_its_ending() {
        let waiting = Phase::Retrying { not_before: Timestamp::from_millis(900) };
        let dead = |reason| Phase::Dead { reason, buried: true };
        check(Phase::Pending, life(1, 1), expect!["written with 2 attempts, 0 unknown"]);
        check(Phase::Queued, life(1, 1), expect!["written with 2 attempts, 0 unknown"]);
        check(waiting, life(1, 1), expect!["written with 2 attempts, 0 unknown"]);
        check(held_until(100), life(1, 1), expect!["written with 2 attempts, 2 unknown"]);
        check(held_until(101), life(1, 1), expect!["refused"]);
        check(Phase::Delivered, life(1, 1), expect!["refused"]);
        check(Phase::Cancelled, life(1, 1), expect!["refused"]);
        check(dead(DeadReason::AttemptsExhausted), life(1, 1), expect!["already"]);
        check(dead(DeadReason::Gone), life(1, 1), expect!["refused"]);
        check(Phase::Queued, life(1, 0), expect!["refused"]);
        check(Phase::Queued, life(1, 2), expect!["refused"]);
        // A state of an earlier acceptance counts for nothing: this message was never begun.
        check(Phase::Delivered, life(2, 0), expect!["written with 0 attempts, 0 unknown"]);
    }

    #[test]
    fn f21_what_the_queue_gave_up_is_given_up_unless_somebody_is_at_it() {
        let waiting = |millis| Phase::Retrying { not_before: Timestamp::from_millis(millis) };
        let check = |phase, expected| {
            check_reason(phase, life(1, 1), DeadReason::ReceiveCountExceeded, expected);
        };
        check(Phase::Pending, expect!["written with 2 attempts, 0 unknown"]);
        check(Phase::Queued, expect!["written with 2 attempts, 0 unknown"]);
        check(waiting(100), expect!["written with 2 attempts, 0 unknown"]);
        check(waiting(101), expect!["refused"]);
        check(held_until(100), expect!["written with 2 attempts, 2 unknown"]);
        check(held_until(101), expect!["refused"]);
        check(Phase::Delivered, expect!["refused"]);
    }

    #[test]
    fn f45_nothing_is_given_up_once_its_record_has_expired() {
        let reason = DeadReason::Malformed;
        let at_end = Timestamp::from_millis(10_000);
        assert_eq!(Ending::of(None, &life(1, 1), reason, at_end), Ending::Refused);
        // By a clock that is behind, the old life still lasts; the new one's state tells.
        let next = Life { expires_at: Timestamp::from_millis(20_000), ..life(2, 0) };
        let found = State::unwritten(next, Timestamp::from_millis(9_999));
        let just_before = Timestamp::from_millis(9_999);
        assert_eq!(Ending::of(Some(&found), &life(1, 1), reason, just_before), Ending::Refused);
    }
}
