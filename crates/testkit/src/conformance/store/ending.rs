//! Giving up between attempts, burials, and setting dead letters going again.

use futures::future::join_all;
use relay_core::decide::Decision;
use relay_core::lifecycle::{Again, Life, Phase, State, Status};
use relay_core::outcome::{DeadReason, ErrorKind};
use relay_core::ports::{Begun, Claim, Settled};

use super::{Subject, claimed, claimed_in, died, recorded, settled, settlement, state};
use crate::sample::{self, START, TTL, at};

const REASON: DeadReason = DeadReason::DeadlinePassed;
const DEAD: Phase = Phase::Dead { reason: REASON, buried: false };

pub(super) async fn a_message_that_nobody_holds_is_given_up(store: Subject) {
    let pending = recorded(&store, "given-up-pending").await;
    let queued = recorded(&store, "given-up-queued").await;
    store.mark_queued(&queued.id, &queued.first_life(), at(1)).await.unwrap();
    let retrying = recorded(&store, "given-up-retrying").await;
    let lease = claimed(&store, &retrying, 1, at(1)).await;
    let retry = Decision::Retry { not_before: at(900) };
    settled(&store, &settlement(&retrying, &lease, 503, retry, at(2))).await;
    for message in [pending, queued, retrying] {
        let before = state(&store, &message, at(3)).await;
        let expected = State { phase: DEAD, updated_at: at(3), ..before };
        let answer = store.give_up(&message.id, &message.first_life(), REASON, at(3)).await;
        assert_eq!(answer, Ok(Settled::Done(Box::new(expected.clone()))));
        assert_eq!(state(&store, &message, at(3)).await, expected);
    }
}

pub(super) async fn f09_a_lost_last_attempt_is_given_up_as_unknown(store: Subject) {
    let message = recorded(&store, "f09-given-up").await;
    let lost = claimed(&store, &message, 1, at(1)).await;
    let life = message.first_life();
    let answer = store.give_up(&message.id, &life, REASON, lost.until).await;
    let Ok(Settled::Done(state)) = answer else { panic!("not given up: {answer:?}") };
    assert_eq!((&state.phase, state.attempts), (&DEAD, 1));
    let told: Vec<_> = state.outcomes.iter().map(|kept| (kept.attempt, kept.error)).collect();
    assert_eq!(told, [(1, Some(ErrorKind::Unknown))]);
}

pub(super) async fn a_message_that_is_held_or_final_is_not_given_up(store: Subject) {
    let held = recorded(&store, "not-given-up-held").await;
    claimed(&store, &held, 1, at(1)).await;
    let delivered = recorded(&store, "not-given-up-delivered").await;
    let lease = claimed(&store, &delivered, 1, at(1)).await;
    let done = settlement(&delivered, &lease, 200, Decision::Delivered, at(2));
    settled(&store, &done).await;
    let dead = recorded(&store, "not-given-up-dead").await;
    died(&store, &dead, at(1)).await;
    for message in [held, delivered, dead] {
        let before = state(&store, &message, at(3)).await;
        let answer = store.give_up(&message.id, &message.first_life(), REASON, at(3)).await;
        assert_eq!(answer, Ok(Settled::Lost));
        assert_eq!(state(&store, &message, at(3)).await, before);
    }
}

pub(super) async fn f21_the_queue_gives_up_only_what_is_due(store: Subject) {
    let message = recorded(&store, "f21-due").await;
    let (life, lease) = (message.first_life(), claimed(&store, &message, 1, at(1)).await);
    let retry = Decision::Retry { not_before: at(50) };
    settled(&store, &settlement(&message, &lease, 503, retry, at(2))).await;
    let reason = DeadReason::ReceiveCountExceeded;
    let early = store.give_up(&message.id, &life, reason, at(49)).await;
    assert_eq!(early, Ok(Settled::Lost));
    let due = store.give_up(&message.id, &life, reason, at(50)).await;
    assert!(matches!(due, Ok(Settled::Done(_))), "{due:?}");
    let phase = state(&store, &message, at(50)).await.phase;
    assert_eq!(phase, Phase::Dead { reason, buried: false });
}

