//! Recording, marking and settling many messages at once: each is answered for itself, in order.

use bytes::Bytes;
use futures::future::join;
use relay_core::body::Body;
use relay_core::decide::Decision;
use relay_core::lifecycle::{Again, Life, Phase};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Recorded, Settled, Settlement};

use super::{Subject, claimed, died, recorded, settled, settlement, state, unclaimed};
use crate::sample::{self, START, TTL, at};

/// More than two calls of a service that takes 25 at once, and one left over.
const MANY: usize = 51;

fn messages(name: &str, count: usize, acceptance: u8) -> Vec<Message> {
    (0..count).map(|number| sample::message(&format!("{name}-{number}"), acceptance)).collect()
}

async fn all_recorded(store: &Subject, name: &str, count: usize) -> Vec<Message> {
    let messages = messages(name, count, 1);
    let answers = store.record_all(&messages, START).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Recorded::New)), "{answers:?}");
    assert_eq!(answers.len(), count);
    messages
}

pub(super) async fn any_number_of_messages_is_recorded_at_once(store: Subject) {
    assert_eq!(store.record_all(&[], START).await, []);
    for count in [1, 2, 25, 26, MANY, 100] {
        let messages = all_recorded(&store, &format!("together-{count}"), count).await;
        // One of every call, and more.
        for message in messages.iter().step_by(9) {
            // Found as it was recorded, and PENDING.
            assert_eq!(state(&store, message, at(1)).await.phase, Phase::Pending);
        }
    }
}

pub(super) async fn large_bodies_are_recorded_together(store: Subject) {
    let mut messages = messages("together-large", 30, 1);
    for (number, message) in messages.iter_mut().enumerate() {
        message.body = Body::Inline(Bytes::from(vec![b'x'; number * 2500]));
        message.timestamp = (number % 2 == 0).then(|| "2026-11-21T05:00:00Z".to_owned());
    }
    let answers = store.record_all(&messages, START).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Recorded::New)), "{answers:?}");
    for message in &messages {
        state(&store, message, at(1)).await;
    }
}

/// What became of a record that shares its call with others of every kind.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    New,
    Duplicate,
    Expired,
    Own,
}

pub(super) async fn f03_each_of_many_records_is_answered_for_itself(store: Subject) {
    let kinds = [Kind::New, Kind::Duplicate, Kind::Expired, Kind::Own];
    let end = START.plus(TTL);
    let before: Vec<_> = messages("together-mixed", MANY, 1);
    let mut posted = Vec::new();
    for (number, first) in before.iter().enumerate() {
        let (kind, mut first) = (kinds[number % kinds.len()], first.clone());
        if matches!(kind, Kind::Duplicate | Kind::Own) {
            (first.created_at, first.expires_at) = (at(5), end.plus(TTL));
        }
        if kind != Kind::New {
            assert_eq!(store.record(&first, START).await, Ok(Recorded::New));
        }
        let acceptance = if kind == Kind::Own { 1 } else { 2 };
        let mut again = sample::message(&format!("together-mixed-{number}"), acceptance);
        (again.created_at, again.expires_at) = (end, end.plus(TTL));
        posted.push((kind, first, again));
    }
    let all: Vec<_> = posted.iter().map(|(_, _, again)| again.clone()).collect();
    let answers = store.record_all(&all, end).await;
    assert_eq!(answers.len(), MANY);
    for ((kind, first, again), answer) in posted.iter().zip(answers) {
        let (expected, stands) = match kind {
            Kind::New | Kind::Expired => (Recorded::New, again),
            Kind::Own => (Recorded::New, first),
            Kind::Duplicate => (Recorded::Existing(Box::new(first.clone())), first),
        };
        assert_eq!(answer, Ok(expected), "{kind:?}");
        let found = store.find(&again.id, end).await.unwrap().unwrap().message;
        assert_eq!(found.accepted_id, stands.accepted_id, "{kind:?}");
        assert_eq!(found.created_at, stands.created_at, "{kind:?}");
    }
}

pub(super) async fn f03_of_the_same_messages_at_once_each_is_new_once(store: Subject) {
    let (one, other) =
        (messages("together-at-once", MANY, 1), messages("together-at-once", MANY, 2));
    let (first, second) =
        join(store.record_all(&one, START), store.record_all(&other, START)).await;
    for ((first, second), (one, other)) in first.iter().zip(&second).zip(one.iter().zip(&other)) {
        let existing = |message: &Message| Ok(Recorded::Existing(Box::new(message.clone())));
        let is_one = *first == Ok(Recorded::New) && *second == existing(one);
        let is_other = *second == Ok(Recorded::New) && *first == existing(other);
        assert!(is_one || is_other, "{first:?} {second:?}");
    }
}

pub(super) async fn f36_many_records_repeated_recognise_themselves(store: Subject) {
    let messages = all_recorded(&store, "together-repeated", MANY).await;
    let again = store.record_all(&messages, at(3)).await;
    assert!(again.iter().all(|answer| *answer == Ok(Recorded::New)), "{again:?}");
    // A bulk that was answered in part only: what is there is there, the rest is new.
    let more = [messages, self::messages("together-more", 3, 1)].concat();
    let again = store.record_all(&more, at(4)).await;
    assert!(again.iter().all(|answer| *answer == Ok(Recorded::New)), "{again:?}");
}

fn lives(messages: &[Message]) -> Vec<(relay_core::identity::RelayId, Life)> {
    messages.iter().map(|message| (message.id.clone(), message.first_life())).collect()
}

