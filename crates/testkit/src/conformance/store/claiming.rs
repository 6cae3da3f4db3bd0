//! Claims: one conditional write whose answer says everything.

use futures::future::join_all;
use relay_core::decide::Decision;
use relay_core::lifecycle::{Again, ClaimRequest, Life, Phase, State};
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Claim};

use super::{Subject, claimed, claimed_in, died, recorded, settled, settlement, state};
use crate::sample::{self, LEASE, START, TTL, at};

pub(super) async fn a_message_may_be_claimed_while_still_pending(store: Subject) {
    let message = recorded(&store, "claimed-while-pending").await;
    let lease = claimed(&store, &message, 1, at(1)).await;
    assert_eq!((lease.attempt, lease.until), (1, at(1).plus(LEASE)));
    assert_eq!((lease.lease_id, lease.outcomes), (sample::lease_id(1), Vec::new()));
}

pub(super) async fn a_claim_shows_in_the_record(store: Subject) {
    let message = recorded(&store, "claim-shows").await;
    store.mark_queued(&message.id, &message.first_life(), at(1)).await.unwrap();
    let lease = claimed(&store, &message, 1, at(2)).await;
    let mut expected = State::unwritten(message.first_life(), at(2));
    expected.attempts = 1;
    expected.phase = Phase::Processing { lease_id: lease.lease_id, lease_until: lease.until };
    assert_eq!(state(&store, &message, at(3)).await, expected);
}

pub(super) async fn f08_of_claims_at_once_one_wins(store: Subject) {
    let message = recorded(&store, "f08-at-once").await;
    let claims: Vec<_> =
        (1..=8).map(|number| sample::claim(&message.first_life(), number, at(1))).collect();
    let answers = join_all(claims.iter().map(|claim| store.claim(&message.id, claim))).await;
    let ours = answers.iter().filter(|answer| matches!(answer, Ok(Claim::Ours(_)))).count();
    let held = Ok(Claim::HeldByOther { until: at(1).plus(LEASE) });
    let others = answers.iter().filter(|answer| **answer == held).count();
    assert_eq!((ours, others), (1, 7), "{answers:?}");
    assert_eq!(state(&store, &message, at(1)).await.attempts, 1);
}

pub(super) async fn f09_a_lost_attempt_counts(store: Subject) {
    let message = recorded(&store, "f09-lost").await;
    let first = claimed(&store, &message, 1, START).await;
    let just_before = at(u64::try_from(LEASE.as_millis()).unwrap() - 1);
    let early = sample::claim(&message.first_life(), 2, just_before);
    let held = Claim::HeldByOther { until: first.until };
    assert_eq!(store.claim(&message.id, &early).await, Ok(held));
    let second = claimed(&store, &message, 2, first.until).await;
    assert_eq!(second.attempt, 2);
}

pub(super) async fn f09_lost_attempts_are_bounded(store: Subject) {
    let message = recorded(&store, "f09-bounded").await;
    let mut now = START;
    for lease in 1..=3 {
        now = claimed(&store, &message, lease, now).await.until;
    }
    let claim = sample::claim(&message.first_life(), 4, now);
    assert_eq!(store.claim(&message.id, &claim).await, Ok(Claim::Exhausted));
    let raised = ClaimRequest { attempts_max: 4, ..claim };
    let answer = store.claim(&message.id, &raised).await;
    assert!(matches!(answer, Ok(Claim::Ours(lease)) if lease.attempt == 4));
}

pub(super) async fn f11_a_final_message_is_not_claimed(store: Subject) {
    let ends = [
        ("f11-delivered", Decision::Delivered),
        ("f11-dead", Decision::GiveUp(DeadReason::Rejected)),
    ];
    for (name, decision) in ends {
        let message = recorded(&store, name).await;
        let lease = claimed(&store, &message, 1, at(1)).await;
        let last = settled(&store, &settlement(&message, &lease, 200, decision, at(2))).await;
        // Even when attempts are used up and the hold's time is over: final comes first.
        let mut claim = sample::claim(&message.first_life(), 2, lease.until);
        claim.attempts_max = 1;
        let answer = store.claim(&message.id, &claim).await;
        assert_eq!(answer, Ok(Claim::AlreadyFinal(Box::new(last))), "{name}");
    }
}

