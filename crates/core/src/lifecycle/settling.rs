//! Settling an attempt that was made without a claim: what it makes of a state that was found. What a claimed attempt
//! comes to is said by its hold, which stores compare themselves.

use super::{Event, Life, Phase, State};
use crate::decide::Decision;
use crate::outcome::with_attempt;
use crate::ports::Settlement;

/// What settling an attempt that was not claimed makes of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    /// This is to be written.
    Write(State),
    /// This very settlement was written before; this is the state since.
    Already(State),
    /// Somebody else got on with the message, and this comes too late.
    Lost,
}

impl Settling {
    /// Settles an attempt without a claim, of whose message the state `found` is stored, or none. It stands if the claim
    /// would have been the caller's, and the first of this life; a delivery stands as long as nothing final does.
    pub fn unclaimed(found: Option<&State>, settlement: &Settlement) -> Self {
        let Settlement { life, lease, now, .. } = settlement;
        let Some(found) = found else { return Self::Write(settlement.first_of_its_life()) };
        if found.is_of(life) && found.last_lease_id.as_ref() == Some(&lease.lease_id) {
            return Self::Already(found.clone());
        }
        if found.comes_after(life) {
            return Self::Lost;
        }
        if !found.counts_for(&life.accepted_id, *now) {
            return Self::Write(settlement.first_of_its_life());
        }
        if !found.is_of(life) {
            return Self::Lost;
        }
        let is_untouched =
            found.attempts == 0 && found.phase.status().after(Event::Claimed).is_some();
        if is_untouched {
            return Self::Write(State { attempts: lease.attempt, ..settlement.after(found) });
        }
        let is_delivery = settlement.decision == Decision::Delivered;
        if is_delivery && found.phase.status().after(Event::Delivered).is_some() {
            return Self::Write(settlement.after(found));
        }
        Self::Lost
    }
}

impl State {
    /// Whether the state is of this acceptance and generation, expired or not.
    pub fn is_of(&self, life: &Life) -> bool {
        self.life.accepted_id == life.accepted_id && self.life.generation == life.generation
    }
}

impl Settlement {
    /// The phase that the decision leads to.
    pub const fn phase(&self) -> Phase {
        match self.decision {
            Decision::Delivered => Phase::Delivered,
            Decision::Retry { not_before } => Phase::Retrying { not_before },
            Decision::GiveUp(reason) => Phase::Dead { reason, buried: false },
        }
    }

    /// The state where none counts yet.
    fn first_of_its_life(&self) -> State {
        let unwritten = State::unwritten(self.life.clone(), self.now);
        State { attempts: self.lease.attempt, ..self.after(&unwritten) }
    }

