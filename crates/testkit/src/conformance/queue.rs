//! What every queue must do. Receiving is not part of the port, so each implementation brings a
//! [`Bench`] that receives, and that turns the queue's clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use relay_core::body::Body;
use relay_core::envelope::{DEAD_LETTER_ATTRIBUTE, DELAY_ATTRIBUTE, Envelope};
use relay_core::lifecycle::State;
use relay_core::outcome::DeadReason;
use relay_core::ports::{DeadLetter, Queue, Receipt};

use super::{Case, cases};
use crate::memory::Received;
use crate::sample::{self, at};

/// How long [`Bench::receive`] hides what it hands out.
pub const VISIBILITY: Duration = Duration::from_secs(60);
/// What one SQS message may weigh by default of the setting `QUEUE_INLINE_BYTES_MAX`.
const LARGE_BYTES: usize = 256 * 1024;
/// More than any queue takes in one message.
const TOO_LARGE_BYTES: usize = 1024 * 1024 + 1;

/// A queue of its own, empty at first, with what tests need besides the port.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The port under test.
    fn queue(&self) -> &dyn Queue;
    /// Hands out what is visible now, without waiting, and hides it for [`VISIBILITY`].
    async fn receive(&self) -> Vec<Received>;
    /// Removes a received item.
    async fn delete(&self, receipt: &Receipt);
    /// Hands out what is in the dead-letter queue.
    async fn receive_dead(&self) -> Vec<Received>;
    /// Turns the queue's clock on.
    fn advance(&self, step: Duration);
}

/// A queue under test.
pub type Subject = Arc<dyn Bench>;

/// Every case.
pub fn all() -> Vec<Case<Subject>> {
    use super::queue;
    cases![queue::{
        an_envelope_arrives_as_it_was_sent,
        f37_odd_characters_arrive_as_they_were_sent,
        a_large_message_is_taken,
        any_number_of_envelopes_is_sent_at_once,
        envelopes_of_any_size_are_sent_at_once,
        one_envelope_that_cannot_be_sent_stops_no_other,
        a_delayed_envelope_is_never_early_and_says_its_delay,
        a_delay_beyond_the_limit_is_cut,
        a_received_item_is_hidden,
        a_postponed_item_comes_back_when_it_was_told_to,
        an_item_postponed_by_nothing_comes_back_at_once,
        only_the_last_receipt_speaks_for_an_item,
        postponing_what_is_gone_is_no_error,
        f20_a_buried_copy_is_in_the_dead_letter_queue,
        the_queue_says_that_it_is_ready,
    }]
}

/// Runs every case on a queue of its own, which `make` makes for the case of the given name.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all<Making: Future<Output = Subject>>(make: impl Fn(&'static str) -> Making) {
    super::run(all(), make).await;
}

fn envelope(name: &str, body: &[u8]) -> Envelope {
    let message = sample::message(name, 1);
    let life = message.first_life();
    Envelope::of(&message, life, Body::Inline(Bytes::copy_from_slice(body)))
}