pub(super) async fn any_number_of_messages_becomes_queued_at_once(store: Subject) {
    assert_eq!(store.mark_queued_all(&[], START).await, []);
    for count in [1, 25, MANY] {
        let messages = all_recorded(&store, &format!("queued-together-{count}"), count).await;
        for now in [at(1), at(2)] {
            let answers = store.mark_queued_all(&lives(&messages), now).await;
            assert_eq!(answers, vec![Ok(()); count]);
        }
        for message in &messages {
            let state = state(&store, message, at(3)).await;
            assert_eq!((state.phase, state.updated_at), (Phase::Queued, at(1)));
        }
    }
}

pub(super) async fn f07_queued_together_turns_no_status_back(store: Subject) {
    let messages = all_recorded(&store, "f07-together", 8).await;
    let retry = Decision::Retry { not_before: at(90) };
    let decisions = [Decision::Delivered, retry, Decision::GiveUp(DeadReason::Gone)];
    for (number, message) in messages.iter().enumerate().take(5) {
        let lease = claimed(&store, message, 1, at(1)).await;
        if let Some(decision) = decisions.get(number) {
            settled(&store, &settlement(message, &lease, 500, *decision, at(2))).await;
        }
    }
    let mut before = Vec::new();
    for message in &messages {
        before.push(state(&store, message, at(3)).await);
    }
    assert_eq!(store.mark_queued_all(&lives(&messages), at(3)).await, vec![Ok(()); 8]);
    for (number, (message, before)) in messages.iter().zip(before).enumerate() {
        let now = state(&store, message, at(4)).await;
        if number < 5 {
            assert_eq!(now, before, "{number}");
        } else {
            assert_eq!(now.phase, Phase::Queued, "{number}");
        }
    }
}

pub(super) async fn f22_later_generations_are_marked_among_first_ones(store: Subject) {
    let mut queued = lives(&all_recorded(&store, "f22-together", 3).await);
    let redriven = recorded(&store, "f22-together-redriven").await;
    let dead = died(&store, &redriven, at(1)).await;
    let first = redriven.first_life();
    let begun = store.begin_again(&redriven.id, &first, Again::Redrive, at(2)).await;
    let Ok(Begun::Pending(second)) = begun else { panic!("not redriven: {begun:?}") };
    // What the queue has of the earlier generation changes nothing.
    assert_eq!(store.mark_queued_all(&[(redriven.id.clone(), first)], at(3)).await, [Ok(())]);
    assert_eq!(state(&store, &redriven, at(3)).await.phase, Phase::Pending);
    queued.insert(1, (redriven.id.clone(), second));
    assert_eq!(store.mark_queued_all(&queued, at(4)).await, vec![Ok(()); 4]);
    let now = state(&store, &redriven, at(5)).await;
    assert_eq!((now.phase, now.outcomes), (Phase::Queued, dead.outcomes));
}

/// Settlements of first attempts that nobody claimed.
fn unclaimed_settlements(messages: &[Message]) -> Vec<Settlement> {
    let decisions = [
        (200, Decision::Delivered),
        (503, Decision::Retry { not_before: at(900) }),
        (410, Decision::GiveUp(DeadReason::Gone)),
    ];
    let each = messages.iter().enumerate();
    each.map(|(number, message)| {
        let (status, decision) = decisions[number % decisions.len()];
        let lease = unclaimed(u8::try_from(number + 1).unwrap(), at(1));
        settlement(message, &lease, status, decision, at(2))
    })
    .collect()
}

pub(super) async fn any_number_of_attempts_is_settled_at_once(store: Subject) {
    assert_eq!(store.settle_all(&[]).await, []);
    for count in [1, 2, 25, MANY] {
        let messages = all_recorded(&store, &format!("settled-together-{count}"), count).await;
        let settlements = unclaimed_settlements(&messages);
        let first = store.settle_all(&settlements).await;
        for ((message, settlement), answer) in messages.iter().zip(&settlements).zip(&first) {
            let Ok(Settled::Done(answer)) = answer else { panic!("not settled: {answer:?}") };
            let now = state(&store, message, at(3)).await;
            assert_eq!(now, **answer);
            assert_eq!((&now.phase, now.attempts), (&settlement.phase(), 1));
            assert_eq!(now.outcomes, std::slice::from_ref(&settlement.attempt));
            assert_eq!(now.last_lease_id.as_ref(), Some(&settlement.lease.lease_id));
        }
        // F36: whoever was not answered asks again, and hears the same.
        assert_eq!(store.settle_all(&settlements).await, first);
    }
}

pub(super) async fn f39_settling_together_answers_each_for_itself(store: Subject) {
    let messages = all_recorded(&store, "f39-together", 6).await;
    let mut settlements = unclaimed_settlements(&messages);
    // The first is somebody else's by now, the second ended, the third was claimed by us.
    let held = claimed(&store, &messages[0], 99, at(1)).await;
    let late = Decision::Retry { not_before: at(50) };
    settlements[0] = settlement(&messages[0], &unclaimed(1, at(1)), 503, late, at(2));
    died(&store, &messages[1], at(1)).await;
    let own = claimed(&store, &messages[2], 98, at(1)).await;
    settlements[2] = settlement(&messages[2], &own, 200, Decision::Delivered, at(2));
    let answers = store.settle_all(&settlements).await;
    let is_done: Vec<_> =
        answers.iter().map(|answer| matches!(answer, Ok(Settled::Done(_)))).collect();
    assert_eq!(is_done, [false, false, true, true, true, true], "{answers:?}");
    assert!(answers[..2].iter().all(|answer| *answer == Ok(Settled::Lost)), "{answers:?}");
    let now = state(&store, &messages[0], at(3)).await;
    let phase = Phase::Processing { lease_id: held.lease_id, lease_until: held.until };
    assert_eq!((now.phase, now.attempts), (phase, 1));
    assert_eq!(state(&store, &messages[2], at(3)).await.phase, Phase::Delivered);
}
