//! Lives of messages: whatever happens in whatever order, they go along the table only, and what core
//! tells a store to write follows from what was there.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use relay_core::identity::{AcceptedId, Generation, LeaseId};
use relay_core::lifecycle::{
    Again, Beginning, ClaimRequest, ClaimVerdict, Ending, Event, Life, Phase, State, Status,
};
use relay_core::outcome::{DeadReason, OUTCOMES_KEPT};
use relay_core::time::Timestamp;

use crate::more;

/// Times of these tests lie below, in milliseconds: few enough that some meet.
const MILLIS_MAX: u64 = 12;
const ATTEMPTS_MAX: u32 = 3;

fn point() -> impl Strategy<Value = Timestamp> {
    (0..=MILLIS_MAX).prop_map(Timestamp::from_millis)
}

fn life() -> impl Strategy<Value = Life> {
    (0..2_u8, 0..3_u32, point(), point()).prop_map(|(accepted, generation, started, expires)| {
        Life {
            accepted_id: AcceptedId::from_random([accepted; 16]),
            generation: Generation(generation),
            generation_started_at: started,
            expires_at: expires,
        }
    })
}

fn reason() -> impl Strategy<Value = DeadReason> {
    prop::sample::select(DeadReason::ALL.to_vec())
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Pending),
        Just(Phase::Queued),
        (0..3_u8, point()).prop_map(|(lease, lease_until)| {
            Phase::Processing { lease_id: LeaseId::from_random([lease; 16]), lease_until }
        }),
        point().prop_map(|not_before| Phase::Retrying { not_before }),
        Just(Phase::Delivered),
        (reason(), any::<bool>()).prop_map(|(reason, buried)| Phase::Dead { reason, buried }),
        Just(Phase::Cancelled),
    ]
}

fn state() -> impl Strategy<Value = State> {
    (life(), phase(), 0..=ATTEMPTS_MAX + 1).prop_map(|(life, phase, attempts)| {
        let state = State::unwritten(life, Timestamp::from_millis(0));
        State { phase, attempts, ..state }
    })
}

fn claim(life: Life, lease: u8, now: Timestamp) -> ClaimRequest {
    ClaimRequest {
        life,
        lease_id: LeaseId::from_random([lease; 16]),
        lease_until: now.plus(Duration::from_millis(3)),
        attempts_max: ATTEMPTS_MAX,
        now,
    }
}

/// Whether `to` is reached from `from` on the table by `event`, after a lease that ended if need be.
fn follows(from: &Phase, event: Event, to: Status, now: Timestamp) -> bool {
    let status = match from {
        Phase::Processing { lease_until, .. } if *lease_until <= now => {
            from.status().after(Event::LeaseExpired)
        }
        phase => Some(phase.status()),
    };
    status.and_then(|status| status.after(event)) == Some(to)
}

