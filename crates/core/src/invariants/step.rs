//! One change of a state: whether the table allows it and whether everything beside the status fits.

use super::unclaimed::as_if_claimed;
use super::{Bounds, Broken, ENDING_TIME, Invariant};
use crate::identity::LeaseId;
use crate::lifecycle::{Event, Phase, State, Status};
use crate::outcome::{DeadReason, OUTCOMES_KEPT};
use crate::time::Timestamp;

/// Checks the step from one stored state of a message to the next.
pub(super) fn check(before: &State, after: &State, bounds: &Bounds) -> Result<(), Broken> {
    let attempts_max = bounds.attempts_max;
    if before.life.accepted_id != after.life.accepted_id {
        return table(before, after, "of another acceptance");
    }
    if before.life.generation != after.life.generation {
        return begun(before, after);
    }
    if before.life != after.life {
        return table(before, after, "with another life of the same name");
    }
    if after.outcomes.len() > OUTCOMES_KEPT {
        return table(before, after, "with more outcomes than are kept");
    }
    let unclaimed = if bounds.lean { as_if_claimed(before, after) } else { None };
    let before = unclaimed.as_ref().unwrap_or(before);
    match (&before.phase, &after.phase) {
        (_, Phase::Processing { lease_id, lease_until }) => {
            claimed(before, after, lease_id, *lease_until, attempts_max)
        }
        _ if before.attempts != after.attempts => table(before, after, "with other attempts"),
        (Phase::Dead { reason, buried: false }, Phase::Dead { reason: kept, buried: true }) => {
            if reason == kept {
                Ok(())
            } else {
                table(before, after, "for another reason")
            }
        }
        (Phase::Processing { lease_id, .. }, Phase::Retrying { .. })
            if after.last_lease_id.as_ref() != Some(lease_id) =>
        {
            table(before, after, "by somebody who does not hold it")
        }
        (Phase::Processing { lease_id, lease_until }, Phase::Dead { .. })
            if after.last_lease_id.as_ref() != Some(lease_id)
                && after.updated_at < *lease_until =>
        {
            table(before, after, "while somebody else holds it")
        }
        // Its worker may be about to call, or to write that the target took it.
        (Phase::Processing { .. }, Phase::Cancelled) => {
            table(before, after, "while somebody holds it")
        }
        (_, Phase::Retrying { .. }) if attempts_max <= after.attempts => {
            Err((Invariant::AttemptsAreBounded, format!("{} and none left", after.attempts)))
        }
        (_, Phase::Dead { reason: DeadReason::AttemptsExhausted, .. })
            if after.attempts < attempts_max =>
        {
            let detail = format!("given up after {} of {attempts_max}", after.attempts);
            Err((Invariant::AttemptsAreBounded, detail))
        }
        (_, Phase::Dead { reason: DeadReason::DeadlinePassed, .. }) if is_early(after, bounds) => {
            let detail = "given up before its deadline".to_owned();
            Err((Invariant::AttemptsAreBounded, detail))
        }
        (from, to) if follows(from.status(), to.status()) => Ok(()),
        _ => table(before, after, "which nothing leads to"),
    }
}

/// Whether even the longest wait would have ended before the deadline, or before the record is about to expire.
fn is_early(state: &State, bounds: &Bounds) -> bool {
    let last = state.life.expires_at.minus(ENDING_TIME);
    let deadline = state.life.generation_started_at.plus(bounds.deadline).min(last);
    state.updated_at.plus(bounds.delay_max + bounds.clock_difference) < deadline
}

/// Whether one event leads from one status to the other, the end of a lease counted in.
fn follows(from: Status, to: Status) -> bool {
    let freed = from.after(Event::LeaseExpired);
    let reaches = |from: Status| Event::ALL.into_iter().any(|event| from.after(event) == Some(to));
    reaches(from) || freed.is_some_and(reaches)
}

