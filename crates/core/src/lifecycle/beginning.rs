//! Setting a final message going again: what it makes of a state that was found.

use super::{Event, Life, Phase, State};
use crate::time::Timestamp;

/// How a message is set going again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Again {
    /// A dead letter goes back to the queue.
    Redrive,
    /// Any message that was delivered or given up goes once more.
    Resend,
}

impl Again {
    /// What happens to the message.
    pub const fn event(self) -> Event {
        match self {
            Self::Redrive => Event::Redriven,
            Self::Resend => Event::Resent,
        }
    }
}

/// What setting a message going again makes of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// This is to be written.
    Write(State),
    /// The next generation was begun before and is still to be sent to the queue.
    Already(Life),
    /// The state is one that this does not follow from.
    Refused,
}

impl Beginning {
    /// Sets the message of `life` going again, of which the state `found` is stored, or none: the next
    /// generation begins without attempts, and what came of the earlier ones stays to be seen.
    pub fn of(found: Option<&State>, life: &Life, again: Again, now: Timestamp) -> Self {
        let counting = found.filter(|found| found.counts_for(&life.accepted_id, now));
        let Some(found) = counting else { return Self::Refused };
        let next = life.generation.next();
        if found.life.generation == next && found.phase == Phase::Pending {
            return Self::Already(found.life.clone());
        }
        let is_of_life = found.life.generation == life.generation;
        if !is_of_life || found.phase.status().after(again.event()).is_none() {
            return Self::Refused;
        }
        let next = Life { generation: next, generation_started_at: now, ..found.life.clone() };
        Self::Write(State { outcomes: found.outcomes.clone(), ..State::unwritten(next, now) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{AcceptedId, Generation};
    use crate::outcome::DeadReason;
    use expect_test::{Expect, expect};

    fn life(accepted: u8, generation: u32) -> Life {
        Life {
            accepted_id: AcceptedId::from_random([accepted; 16]),
            generation: Generation(generation),
            generation_started_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(10_000),
        }
    }

    fn check(phase: Phase, again: Again, asked: Life, millis: u64, expected: Expect) {
        let mut found = State::unwritten(life(1, 1), Timestamp::from_millis(0));
        (found.phase, found.attempts) = (phase, 3);
        let now = Timestamp::from_millis(millis);
        let told = match Beginning::of(Some(&found), &asked, again, now) {
            Beginning::Write(state) => format!(
                "{} {} with {} attempts",
                state.phase.status().as_str(),
                state.life.generation,
                state.attempts
            ),
            Beginning::Already(life) => format!("already {}", life.generation),
            Beginning::Refused => "refused".to_owned(),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn f22_every_state_has_its_beginning() {
        use Again::{Redrive, Resend};
        let dead = Phase::Dead { reason: DeadReason::Gone, buried: true };
        check(dead.clone(), Redrive, life(1, 1), 50, expect!["PENDING 2 with 0 attempts"]);
        check(dead.clone(), Resend, life(1, 1), 50, expect!["PENDING 2 with 0 attempts"]);
        check(dead.clone(), Redrive, life(1, 0), 50, expect!["refused"]);
        check(dead.clone(), Redrive, life(1, 2), 50, expect!["refused"]);
        check(dead.clone(), Redrive, life(2, 1), 50, expect!["refused"]);
        check(dead, Redrive, life(1, 1), 10_000, expect!["refused"]);
        check(Phase::Delivered, Redrive, life(1, 1), 50, expect!["refused"]);
        check(Phase::Delivered, Resend, life(1, 1), 50, expect!["PENDING 2 with 0 attempts"]);
        check(Phase::Cancelled, Resend, life(1, 1), 50, expect!["refused"]);
        check(Phase::Queued, Resend, life(1, 1), 50, expect!["refused"]);
        check(Phase::Pending, Redrive, life(1, 0), 50, expect!["already 1"]);
        check(Phase::Pending, Redrive, life(1, 1), 50, expect!["refused"]);
        check(Phase::Queued, Redrive, life(1, 0), 50, expect!["refused"]);
    }
}
