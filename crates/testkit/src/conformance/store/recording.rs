//! Deduplication: a record is one acceptance's until it expires.

use bytes::Bytes;
use futures::future::join_all;
use relay_core::body::{Body, Pointer, Sha256};
use relay_core::decide::Decision;
use relay_core::headers::Headers;
use relay_core::lifecycle::{Phase, State};
use relay_core::message::Message;
use relay_core::ports::{Found, Recorded};

use super::{Subject, claimed, recorded, settled, settlement, state};
use crate::sample::{self, START, TTL, at};

pub(super) async fn what_was_never_recorded_is_not_found(store: Subject) {
    let message = sample::message("never-recorded", 1);
    assert_eq!(store.find(&message.id, START).await, Ok(None));
}

pub(super) async fn a_message_is_found_as_it_was_recorded(store: Subject) {
    let stored = sample::message("as-recorded", 1);
    let pointer = Pointer::for_payload("bucket", &stored.id, Sha256::of(b"large"), 5_000_000);
    let bodies = [
        Body::Inline(Bytes::new()),
        Body::Inline(Bytes::from_static(b"\xff\x00\xfe not text")),
        Body::Inline(Bytes::from(vec![7; 8192])),
        Body::Stored(pointer.clone()),
        Body::Unretained(pointer),
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        let mut message = sample::message(&format!("as-recorded-{number}"), 1);
        message.body = body;
        if number % 2 == 1 {
            message.timestamp = Some("2026-11-21T05:00:00+01:00".to_owned());
            message.headers = Headers::default();
        }
        assert_eq!(store.record(&message, START).await, Ok(Recorded::New));
        let state = State::unwritten(message.first_life(), message.created_at);
        let found = store.find(&message.id, START).await;
        assert_eq!(found, Ok(Some(Found { message, state })));
    }
}

pub(super) async fn f01_a_recorded_message_is_pending_until_told_otherwise(store: Subject) {
    let message = recorded(&store, "f01-pending").await;
    let state = state(&store, &message, at(5)).await;
    assert_eq!(state, State::unwritten(message.first_life(), message.created_at));
    // The client's retry learns that its message was never sent, and under which acceptance.
    let repeated = Message { created_at: at(9), ..sample::message("f01-pending", 2) };
    let answer = store.record(&repeated, at(9)).await;
    assert_eq!(answer, Ok(Recorded::Existing(Box::new(message))));
}

pub(super) async fn f03_of_identical_posts_at_once_one_is_new(store: Subject) {
    let posts: Vec<_> = (1..=8).map(|number| sample::message("f03-at-once", number)).collect();
    let answers = join_all(posts.iter().map(|post| store.record(post, START))).await;
    let winners: Vec<_> = posts
        .iter()
        .zip(&answers)
        .filter_map(|(post, answer)| (*answer == Ok(Recorded::New)).then_some(post))
        .collect();
    let [winner] = winners[..] else { panic!("{} posts were new", winners.len()) };
    let existing = Ok(Recorded::Existing(Box::new(winner.clone())));
    assert_eq!(answers.iter().filter(|answer| **answer == existing).count(), 7);
}

pub(super) async fn f04_a_reused_id_is_answered_with_the_first_message(store: Subject) {
    let first = recorded(&store, "f04-reused").await;
    let mut other = sample::message("f04-reused", 2);
    other.body = Body::Inline(Bytes::from_static(b"another"));
    let answer = store.record(&other, at(1)).await;
    assert_eq!(answer, Ok(Recorded::Existing(Box::new(first.clone()))));
    state(&store, &first, at(1)).await;
}

pub(super) async fn f27_an_expired_record_counts_as_absent(store: Subject) {
    let first = recorded(&store, "f27-expired").await;
    let end = START.plus(TTL);
    let before = relay_core::time::Timestamp::from_millis(end.as_millis() - 1);
    assert!(store.find(&first.id, before).await.unwrap().is_some());
    assert_eq!(store.find(&first.id, end).await, Ok(None));
    let mut second = sample::message("f27-expired", 2);
    (second.created_at, second.expires_at) = (end, end.plus(TTL));
    let refused = store.record(&second, before).await;
    assert_eq!(refused, Ok(Recorded::Existing(Box::new(first))));
    assert_eq!(store.record(&second, end).await, Ok(Recorded::New));
    state(&store, &second, end).await;
}

pub(super) async fn f36_a_repeated_record_recognises_itself(store: Subject) {
    let message = recorded(&store, "f36-record").await;
    assert_eq!(store.record(&message, at(3)).await, Ok(Recorded::New));
    state(&store, &message, at(3)).await;
}

pub(super) async fn f45_an_id_accepted_anew_starts_anew(store: Subject) {
    let first = recorded(&store, "f45-anew").await;
    let lease = claimed(&store, &first, 1, START).await;
    let done = settlement(&first, &lease, 200, Decision::Delivered, START);
    assert_eq!(settled(&store, &done).await.phase, Phase::Delivered);
    let end = START.plus(TTL);
    let mut second = sample::message("f45-anew", 2);
    (second.created_at, second.expires_at) = (end, end.plus(TTL));
    assert_eq!(store.record(&second, end).await, Ok(Recorded::New));
    // The old DELIVERED is still stored, and counts for nothing.
    assert_eq!(state(&store, &second, end).await, State::unwritten(second.first_life(), end));
    let lease = claimed(&store, &second, 2, end).await;
    assert_eq!((lease.attempt, lease.outcomes), (1, Vec::new()));
}