fn begun(before: &State, after: &State) -> Result<(), Broken> {
    let is_next = after.life.generation == before.life.generation.next();
    let is_fresh = after.phase == Phase::Pending && after.attempts == 0;
    let status = before.phase.status();
    let may = [Event::Redriven, Event::Resent].iter().any(|event| status.after(*event).is_some());
    if is_next && is_fresh && may {
        return Ok(());
    }
    table(before, after, "as another generation")
}

fn claimed(
    before: &State,
    after: &State,
    lease_id: &LeaseId,
    lease_until: Timestamp,
    attempts_max: u32,
) -> Result<(), Broken> {
    let now = after.updated_at;
    let due = match &before.phase {
        Phase::Retrying { not_before } => *not_before,
        Phase::Processing { lease_until, .. } => *lease_until,
        Phase::Pending | Phase::Queued => now,
        Phase::Delivered | Phase::Dead { .. } | Phase::Cancelled => {
            return Err((Invariant::AttemptsAreDue, "claimed after the end".to_owned()));
        }
    };
    if now < due {
        let early = due.since(now).as_millis();
        return Err((Invariant::AttemptsAreDue, format!("claimed {early} ms early")));
    }
    if lease_until <= now {
        return Err((Invariant::AttemptsAreDue, "a lease that never holds".to_owned()));
    }
    if matches!(&before.phase, Phase::Processing { lease_id: old, .. } if old == lease_id) {
        return table(before, after, "by the claim that holds it");
    }
    if after.attempts != before.attempts + 1 || attempts_max < after.attempts {
        let detail =
            format!("attempt {} of {attempts_max} after {}", after.attempts, before.attempts);
        return Err((Invariant::AttemptsAreBounded, detail));
    }
    Ok(())
}