pub(super) async fn f36_giving_up_twice_is_done_once(store: Subject) {
    let message = recorded(&store, "f36-given-up").await;
    let life = message.first_life();
    let first = store.give_up(&message.id, &life, REASON, at(1)).await;
    assert!(matches!(first, Ok(Settled::Done(_))));
    assert_eq!(store.give_up(&message.id, &life, REASON, at(2)).await, first);
    assert_eq!(state(&store, &message, at(2)).await.updated_at, at(1));
}

pub(super) async fn f45_a_state_of_an_ended_life_does_not_block_giving_up(store: Subject) {
    let first = recorded(&store, "f45-given-up").await;
    claimed(&store, &first, 1, START).await;
    let end = START.plus(TTL);
    let mut second = sample::message("f45-given-up", 2);
    (second.created_at, second.expires_at) = (end, end.plus(TTL));
    store.record(&second, end).await.unwrap();
    let answer = store.give_up(&second.id, &second.first_life(), REASON, end).await;
    let mut expected = State::unwritten(second.first_life(), end);
    expected.phase = DEAD;
    assert_eq!(answer, Ok(Settled::Done(Box::new(expected))));
}

pub(super) async fn f20_a_burial_is_noted_once(store: Subject) {
    let message = recorded(&store, "f20-buried").await;
    let dead = died(&store, &message, at(1)).await;
    for now in [at(2), at(3)] {
        store.mark_buried(&message.id, &message.first_life(), now).await.unwrap();
        let mut expected = dead.clone();
        expected.phase = Phase::Dead { reason: DeadReason::Gone, buried: true };
        expected.updated_at = at(2);
        assert_eq!(state(&store, &message, now).await, expected);
    }
}

pub(super) async fn f20_a_burial_of_another_life_changes_nothing(store: Subject) {
    let message = recorded(&store, "f20-other").await;
    let first = message.first_life();
    let before = state(&store, &message, at(1)).await;
    store.mark_buried(&message.id, &first, at(1)).await.unwrap();
    assert_eq!(state(&store, &message, at(1)).await, before);
    let dead = died(&store, &message, at(1)).await;
    let next = Life { generation: first.generation.next(), ..first.clone() };
    let other = sample::message("f20-other", 2).first_life();
    for life in [next, other] {
        store.mark_buried(&message.id, &life, at(2)).await.unwrap();
        assert_eq!(state(&store, &message, at(2)).await, dead);
    }
    store.begin_again(&message.id, &first, Again::Redrive, at(3)).await.unwrap();
    store.mark_buried(&message.id, &first, at(4)).await.unwrap();
    assert_eq!(state(&store, &message, at(4)).await.phase, Phase::Pending);
}

pub(super) async fn f22_a_dead_letter_goes_again_in_the_next_generation(store: Subject) {
    let message = recorded(&store, "f22-redriven").await;
    let first = message.first_life();
    let dead = died(&store, &message, at(1)).await;
    store.mark_buried(&message.id, &first, at(2)).await.unwrap();
    let second =
        Life { generation: first.generation.next(), generation_started_at: at(3), ..first.clone() };
    let answer = store.begin_again(&message.id, &first, Again::Redrive, at(3)).await;
    assert_eq!(answer, Ok(Begun::Pending(second.clone())));
    let begun =
        State { outcomes: dead.outcomes.clone(), ..State::unwritten(second.clone(), at(3)) };
    assert_eq!(state(&store, &message, at(3)).await, begun);
    // The whole way again, to a second redrive.
    store.mark_queued(&message.id, &second, at(4)).await.unwrap();
    assert_eq!(state(&store, &message, at(4)).await.outcomes, dead.outcomes);
    let lease = claimed_in(&store, &message, &second, 2, at(5)).await;
    assert_eq!((lease.attempt, &lease.outcomes), (1, &dead.outcomes));
    let gone = Decision::GiveUp(DeadReason::Gone);
    let mut end = settlement(&message, &lease, 410, gone, at(6));
    end.life = second.clone();
    settled(&store, &end).await;
    let answer = store.begin_again(&message.id, &second, Again::Redrive, at(7)).await;
    let Ok(Begun::Pending(third)) = answer else { panic!("not redriven: {answer:?}") };
    assert_eq!(third.generation, second.generation.next());
}

