//! Settling an attempt that was made without a claim: it stands where the claim would have been the caller's, and the
//! first.

use relay_core::decide::Decision;
use relay_core::lifecycle::{Again, Phase, State};
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Settled};

use super::{Subject, claimed, died, recorded, settled, settlement, state, unclaimed};
use crate::sample::{self, START, TTL, at};

const RETRY: Decision = Decision::Retry {
    not_before: relay_core::time::Timestamp::from_millis(START.as_millis() + 400),
};
const DECISIONS: [(&str, u16, Decision); 3] = [
    ("delivered", 200, Decision::Delivered),
    ("retry", 503, RETRY),
    ("give-up", 410, Decision::GiveUp(DeadReason::Gone)),
];

pub(super) async fn an_unclaimed_attempt_settles_what_has_no_state_or_is_queued(store: Subject) {
    for (name, status, decision) in DECISIONS {
        for is_queued in [false, true] {
            let message = recorded(&store, &format!("unclaimed-{name}-{is_queued}")).await;
            if is_queued {
                store.mark_queued(&message.id, &message.first_life(), at(1)).await.unwrap();
            }
            let settlement = settlement(&message, &unclaimed(1, at(1)), status, decision, at(2));
            let expected = State {
                life: message.first_life(),
                phase: settlement.phase(),
                attempts: 1,
                outcomes: vec![sample::attempt(1, status)],
                last_lease_id: Some(sample::lease_id(1)),
                updated_at: at(2),
            };
            assert_eq!(settled(&store, &settlement).await, expected, "{name}");
            assert_eq!(state(&store, &message, at(3)).await, expected, "{name}");
            // F36: the same once more, after its answer was lost.
            assert_eq!(settled(&store, &settlement).await, expected, "{name}");
        }
    }
}

pub(super) async fn f07_an_attempt_that_was_settled_is_not_marked_as_queued(store: Subject) {
    let message = recorded(&store, "unclaimed-then-marked").await;
    let before =
        settled(&store, &settlement(&message, &unclaimed(1, at(1)), 503, RETRY, at(2))).await;
    store.mark_queued(&message.id, &message.first_life(), at(3)).await.unwrap();
    assert_eq!(state(&store, &message, at(3)).await, before);
    // The next attempt is the second, and claimed.
    assert_eq!(claimed(&store, &message, 2, at(400)).await.attempt, 2);
}

pub(super) async fn f36_a_repeated_unclaimed_settlement_recognises_itself_later(store: Subject) {
    let message = recorded(&store, "unclaimed-then-claimed").await;
    let first = settlement(&message, &unclaimed(1, at(1)), 503, RETRY, at(2));
    settled(&store, &first).await;
    claimed(&store, &message, 2, at(400)).await;
    let held = state(&store, &message, at(400)).await;
    assert_eq!(settled(&store, &first).await, held);
    assert_eq!(state(&store, &message, at(400)).await, held);
}

pub(super) async fn f08_of_unclaimed_attempts_at_once_one_settles(store: Subject) {
    for (name, status, decision) in DECISIONS {
        let message = recorded(&store, &format!("unclaimed-twice-{name}")).await;
        let first =
            settled(&store, &settlement(&message, &unclaimed(1, at(1)), status, decision, at(2)))
                .await;
        let second = settlement(&message, &unclaimed(2, at(1)), 503, RETRY, at(3));
        assert_eq!(store.settle(&second).await, Ok(Settled::Lost), "{name}");
        assert_eq!(state(&store, &message, at(3)).await, first, "{name}");
    }
}

pub(super) async fn f39_an_unclaimed_delivery_counts_unless_something_final_was_written(
    store: Subject,
) {
    // While somebody else holds it, and while it waits: a retry is too late, a delivery is not.
    let held = recorded(&store, "unclaimed-over-held").await;
    claimed(&store, &held, 2, at(1)).await;
    let waiting = recorded(&store, "unclaimed-over-retry").await;
    let lease = claimed(&store, &waiting, 2, at(1)).await;
    settled(&store, &settlement(&waiting, &lease, 503, RETRY, at(2))).await;
    for message in [held, waiting] {
        let before = state(&store, &message, at(3)).await;
        let retry = settlement(&message, &unclaimed(1, at(1)), 503, RETRY, at(3));
        assert_eq!(store.settle(&retry).await, Ok(Settled::Lost));
        assert_eq!(state(&store, &message, at(3)).await, before);
        let done = settlement(&message, &unclaimed(1, at(1)), 200, Decision::Delivered, at(4));
        let now = settled(&store, &done).await;
        assert_eq!((&now.phase, now.attempts), (&Phase::Delivered, 1));
        assert_eq!(state(&store, &message, at(5)).await, now);
    }
    // Once it ended, nothing is written.
    let dead = recorded(&store, "unclaimed-over-dead").await;
    died(&store, &dead, at(1)).await;
    let cancelled = recorded(&store, "unclaimed-over-cancelled").await;
    store.cancel(&cancelled.id, &cancelled.first_life(), at(1)).await.unwrap();
    for message in [dead, cancelled] {
        let before = state(&store, &message, at(3)).await;
        for (name, status, decision) in DECISIONS {
            let late = settlement(&message, &unclaimed(7, at(1)), status, decision, at(3));
            assert_eq!(store.settle(&late).await, Ok(Settled::Lost), "{name}");
        }
        assert_eq!(state(&store, &message, at(3)).await, before);
    }
}

pub(super) async fn f22_an_unclaimed_attempt_of_an_earlier_generation_changes_nothing(
    store: Subject,
) {
    let message = recorded(&store, "unclaimed-redriven").await;
    let first = message.first_life();
    died(&store, &message, at(1)).await;
    let begun = store.begin_again(&message.id, &first, Again::Redrive, at(2)).await;
    assert!(matches!(begun, Ok(Begun::Pending(_))), "{begun:?}");
    let before = state(&store, &message, at(3)).await;
    for (name, status, decision) in DECISIONS {
        let late = settlement(&message, &unclaimed(7, at(1)), status, decision, at(3));
        assert_eq!(store.settle(&late).await, Ok(Settled::Lost), "{name}");
    }
    assert_eq!(state(&store, &message, at(3)).await, before);
}

pub(super) async fn f45_a_state_of_an_ended_life_does_not_block_an_unclaimed_attempt(
    store: Subject,
) {
    let first = recorded(&store, "unclaimed-anew").await;
    died(&store, &first, START).await;
    let end = START.plus(TTL);
    let mut second = sample::message("unclaimed-anew", 2);
    (second.created_at, second.expires_at) = (end, end.plus(TTL));
    store.record(&second, end).await.unwrap();
    let done = settlement(&second, &unclaimed(1, end), 200, Decision::Delivered, end);
    let now = settled(&store, &done).await;
    assert_eq!((&now.phase, now.attempts, &now.life), (&Phase::Delivered, 1, &second.first_life()));
    // What comes late of the first life leaves the second alone.
    let late = settlement(&first, &unclaimed(2, START), 200, Decision::Delivered, end);
    assert_eq!(store.settle(&late).await, Ok(Settled::Lost));
    assert_eq!(state(&store, &second, end).await, now);
}