fn table(before: &State, after: &State, how: &str) -> Result<(), Broken> {
    let told = |state: &State| {
        let generation = state.life.generation;
        format!(
            "{} (generation {generation}, attempts {})",
            state.phase.status().as_str(),
            state.attempts
        )
    };
    let detail = format!("{} becomes {} {how}", told(before), told(after));
    Err((Invariant::StatesFollowTheTable, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{AcceptedId, Generation};
    use crate::lifecycle::Life;
    use expect_test::{Expect, expect};
    use std::time::Duration;

    fn state(generation: u32, phase: Phase, attempts: u32, now: u64) -> State {
        let life = Life {
            accepted_id: AcceptedId::from_random([1; 16]),
            generation: Generation(generation),
            generation_started_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(10_000).plus(ENDING_TIME),
        };
        State { phase, attempts, ..State::unwritten(life, Timestamp::from_millis(now)) }
    }

    fn held(lease: u8) -> Phase {
        let lease_id = LeaseId::from_random([lease; 16]);
        Phase::Processing { lease_id, lease_until: Timestamp::from_millis(100) }
    }

    fn by(lease: u8, state: State) -> State {
        State { last_lease_id: Some(LeaseId::from_random([lease; 16])), ..state }
    }

    fn test(before: State, after: State, expected: Expect) {
        let bounds = Bounds {
            attempts_max: 3,
            deadline: Duration::from_millis(500),
            delay_max: Duration::from_millis(50),
            clock_difference: Duration::ZERO,
            reconciled: false,
            lean: false,
        };
        let told = match check(&before, &after, &bounds) {
            Ok(()) => "fine".to_owned(),
            Err((invariant, detail)) => format!("{invariant}: {detail}"),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn steps_of_a_life_are_fine() {
        let wait = || Phase::Retrying { not_before: Timestamp::from_millis(60) };
        let dead = |buried| Phase::Dead { reason: DeadReason::AttemptsExhausted, buried };
        let late = || Phase::Dead { reason: DeadReason::DeadlinePassed, buried: false };
        test(state(0, wait(), 1, 1), state(0, late(), 1, 450), expect!["fine"]);
        test(state(0, Phase::Pending, 0, 1), state(0, Phase::Queued, 0, 2), expect!["fine"]);
        test(state(0, Phase::Pending, 0, 1), state(0, held(1), 1, 2), expect!["fine"]);
        test(state(0, held(1), 1, 1), by(1, state(0, wait(), 1, 50)), expect!["fine"]);
        test(state(0, wait(), 1, 1), state(0, held(1), 2, 60), expect!["fine"]);
        test(state(0, held(1), 1, 1), state(0, Phase::Delivered, 1, 50), expect!["fine"]);
        test(state(0, held(2), 2, 1), by(1, state(0, Phase::Delivered, 2, 50)), expect!["fine"]);
        test(state(0, held(1), 3, 1), by(1, state(0, dead(false), 3, 50)), expect!["fine"]);
        test(state(0, held(1), 3, 1), state(0, dead(false), 3, 100), expect!["fine"]);
        test(state(0, dead(false), 3, 1), state(0, dead(true), 3, 100), expect!["fine"]);
        test(state(0, dead(true), 3, 1), state(1, Phase::Pending, 0, 100), expect!["fine"]);
    }

    #[test]
    fn other_steps_are_told_of() {
        let wait = || Phase::Retrying { not_before: Timestamp::from_millis(60) };
        let dead = || Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: false };
        let held_longer = |lease| match held(lease) {
            Phase::Processing { lease_id, .. } => {
                Phase::Processing { lease_id, lease_until: Timestamp::from_millis(900) }
            }
            other => other,
        };
        test(
            state(0, wait(), 1, 1),
            state(0, held(1), 2, 59),
            expect!["attempts are due: claimed 1 ms early"],
        );
        test(
            state(0, held(1), 1, 1),
            state(0, held_longer(2), 2, 99),
            expect!["attempts are due: claimed 1 ms early"],
        );
        test(
            state(0, Phase::Delivered, 1, 1),
            state(0, held(2), 2, 99),
            expect!["attempts are due: claimed after the end"],
        );
        test(
            state(0, wait(), 3, 1),
            state(0, held(2), 4, 60),
            expect!["attempts are bounded: attempt 4 of 3 after 3"],
        );
        test(
            state(0, wait(), 1, 1),
            state(0, dead(), 1, 60),
            expect!["attempts are bounded: given up after 1 of 3"],
        );
        test(
            state(0, held(1), 3, 1),
            by(1, state(0, wait(), 3, 60)),
            expect!["attempts are bounded: 3 and none left"],
        );
    }

    #[test]
    fn steps_that_are_somebody_elses_are_told_of() {
        let wait = || Phase::Retrying { not_before: Timestamp::from_millis(60) };
        let dead = || Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: false };
        test(
            state(0, held(2), 1, 1),
            by(1, state(0, wait(), 1, 50)),
            expect![
                "states follow the table: PROCESSING (generation 0, attempts 1) becomes RETRYING (generation 0, attempts 1) by somebody who does not hold it"
            ],
        );
        test(
            state(0, held(2), 3, 1),
            by(1, state(0, dead(), 3, 50)),
            expect![
                "states follow the table: PROCESSING (generation 0, attempts 3) becomes DEAD (generation 0, attempts 3) while somebody else holds it"
            ],
        );
        let late = || Phase::Dead { reason: DeadReason::DeadlinePassed, buried: false };
        test(
            state(0, wait(), 1, 1),
            state(0, late(), 1, 449),
            expect!["attempts are bounded: given up before its deadline"],
        );
        test(
            state(0, Phase::Queued, 0, 1),
            state(1, Phase::Pending, 0, 2),
            expect![
                "states follow the table: QUEUED (generation 0, attempts 0) becomes PENDING (generation 1, attempts 0) as another generation"
            ],
        );
        test(
            state(0, held(1), 1, 1),
            state(0, Phase::Queued, 1, 2),
            expect![
                "states follow the table: PROCESSING (generation 0, attempts 1) becomes QUEUED (generation 0, attempts 1) which nothing leads to"
            ],
        );
        test(
            state(0, Phase::Delivered, 1, 1),
            state(0, dead(), 1, 2),
            expect!["attempts are bounded: given up after 1 of 3"],
        );
    }
}