proptest! {
    #![proptest_config(more(8))]

    #[test]
    fn a_walk_along_the_table_ends_and_goes_on_only_when_asked(events in vec(prop::sample::select(Event::ALL.to_vec()), 0..60)) {
        let mut status = Status::Pending;
        for event in events {
            let Some(next) = status.after(event) else {
                prop_assert!(!Status::takes(event).contains(&status));
                continue;
            };
            prop_assert!(Status::takes(event).contains(&status));
            let asked = matches!(event, Event::Redriven | Event::Resent);
            prop_assert_eq!(status.is_final(), asked, "{:?} on {:?}", event, status);
            // One claim leads into an attempt, and none out of another's.
            prop_assert_eq!(next == Status::Processing, event == Event::Claimed);
            prop_assert!(event != Event::Claimed || status != Status::Processing);
            status = next;
        }
    }

    #[test]
    fn a_claim_is_judged_by_life_end_hold_attempts_and_time(
        state in state(), life in life(), lease in 0..3_u8, now in point()
    ) {
        let request = claim(life, lease, now);
        let verdict = state.judge_claim(&request);
        let counts = state.counts_for(&request.life.accepted_id, now);
        prop_assert_eq!(counts, state.life.accepted_id == request.life.accepted_id && now < state.life.expires_at);
        let is_over = state.comes_after(&request.life);
        prop_assert!(!(is_over && counts), "two acceptances cannot both count");
        prop_assert_eq!(verdict == ClaimVerdict::TakeAnew, !counts && !is_over);
        let same = counts && state.life.generation == request.life.generation;
        let status = state.phase.status();
        prop_assert_eq!(verdict == ClaimVerdict::AlreadyFinal, same && status.is_final());
        match verdict {
            ClaimVerdict::Take => {
                prop_assert!(same && state.attempts < ATTEMPTS_MAX);
                prop_assert!(follows(&state.phase, Event::Claimed, Status::Processing, now));
                let early = matches!(state.phase, Phase::Retrying { not_before } if now < not_before);
                prop_assert!(!early);
            }
            ClaimVerdict::TakenByUs => {
                let ours = matches!(&state.phase, Phase::Processing { lease_id, .. } if *lease_id == request.lease_id);
                prop_assert!(same && ours);
            }
            ClaimVerdict::Exhausted => prop_assert!(same && state.attempts >= ATTEMPTS_MAX && !status.is_final()),
            ClaimVerdict::HeldByOther { until } => prop_assert!(same && now < until && status == Status::Processing),
            ClaimVerdict::NotYet { until } => prop_assert!(same && now < until && status == Status::Retrying),
            ClaimVerdict::Superseded => {
                prop_assert!(is_over || counts && request.life.generation < state.life.generation);
            }
            ClaimVerdict::Ahead => prop_assert!(counts && request.life.generation > state.life.generation),
            ClaimVerdict::TakeAnew | ClaimVerdict::AlreadyFinal => {}
        }
    }

    #[test]
    fn giving_up_writes_a_death_that_follows_or_nothing(
        found in prop::option::of(state()), life in life(), reason in reason(), now in point()
    ) {
        let counting = found.as_ref().filter(|found| found.counts_for(&life.accepted_id, now));
        match Ending::of(found.as_ref(), &life, reason, now) {
            Ending::Write(next) => {
                prop_assert_eq!(&next.phase, &Phase::Dead { reason, buried: false });
                prop_assert_eq!(next.life.generation, life.generation);
                prop_assert!(next.outcomes.len() <= OUTCOMES_KEPT && next.updated_at == now);
                let before = counting.map_or(&Phase::Pending, |found| &found.phase);
                prop_assert!(follows(before, Event::Expired, Status::Dead, now), "{before:?}");
                prop_assert_eq!(next.attempts, counting.map_or(0, |found| found.attempts));
            }
            Ending::Already(known) => {
                prop_assert_eq!(Some(&known), counting);
                let same = matches!(known.phase, Phase::Dead { reason: it, .. } if it == reason);
                prop_assert!(same);
            }
            Ending::Refused => {
                if life.expires_at <= now || found.as_ref().is_some_and(|found| found.comes_after(&life)) {
                    return Ok(());
                }
                let before = counting.expect("nothing counts, so nothing refuses");
                let follows = follows(&before.phase, Event::Expired, Status::Dead, now);
                // What waits on purpose is not received, and the queue has no reason to give it up.
                let waits = matches!(before.phase, Phase::Retrying { not_before } if now < not_before);
                let too_soon = waits && reason == DeadReason::ReceiveCountExceeded;
                prop_assert!(before.life.generation != life.generation || !follows || too_soon);
            }
        }
    }

    #[test]
    fn setting_going_again_begins_the_next_generation_of_something_final_or_nothing(
        found in prop::option::of(state()), life in life(), redrive: bool, now in point()
    ) {
        let again = if redrive { Again::Redrive } else { Again::Resend };
        let counting = found.as_ref().filter(|found| found.counts_for(&life.accepted_id, now));
        match Beginning::of(found.as_ref(), &life, again, now) {
            Beginning::Write(next) => {
                let before = counting.expect("something counts");
                prop_assert!(before.phase.status().is_final());
                prop_assert_eq!(before.phase.status().after(again.event()), Some(Status::Pending));
                prop_assert_eq!((&next.phase, next.attempts), (&Phase::Pending, 0));
                prop_assert_eq!(next.life.generation, before.life.generation.next());
                prop_assert_eq!(&next.life.accepted_id, &before.life.accepted_id);
                prop_assert_eq!(&next.outcomes, &before.outcomes);
                // Asking again finds it begun, and no copy of the ended generation is ever taken.
                let repeated = Beginning::of(Some(&next), &life, again, now);
                prop_assert!(matches!(repeated, Beginning::Already(_) | Beginning::Refused));
                if next.counts_for(&life.accepted_id, now) {
                    prop_assert_eq!(&repeated, &Beginning::Already(next.life.clone()));
                    prop_assert_eq!(next.judge_claim(&claim(life, 0, now)), ClaimVerdict::Superseded);
                }
            }
            Beginning::Already(begun) => {
                let before = counting.expect("something counts");
                prop_assert_eq!(&before.phase, &Phase::Pending);
                prop_assert_eq!(&begun, &before.life);
                prop_assert_eq!(begun.generation, life.generation.next());
            }
            Beginning::Refused => {
                let may = counting.is_some_and(|found| found.life.generation == life.generation
                    && found.phase.status().after(again.event()).is_some());
                prop_assert!(!may);
            }
        }
    }
}