fn attributes(pairs: Vec<(&'static str, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn one(bench: &Subject) -> Received {
    let received = bench.receive().await;
    assert_eq!(received.len(), 1, "{received:?}");
    received.into_iter().next().unwrap()
}

async fn none(bench: &Subject) {
    assert_eq!(bench.receive().await, []);
}

async fn sent_at_once(bench: &Subject, envelope: &Envelope) -> Received {
    bench.queue().send(envelope, Duration::ZERO).await.unwrap();
    one(bench).await
}

async fn an_envelope_arrives_as_it_was_sent(bench: Subject) {
    let envelope = envelope("queue-as-sent", b"{\"a\": 1e400, \"b\": \"\xc3\xa4\"}");
    let received = sent_at_once(&bench, &envelope).await;
    assert_eq!(received.text, envelope.to_json());
    assert_eq!(received.attributes, attributes(envelope.attributes()));
    assert_eq!(Envelope::from_json(&received.text), Ok(envelope));
    assert_eq!(received.receives, 1);
}

async fn f37_odd_characters_arrive_as_they_were_sent(bench: Subject) {
    for body in [
        "\u{fffe}\u{ffff}".as_bytes(),
        b"\0\x01\x1f",
        b"\xff\xfe",
        "\u{10ffff}\u{d7ff}\t\r\n".as_bytes(),
    ] {
        let envelope = envelope("queue-odd", body);
        let received = sent_at_once(&bench, &envelope).await;
        assert_eq!(Envelope::from_json(&received.text), Ok(envelope));
        bench.delete(&received.receipt).await;
    }
}

async fn a_large_message_is_taken(bench: Subject) {
    let empty = envelope("queue-large", b"").queue_bytes();
    let envelope = envelope("queue-large", &vec![b'x'; LARGE_BYTES - empty]);
    assert_eq!(envelope.queue_bytes(), LARGE_BYTES);
    assert_eq!(sent_at_once(&bench, &envelope).await.text, envelope.to_json());
}

/// Everything that is there, by its text, removed.
async fn taken(bench: &Subject) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut taken = BTreeMap::new();
    loop {
        let received = bench.receive().await;
        if received.is_empty() {
            return taken;
        }
        for item in received {
            bench.delete(&item.receipt).await;
            assert_eq!(taken.insert(item.text, item.attributes), None, "it came twice");
        }
    }
}

async fn all_sent(bench: &Subject, envelopes: &[Envelope]) {
    let sent = bench.queue().send_all(envelopes).await;
    assert_eq!(sent, vec![Ok(()); envelopes.len()]);
    let expected = envelopes.iter().map(|one| (one.to_json(), attributes(one.attributes())));
    let (taken, expected) = (taken(bench).await, expected.collect::<BTreeMap<_, _>>());
    // Not the texts themselves, which may be large.
    assert_eq!((taken.len(), taken == expected), (envelopes.len(), true));
}

async fn any_number_of_envelopes_is_sent_at_once(bench: Subject) {
    for count in [0, 1, 2, 10, 11, 25, 100] {
        let envelopes: Vec<_> =
            (0..count).map(|number| envelope(&format!("queue-many-{number}"), b"{}")).collect();
        all_sent(&bench, &envelopes).await;
    }
}

/// Sizes that do not fit into one call together: of the largest, four do.
async fn envelopes_of_any_size_are_sent_at_once(bench: Subject) {
    let sizes = [LARGE_BYTES, LARGE_BYTES, 1, LARGE_BYTES, LARGE_BYTES, LARGE_BYTES, 700, 90_000];
    let envelopes: Vec<_> = sizes
        .iter()
        .enumerate()
        .map(|(number, size)| {
            let name = format!("queue-sizes-{number}");
            let empty = envelope(&name, b"").queue_bytes();
            envelope(&name, &vec![b'x'; size.saturating_sub(empty)])
        })
        .collect();
    all_sent(&bench, &envelopes).await;
}

async fn one_envelope_that_cannot_be_sent_stops_no_other(bench: Subject) {
    let mut envelopes: Vec<_> =
        (0..12).map(|number| envelope(&format!("queue-one-bad-{number}"), b"{}")).collect();
    envelopes[4] = envelope("queue-one-bad-4", &vec![b'x'; TOO_LARGE_BYTES]);
    let sent = bench.queue().send_all(&envelopes).await;
    let failed: Vec<_> = (0..sent.len()).filter(|number| sent[*number].is_err()).collect();
    assert_eq!(failed, [4], "{sent:?}");
    envelopes.remove(4);
    let texts: Vec<_> = taken(&bench).await.into_keys().collect();
    let mut expected: Vec<_> = envelopes.iter().map(Envelope::to_json).collect();
    expected.sort();
    assert_eq!(texts, expected);
}

async fn a_delayed_envelope_is_never_early_and_says_its_delay(bench: Subject) {
    let delay = Duration::from_millis(2500);
    bench.queue().send(&envelope("queue-delayed", b""), delay).await.unwrap();
    none(&bench).await;
    bench.advance(Duration::from_millis(2499));
    none(&bench).await;
    bench.advance(Duration::from_millis(501));
    assert_eq!(one(&bench).await.attributes.get(DELAY_ATTRIBUTE).map(String::as_str), Some("3"));
}