async fn redriven(store: &Subject, name: &str) -> (relay_core::message::Message, Life) {
    let message = recorded(store, name).await;
    died(store, &message, at(1)).await;
    match store.begin_again(&message.id, &message.first_life(), Again::Redrive, at(2)).await {
        Ok(Begun::Pending(life)) => (message, life),
        other => panic!("not redriven: {other:?}"),
    }
}

pub(super) async fn f22_a_copy_of_an_earlier_generation_is_superseded(store: Subject) {
    let (message, second) = redriven(&store, "f22-superseded").await;
    let old = sample::claim(&message.first_life(), 2, at(3));
    let pending = state(&store, &message, at(2)).await;
    assert_eq!((&pending.phase, &pending.life), (&Phase::Pending, &second));
    let answer = store.claim(&message.id, &old).await;
    assert_eq!(answer, Ok(Claim::Superseded(Box::new(pending.clone()))));
    let lease = claimed_in(&store, &message, &second, 3, at(4)).await;
    assert_eq!((lease.attempt, lease.outcomes), (1, pending.outcomes));
}

pub(super) async fn f22_a_copy_of_a_later_generation_is_ahead(store: Subject) {
    let message = recorded(&store, "f22-ahead").await;
    store.mark_queued(&message.id, &message.first_life(), at(1)).await.unwrap();
    let mut life = message.first_life();
    life.generation = life.generation.next();
    let answer = store.claim(&message.id, &sample::claim(&life, 1, at(2))).await;
    assert_eq!(answer, Ok(Claim::Ahead));
    assert_eq!(state(&store, &message, at(2)).await.phase, Phase::Queued);
}

pub(super) async fn f36_a_repeated_claim_recognises_itself(store: Subject) {
    let message = recorded(&store, "f36-claim").await;
    let first = claimed(&store, &message, 1, at(1)).await;
    // The second try is the same request, or the same hold asked for a little later.
    assert_eq!(claimed(&store, &message, 1, at(1)).await, first);
    assert_eq!(claimed(&store, &message, 1, at(9)).await, first);
    assert_eq!(claimed(&store, &message, 1, first.until).await, first);
    assert_eq!(state(&store, &message, at(9)).await.attempts, 1);
}

pub(super) async fn f38_a_second_copy_waits_for_the_retry(store: Subject) {
    let message = recorded(&store, "f38-copy").await;
    let lease = claimed(&store, &message, 1, at(1)).await;
    let retry = Decision::Retry { not_before: at(500) };
    settled(&store, &settlement(&message, &lease, 503, retry, at(2))).await;
    let copy = sample::claim(&message.first_life(), 2, at(499));
    assert_eq!(store.claim(&message.id, &copy).await, Ok(Claim::NotYet { until: at(500) }));
    let lease = claimed(&store, &message, 2, at(500)).await;
    assert_eq!((lease.attempt, lease.outcomes), (2, vec![sample::attempt(1, 503)]));
}

pub(super) async fn f45_a_state_of_an_ended_life_does_not_block_a_claim(store: Subject) {
    let first = recorded(&store, "f45-claim").await;
    // Held, at its last attempt, and for longer than it lives.
    let mut claim = sample::claim(&first.first_life(), 1, START);
    claim.lease_until = START.plus(TTL * 3);
    assert!(matches!(store.claim(&first.id, &claim).await, Ok(Claim::Ours(_))));
    let end = START.plus(TTL);
    let mut second = sample::message("f45-claim", 2);
    (second.created_at, second.expires_at) = (end, end.plus(TTL));
    store.record(&second, end).await.unwrap();
    let lease = claimed(&store, &second, 2, end).await;
    assert_eq!(lease.attempt, 1);
    assert_eq!(claimed(&store, &second, 2, end).await, lease);
    let state = state(&store, &second, end).await;
    assert_eq!((state.life, state.attempts), (second.first_life(), 1));
}