pub(super) async fn f22_redriving_twice_answers_the_same(store: Subject) {
    let message = recorded(&store, "f22-twice").await;
    let first = message.first_life();
    died(&store, &message, at(1)).await;
    let answer = store.begin_again(&message.id, &first, Again::Redrive, at(2)).await;
    let Ok(Begun::Pending(second)) = &answer else { panic!("not redriven: {answer:?}") };
    assert_eq!(store.begin_again(&message.id, &first, Again::Redrive, at(3)).await, answer);
    store.mark_queued(&message.id, second, at(4)).await.unwrap();
    assert_eq!(
        store.begin_again(&message.id, &first, Again::Redrive, at(5)).await,
        Ok(Begun::Refused)
    );
}

pub(super) async fn f22_of_redrives_at_once_all_answer_the_same(store: Subject) {
    let message = recorded(&store, "f22-at-once").await;
    let first = message.first_life();
    died(&store, &message, at(1)).await;
    let redrives =
        (2..10).map(|millis| store.begin_again(&message.id, &first, Again::Redrive, at(millis)));
    let answers = join_all(redrives).await;
    assert!(matches!(answers[0], Ok(Begun::Pending(_))), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let state = state(&store, &message, at(10)).await;
    assert_eq!(Ok(Begun::Pending(state.life)), answers[0]);
}

pub(super) async fn what_is_not_dead_is_not_redriven(store: Subject) {
    let absent = sample::message("not-redriven-absent", 1);
    let answer = store.begin_again(&absent.id, &absent.first_life(), Again::Redrive, at(1)).await;
    assert_eq!(answer, Ok(Begun::Refused));
    let message = recorded(&store, "not-redriven").await;
    let life = message.first_life();
    let mut statuses = Vec::new();
    for step in 0..3 {
        assert_eq!(
            store.begin_again(&message.id, &life, Again::Redrive, at(step)).await,
            Ok(Begun::Refused)
        );
        statuses.push(state(&store, &message, at(step)).await.phase.status());
        match step {
            0 => store.mark_queued(&message.id, &life, at(step)).await.unwrap(),
            1 => drop(claimed(&store, &message, 1, at(step)).await),
            _ => {}
        }
    }
    assert_eq!(statuses, [Status::Pending, Status::Queued, Status::Processing]);
}

pub(super) async fn what_was_delivered_is_resent_but_not_redriven(store: Subject) {
    let message = recorded(&store, "resent").await;
    let first = message.first_life();
    let lease = claimed(&store, &message, 1, at(1)).await;
    settled(&store, &settlement(&message, &lease, 200, Decision::Delivered, at(2))).await;
    let redriven = store.begin_again(&message.id, &first, Again::Redrive, at(3)).await;
    assert_eq!(redriven, Ok(Begun::Refused));
    let resent = store.begin_again(&message.id, &first, Again::Resend, at(4)).await;
    let Ok(Begun::Pending(second)) = resent else { panic!("not resent: {resent:?}") };
    let now = state(&store, &message, at(5)).await;
    assert_eq!((now.phase, now.attempts, now.outcomes.len()), (Phase::Pending, 0, 1));
    // A copy of the first generation is not for anybody any more.
    let old = store.claim(&message.id, &sample::claim(&first, 2, at(6))).await;
    assert!(matches!(old, Ok(Claim::Superseded(_))), "{old:?}");
    assert_eq!(claimed_in(&store, &message, &second, 3, at(7)).await.attempt, 1);
}

pub(super) async fn f27_an_expired_dead_letter_is_not_redriven(store: Subject) {
    let message = recorded(&store, "f27-redriven").await;
    died(&store, &message, at(1)).await;
    let answer = store
        .begin_again(&message.id, &message.first_life(), Again::Redrive, START.plus(TTL))
        .await;
    assert_eq!(answer, Ok(Begun::Refused));
}

pub(super) async fn the_store_says_that_it_is_ready(store: Subject) {
    assert_eq!(store.ready().await, Ok(()));
}
