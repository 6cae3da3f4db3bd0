//! Settlements: only the holder writes, but a delivery is never forgotten.

use std::time::Duration;

use relay_core::decide::Decision;
use relay_core::lifecycle::{ClaimRequest, Phase, State};
use relay_core::outcome::{DeadReason, ErrorKind, OUTCOMES_KEPT};
use relay_core::ports::{Claim, Settled};

use super::{Subject, claimed, recorded, settled, settlement, state};
use crate::sample::{self, START, TTL, at};

const DECISIONS: [(&str, u16, Decision); 3] = [
    ("delivered", 200, Decision::Delivered),
    ("retry", 503, Decision::Retry { not_before: at_400() }),
    ("give-up", 410, Decision::GiveUp(DeadReason::Gone)),
];

const fn at_400() -> relay_core::time::Timestamp {
    relay_core::time::Timestamp::from_millis(START.as_millis() + 400)
}

fn phase(decision: Decision) -> Phase {
    match decision {
        Decision::Delivered => Phase::Delivered,
        Decision::Retry { not_before } => Phase::Retrying { not_before },
        Decision::GiveUp(reason) => Phase::Dead { reason, buried: false },
    }
}

pub(super) async fn every_decision_is_written(store: Subject) {
    for (name, status, decision) in DECISIONS {
        let message = recorded(&store, &format!("settled-{name}")).await;
        let lease = claimed(&store, &message, 1, at(1)).await;
        let answer = settled(&store, &settlement(&message, &lease, status, decision, at(2))).await;
        let expected = State {
            life: message.first_life(),
            phase: phase(decision),
            attempts: 1,
            outcomes: vec![sample::attempt(1, status)],
            last_lease_id: Some(lease.lease_id),
            updated_at: at(2),
        };
        assert_eq!(answer, expected, "{name}");
        assert_eq!(state(&store, &message, at(3)).await, expected, "{name}");
    }
}

pub(super) async fn an_attempt_after_a_retry_keeps_the_outcomes(store: Subject) {
    let message = recorded(&store, "settled-twice").await;
    let first = claimed(&store, &message, 1, at(1)).await;
    let retry = Decision::Retry { not_before: at(5) };
    settled(&store, &settlement(&message, &first, 503, retry, at(2))).await;
    let second = claimed(&store, &message, 2, at(5)).await;
    let done = settlement(&message, &second, 200, Decision::Delivered, at(6));
    let state = settled(&store, &done).await;
    assert_eq!(state.outcomes, [sample::attempt(1, 503), sample::attempt(2, 200)]);
    assert_eq!(state.attempts, 2);
}

pub(super) async fn f10_a_lost_attempt_is_marked_unknown(store: Subject) {
    let message = recorded(&store, "f10-unknown").await;
    let lost = claimed(&store, &message, 1, at(1)).await;
    let second = claimed(&store, &message, 2, lost.until).await;
    let done = settlement(&message, &second, 200, Decision::Delivered, lost.until);
    let outcomes = settled(&store, &done).await.outcomes;
    let told: Vec<_> = outcomes.iter().map(|kept| (kept.attempt, kept.error)).collect();
    assert_eq!(told, [(1, Some(ErrorKind::Unknown)), (2, None)]);
}

pub(super) async fn f28_outcomes_are_bounded_and_attempts_are_not(store: Subject) {
    let message = recorded(&store, "f28-bounded").await;
    let attempts = u32::try_from(OUTCOMES_KEPT).unwrap() + 5;
    let mut now = START;
    for number in 1..=attempts {
        let claim = ClaimRequest {
            attempts_max: attempts,
            ..sample::claim(&message.first_life(), u8::try_from(number).unwrap(), now)
        };
        let Ok(Claim::Ours(lease)) = store.claim(&message.id, &claim).await else {
            panic!("attempt {number} was not begun")
        };
        now = now.plus(Duration::from_millis(1));
        let retry = Decision::Retry { not_before: now };
        settled(&store, &settlement(&message, &lease, 503, retry, now)).await;
    }
    let state = state(&store, &message, now).await;
    assert_eq!((state.attempts, state.outcomes.len()), (attempts, OUTCOMES_KEPT));
    assert_eq!(state.outcomes.last().map(|last| last.attempt), Some(attempts));
}