async fn a_delay_beyond_the_limit_is_cut(bench: Subject) {
    let delay = Duration::from_secs(3600);
    bench.queue().send(&envelope("queue-cut", b""), delay).await.unwrap();
    bench.advance(Duration::from_secs(15 * 60 - 1));
    none(&bench).await;
    bench.advance(Duration::from_secs(1));
    assert_eq!(one(&bench).await.attributes.get(DELAY_ATTRIBUTE).map(String::as_str), Some("900"));
}

async fn a_received_item_is_hidden(bench: Subject) {
    let first = sent_at_once(&bench, &envelope("queue-hidden", b"")).await;
    none(&bench).await;
    bench.advance(VISIBILITY);
    let second = one(&bench).await;
    assert_eq!((second.receives, &second.text), (2, &first.text));
    bench.delete(&second.receipt).await;
    bench.advance(VISIBILITY);
    none(&bench).await;
}

async fn a_postponed_item_comes_back_when_it_was_told_to(bench: Subject) {
    let received = sent_at_once(&bench, &envelope("queue-postponed", b"")).await;
    bench.advance(Duration::from_secs(10));
    let wait = Duration::from_millis(99_001);
    bench.queue().postpone(&received.receipt, wait).await.unwrap();
    bench.advance(Duration::from_secs(99));
    none(&bench).await;
    bench.advance(Duration::from_secs(1));
    assert_eq!(one(&bench).await.receives, 2);
}

async fn an_item_postponed_by_nothing_comes_back_at_once(bench: Subject) {
    let received = sent_at_once(&bench, &envelope("queue-at-once", b"")).await;
    bench.queue().postpone(&received.receipt, Duration::ZERO).await.unwrap();
    assert_eq!(one(&bench).await.receives, 2);
}

async fn only_the_last_receipt_speaks_for_an_item(bench: Subject) {
    let first = sent_at_once(&bench, &envelope("queue-stale", b"")).await;
    bench.advance(VISIBILITY);
    one(&bench).await;
    bench.queue().postpone(&first.receipt, Duration::ZERO).await.unwrap();
    none(&bench).await;
    bench.queue().postpone(&first.receipt, VISIBILITY * 5).await.unwrap();
    bench.advance(VISIBILITY);
    one(&bench).await;
}

async fn postponing_what_is_gone_is_no_error(bench: Subject) {
    let received = sent_at_once(&bench, &envelope("queue-gone", b"")).await;
    bench.delete(&received.receipt).await;
    bench.queue().postpone(&received.receipt, VISIBILITY).await.unwrap();
    bench.advance(VISIBILITY);
    none(&bench).await;
    // Visible again: the receipt no longer holds it, and it stays visible.
    let received = sent_at_once(&bench, &envelope("queue-visible", b"")).await;
    bench.advance(VISIBILITY);
    bench.queue().postpone(&received.receipt, VISIBILITY).await.unwrap();
    one(&bench).await;
}

async fn f20_a_buried_copy_is_in_the_dead_letter_queue(bench: Subject) {
    let envelope = envelope("queue-buried", b"{}");
    let mut state = State::unwritten(envelope.life.clone(), at(1));
    (state.attempts, state.outcomes) = (1, vec![sample::attempt(1, 410)]);
    let letter = DeadLetter {
        text: envelope.to_json(),
        attributes: envelope.dead_letter_attributes(DeadReason::Gone, &state),
    };
    // Burying twice leaves two copies, and no harm.
    for _ in 0..2 {
        bench.queue().bury(&letter).await.unwrap();
    }
    none(&bench).await;
    let dead = bench.receive_dead().await;
    assert_eq!(dead.len(), 2);
    for copy in dead {
        assert_eq!(copy.text, letter.text);
        assert_eq!(copy.attributes.get(DEAD_LETTER_ATTRIBUTE).map(String::as_str), Some("0"));
        assert_eq!(copy.attributes, attributes(letter.attributes.clone()));
    }
}

async fn the_queue_says_that_it_is_ready(bench: Subject) {
    assert_eq!(bench.queue().ready().await, Ok(()));
}
