//! Cancelling: what nobody holds and nothing ended, once and for all.

use futures::future::join;
use relay_core::decide::Decision;
use relay_core::lifecycle::{Again, Life, Phase, State};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Claim, Settled};

use super::{Subject, claimed, died, recorded, settled, settlement, state};
use crate::sample::{self, START, TTL, at};

const RETRY: Decision = Decision::Retry {
    not_before: relay_core::time::Timestamp::from_millis(START.as_millis() + 900),
};

async fn cancelled(store: &Subject, message: &Message, life: &Life) -> State {
    match store.cancel(&message.id, life, at(3)).await {
        Ok(Settled::Done(state)) => *state,
        other => panic!("not cancelled: {other:?}"),
    }
}

pub(super) async fn what_nobody_holds_is_cancelled_once(store: Subject) {
    let pending = recorded(&store, "cancelled-pending").await;
    let queued = recorded(&store, "cancelled-queued").await;
    store.mark_queued(&queued.id, &queued.first_life(), at(1)).await.unwrap();
    let retrying = recorded(&store, "cancelled-retrying").await;
    let lease = claimed(&store, &retrying, 1, at(1)).await;
    settled(&store, &settlement(&retrying, &lease, 503, RETRY, at(2))).await;
    for message in [pending, queued, retrying] {
        let life = message.first_life();
        let before = state(&store, &message, at(3)).await;
        let expected = State { phase: Phase::Cancelled, updated_at: at(3), ..before };
        assert_eq!(cancelled(&store, &message, &life).await, expected);
        assert_eq!(state(&store, &message, at(3)).await, expected);
        // Once more, later: the same, and nothing is written.
        let again = store.cancel(&message.id, &life, at(4)).await;
        assert_eq!(again, Ok(Settled::Done(Box::new(expected.clone()))));
        assert_eq!(state(&store, &message, at(4)).await, expected);
        // Nothing follows.
        let claim = sample::claim(&life, 9, at(1000));
        let refused = Ok(Claim::AlreadyFinal(Box::new(expected.clone())));
        assert_eq!(store.claim(&message.id, &claim).await, refused);
        store.mark_queued(&message.id, &life, at(5)).await.unwrap();
        let given_up = store.give_up(&message.id, &life, DeadReason::DeadlinePassed, at(5)).await;
        assert_eq!(given_up, Ok(Settled::Lost));
        let resent = store.begin_again(&message.id, &life, Again::Resend, at(5)).await;
        assert_eq!(resent, Ok(Begun::Refused));
        assert_eq!(state(&store, &message, at(5)).await, expected);
    }
}

pub(super) async fn what_is_held_or_ended_is_not_cancelled(store: Subject) {
    let held = recorded(&store, "not-cancelled-held").await;
    claimed(&store, &held, 1, at(1)).await;
    let delivered = recorded(&store, "not-cancelled-delivered").await;
    let lease = claimed(&store, &delivered, 1, at(1)).await;
    settled(&store, &settlement(&delivered, &lease, 200, Decision::Delivered, at(2))).await;
    let dead = recorded(&store, "not-cancelled-dead").await;
    died(&store, &dead, at(1)).await;
    for message in [held, delivered, dead] {
        let before = state(&store, &message, at(3)).await;
        let answer = store.cancel(&message.id, &message.first_life(), at(3)).await;
        assert_eq!(answer, Ok(Settled::Lost));
        assert_eq!(state(&store, &message, at(3)).await, before);
    }
}

pub(super) async fn f22_only_the_present_generation_is_cancelled(store: Subject) {
    let message = recorded(&store, "cancelled-redriven").await;
    let first = message.first_life();
    let dead = died(&store, &message, at(1)).await;
    let begun = store.begin_again(&message.id, &first, Again::Redrive, at(2)).await;
    let Ok(Begun::Pending(second)) = begun else { panic!("not redriven: {begun:?}") };
    let third = Life { generation: second.generation.next(), ..second.clone() };
    for other in [first, third] {
        assert_eq!(store.cancel(&message.id, &other, at(3)).await, Ok(Settled::Lost));
    }
    let now = cancelled(&store, &message, &second).await;
    assert_eq!((now.phase, now.outcomes), (Phase::Cancelled, dead.outcomes));
}

pub(super) async fn f45_a_state_of_an_ended_life_does_not_block_cancelling(store: Subject) {
    let first = recorded(&store, "cancelled-anew").await;
    claimed(&store, &first, 1, START).await;
    let end = START.plus(TTL);
    let mut second = sample::message("cancelled-anew", 2);
    (second.created_at, second.expires_at) = (end, end.plus(TTL));
    store.record(&second, end).await.unwrap();
    let answer = store.cancel(&second.id, &second.first_life(), end).await;
    let mut expected = State::unwritten(second.first_life(), end);
    expected.phase = Phase::Cancelled;
    assert_eq!(answer, Ok(Settled::Done(Box::new(expected))));
    // The first life is over, and says nothing about the second.
    assert_eq!(store.cancel(&first.id, &first.first_life(), end).await, Ok(Settled::Lost));
}

pub(super) async fn f47_of_a_claim_and_a_cancel_at_once_one_wins(store: Subject) {
    for number in 0..8 {
        let message = recorded(&store, &format!("f47-at-once-{number}")).await;
        let life = message.first_life();
        let claim = sample::claim(&life, 1, at(1));
        let (cancel, claim) =
            join(store.cancel(&message.id, &life, at(1)), store.claim(&message.id, &claim)).await;
        let now = state(&store, &message, at(1)).await.phase;
        match (cancel, claim) {
            (Ok(Settled::Done(_)), Ok(Claim::AlreadyFinal(_))) => {
                assert_eq!(now, Phase::Cancelled);
            }
            (Ok(Settled::Lost), Ok(Claim::Ours(_))) => {
                assert!(matches!(now, Phase::Processing { .. }), "{now:?}");
            }
            other => panic!("both won, or neither: {other:?}"),
        }
    }
}