pub(super) async fn f36_a_repeated_settlement_recognises_itself(store: Subject) {
    for (name, status, decision) in DECISIONS {
        let message = recorded(&store, &format!("f36-settled-{name}")).await;
        let lease = claimed(&store, &message, 1, at(1)).await;
        let settlement = settlement(&message, &lease, status, decision, at(2));
        let first = settled(&store, &settlement).await;
        assert_eq!(settled(&store, &settlement).await, first, "{name}");
    }
    // Even when the next worker has begun already.
    let message = recorded(&store, "f36-settled-then-claimed").await;
    let lease = claimed(&store, &message, 1, at(1)).await;
    let retry = Decision::Retry { not_before: at(3) };
    let settlement = settlement(&message, &lease, 503, retry, at(2));
    settled(&store, &settlement).await;
    claimed(&store, &message, 2, at(3)).await;
    let held = state(&store, &message, at(3)).await;
    assert_eq!(settled(&store, &settlement).await, held);
    assert_eq!(state(&store, &message, at(3)).await, held);
}

pub(super) async fn f39_a_worker_that_lost_its_hold_changes_nothing(store: Subject) {
    let decisions =
        [Decision::Retry { not_before: at(9) }, Decision::GiveUp(DeadReason::AttemptsExhausted)];
    for (number, decision) in decisions.into_iter().enumerate() {
        let message = recorded(&store, &format!("f39-lost-{number}")).await;
        let lost = claimed(&store, &message, 1, at(1)).await;
        claimed(&store, &message, 2, lost.until).await;
        let before = state(&store, &message, lost.until).await;
        let late = settlement(&message, &lost, 503, decision, lost.until);
        assert_eq!(store.settle(&late).await, Ok(Settled::Lost));
        assert_eq!(state(&store, &message, lost.until).await, before);
    }
}

pub(super) async fn f39_a_late_delivery_counts_unless_something_final_was_written(store: Subject) {
    let message = recorded(&store, "f39-late-delivery").await;
    let lost = claimed(&store, &message, 1, at(1)).await;
    let holder = claimed(&store, &message, 2, lost.until).await;
    let late = settlement(&message, &lost, 200, Decision::Delivered, lost.until);
    let state_now = settled(&store, &late).await;
    assert_eq!((&state_now.phase, state_now.attempts), (&Phase::Delivered, 2));
    assert_eq!(state_now.outcomes, [sample::attempt(1, 200)]);
    assert_eq!(settled(&store, &late).await, state_now);
    // The one who held it meanwhile comes too late for anything else.
    let retry = Decision::Retry { not_before: at(9) };
    for decision in [retry, Decision::Delivered] {
        let after = settlement(&message, &holder, 503, decision, holder.until);
        assert_eq!(store.settle(&after).await, Ok(Settled::Lost));
    }
    assert_eq!(state(&store, &message, lost.until).await, state_now);

    // Over a retry that somebody else wrote.
    let message = recorded(&store, "f39-late-over-retry").await;
    let lost = claimed(&store, &message, 1, at(1)).await;
    let holder = claimed(&store, &message, 2, lost.until).await;
    settled(&store, &settlement(&message, &holder, 503, retry, lost.until)).await;
    let late = settlement(&message, &lost, 200, Decision::Delivered, lost.until);
    assert_eq!(settled(&store, &late).await.phase, Phase::Delivered);

    // Not over an end.
    let message = recorded(&store, "f39-late-over-dead").await;
    let lost = claimed(&store, &message, 1, at(1)).await;
    let given_up = store
        .give_up(&message.id, &message.first_life(), DeadReason::AttemptsExhausted, lost.until)
        .await;
    assert!(matches!(given_up, Ok(Settled::Done(_))));
    let late = settlement(&message, &lost, 200, Decision::Delivered, lost.until);
    assert_eq!(store.settle(&late).await, Ok(Settled::Lost));
}

pub(super) async fn f39_a_hold_that_ran_out_unclaimed_still_settles(store: Subject) {
    let message = recorded(&store, "f39-ran-out").await;
    let lease = claimed(&store, &message, 1, at(1)).await;
    let late = lease.until.plus(Duration::from_secs(5));
    let retry = Decision::Retry { not_before: late };
    let state = settled(&store, &settlement(&message, &lease, 503, retry, late)).await;
    assert_eq!(state.phase, Phase::Retrying { not_before: late });
}

pub(super) async fn f45_a_settlement_of_another_acceptance_changes_nothing(store: Subject) {
    let first = recorded(&store, "f45-settle").await;
    let lost = claimed(&store, &first, 1, START).await;
    let end = START.plus(TTL);
    let mut second = sample::message("f45-settle", 2);
    (second.created_at, second.expires_at) = (end, end.plus(TTL));
    store.record(&second, end).await.unwrap();
    claimed(&store, &second, 2, end).await;
    let before = state(&store, &second, end).await;
    let late = settlement(&first, &lost, 200, Decision::Delivered, end);
    assert_eq!(store.settle(&late).await, Ok(Settled::Lost));
    assert_eq!(state(&store, &second, end).await, before);
}