    /// The state that follows `found`, whose attempts stay counted as they are.
    fn after(&self, found: &State) -> State {
        State {
            life: found.life.clone(),
            phase: self.phase(),
            attempts: found.attempts,
            outcomes: with_attempt(found.outcomes.clone(), self.attempt.clone()),
            last_lease_id: Some(self.lease.lease_id.clone()),
            updated_at: self.now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{AcceptedId, Generation, LeaseId, MessageId, RelayId, SenderId};
    use crate::outcome::{AttemptRecord, DeadReason};
    use crate::ports::Lease;
    use crate::time::Timestamp;
    use expect_test::{Expect, expect};

    const END: u64 = 10_000;

    fn life(accepted: u8, generation: u32, end: u64) -> Life {
        Life {
            accepted_id: AcceptedId::from_random([accepted; 16]),
            generation: Generation(generation),
            generation_started_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(end),
        }
    }

    #[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    fn settlement(decision: Decision, millis: u64) -> Settlement {
        let now = Timestamp::from_millis(millis);
        Settlement {
            id: RelayId::of(&SenderId::parse("s").unwrap(), &MessageId::parse("m").unwrap()),
            life: life(1, 0, END),
            lease: Lease {
                lease_id: LeaseId::from_random([9; 16]),
                until: Timestamp::from_millis(millis + 100),
                attempt: 1,
                outcomes: Vec::new(),
                claimed: false,
            },
            attempt: AttemptRecord {
                attempt: 1,
                generation: Generation(0),
                at: now,
                status: Some(200),
                error: None,
                millis: 1,
                answer: String::new(),
            },
            decision,
            now,
        }
    }

    fn found(life: Life, phase: Phase, attempts: u32) -> State {
        let mut state = State::unwritten(life, Timestamp::from_millis(1));
        (state.phase, state.attempts) = (phase, attempts);
        state
    }

    fn told(found: Option<&State>, settlement: &Settlement) -> String {
        match Settling::unclaimed(found, settlement) {
            Settling::Write(state) => {
                assert_eq!(state.last_lease_id.as_ref(), Some(&settlement.lease.lease_id));
                let status = state.phase.status().as_str();
                format!("{status} {}/{}", state.attempts, state.outcomes.len())
            }
            Settling::Already(_) => "already".to_owned(),
            Settling::Lost => "lost".to_owned(),
        }
    }

    /// What a delivery makes of the state, and what a retry does.
    fn check(state: Option<State>, expected: Expect) {
        let retry = Decision::Retry { not_before: Timestamp::from_millis(90) };
        let both =
            [Decision::Delivered, retry].map(|next| told(state.as_ref(), &settlement(next, 50)));
        expected.assert_eq(&both.join(", "));
    }

    #[test]
    fn every_state_is_settled_in_its_way() {
        let of = |phase, attempts| Some(found(life(1, 0, END), phase, attempts));
        let held = Phase::Processing {
            lease_id: LeaseId::from_random([8; 16]),
            lease_until: Timestamp::from_millis(40),
        };
        let waiting = Phase::Retrying { not_before: Timestamp::from_millis(100) };
        let dead = Phase::Dead { reason: DeadReason::Gone, buried: false };
        check(None, expect!["DELIVERED 1/1, RETRYING 1/1"]);
        check(of(Phase::Pending, 0), expect!["DELIVERED 1/1, RETRYING 1/1"]);
        check(of(Phase::Queued, 0), expect!["DELIVERED 1/1, RETRYING 1/1"]);
        check(of(held, 1), expect!["DELIVERED 1/1, lost"]);
        check(of(waiting, 2), expect!["DELIVERED 2/1, lost"]);
        check(of(Phase::Delivered, 1), expect!["lost, lost"]);
        check(of(dead.clone(), 1), expect!["lost, lost"]);
        check(of(Phase::Cancelled, 0), expect!["lost, lost"]);
        check(Some(found(life(1, 1, END), Phase::Pending, 0)), expect!["lost, lost"]);
        let mut own = found(life(1, 0, END), dead, 1);
        own.last_lease_id = Some(LeaseId::from_random([9; 16]));
        check(Some(own), expect!["already, already"]);
    }

    #[test]
    fn f45_a_state_of_another_life_blocks_only_what_came_before_it() {
        // Expired, whatever it said; of an earlier acceptance, ended; of a later one.
        let delivered = |life| Some(found(life, Phase::Delivered, 1));
        let anew = "DELIVERED 1/1, RETRYING 1/1";
        let both = |state: Option<State>| {
            let retry = Decision::Retry { not_before: Timestamp::from_millis(90) };
            [Decision::Delivered, retry].map(|next| told(state.as_ref(), &settlement(next, 50)))
        };
        assert_eq!(both(delivered(life(2, 0, 40))).join(", "), anew);
        assert_eq!(both(delivered(life(2, 3, END - 1))).join(", "), anew);
        assert_eq!(both(delivered(life(2, 0, END + 1))), ["lost", "lost"]);
        let expired = found(life(1, 0, END), Phase::Delivered, 1);
        assert_eq!(
            told(Some(&expired), &settlement(Decision::Delivered, END)),
            "DELIVERED 1/1",
            "for a life that is over, nothing counts any more"
        );
    }
}