/// One thing done to a stored message.
#[derive(Debug, Clone)]
enum Step {
    Claim(u8),
    GiveUp(DeadReason),
    Again(bool),
    Fail,
    Deliver,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Step::Claim),
        1 => reason().prop_map(Step::GiveUp),
        1 => any::<bool>().prop_map(Step::Again),
        2 => Just(Step::Fail),
        1 => Just(Step::Deliver),
        3 => (0..5_u64).prop_map(Step::Wait),
    ]
}

/// A store of one message that does what core tells it, copies of the queue being of its latest life.
fn take(state: &State, step: &Step, now: Timestamp) -> Option<State> {
    let next = |phase: Phase| Some(State { phase, updated_at: now, ..state.clone() });
    let held = matches!(state.phase, Phase::Processing { .. });
    match step {
        Step::Claim(lease) => {
            let request = claim(state.life.clone(), *lease, now);
            let (lease_id, lease_until) = (request.lease_id.clone(), request.lease_until);
            (state.judge_claim(&request) == ClaimVerdict::Take).then(|| State {
                phase: Phase::Processing { lease_id, lease_until },
                attempts: state.attempts + 1,
                ..state.clone()
            })
        }
        Step::GiveUp(reason) => match Ending::of(Some(state), &state.life, *reason, now) {
            Ending::Write(next) => Some(next),
            Ending::Already(_) | Ending::Refused => None,
        },
        Step::Again(redrive) => {
            let again = if *redrive { Again::Redrive } else { Again::Resend };
            match Beginning::of(Some(state), &state.life, again, now) {
                Beginning::Write(next) => Some(next),
                Beginning::Already(_) | Beginning::Refused => None,
            }
        }
        Step::Fail if held => {
            next(Phase::Retrying { not_before: now.plus(Duration::from_millis(2)) })
        }
        Step::Deliver if held => next(Phase::Delivered),
        Step::Fail | Step::Deliver | Step::Wait(_) => None,
    }
}

proptest! {
    #![proptest_config(more(8))]

    #[test]
    fn a_life_never_goes_past_its_attempts_or_back(steps in vec(step(), 0..80)) {
        let mut now = Timestamp::from_millis(0);
        let mut state = State::unwritten(long_life(), now);
        for step in steps {
            if let Step::Wait(millis) = step {
                now = now.plus(Duration::from_millis(millis));
            }
            let Some(next) = take(&state, &step, now) else { continue };
            let again = next.life.generation > state.life.generation;
            prop_assert_eq!(state.phase.status().is_final(), again, "{:?} after {:?}", next, state);
            prop_assert!(again || next.attempts >= state.attempts);
            prop_assert!(next.attempts <= ATTEMPTS_MAX && next.outcomes.len() <= OUTCOMES_KEPT);
            prop_assert!(next.life.generation.0 - state.life.generation.0 <= 1);
            state = next;
        }
    }
}

/// A life that outlasts every walk.
fn long_life() -> Life {
    Life {
        accepted_id: AcceptedId::from_random([1; 16]),
        generation: Generation(0),
        generation_started_at: Timestamp::from_millis(0),
        expires_at: Timestamp::from_millis(u64::MAX),
    }
}
