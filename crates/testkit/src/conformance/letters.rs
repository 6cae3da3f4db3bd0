//! What every dead-letter queue must do for its readers. How letters get there is for a [`Bench`].
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::envelope::{DEAD_LETTER_ATTRIBUTE, Envelope};
use relay_core::lifecycle::State;
use relay_core::outcome::DeadReason;
use relay_core::ports::{DeadLetter, LETTERS_MAX, Letter, Letters, Queue, Receipt};

use super::{Case, cases};
use crate::sample::{self, at};

/// How long received letters are hidden here.
const HIDDEN: Duration = Duration::from_secs(100);
/// Letters of the cases about many: more than one call takes, and not a whole number of calls.
const MANY: usize = 23;

/// A dead-letter queue of its own, empty at first, with what tests need besides the port.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The port under test.
    fn letters(&self) -> &dyn Letters;
    /// The queue that letters are buried through.
    fn queue(&self) -> &dyn Queue;
    /// Lets the queue move everything in it to the dead-letter queue on its own.
    async fn move_all(&self);
    /// Turns the queue's clock on.
    fn advance(&self, step: Duration);
}

/// A dead-letter queue under test.
pub type Subject = Arc<dyn Bench>;

/// Every case.
pub fn all() -> Vec<Case<Subject>> {
    use self as suite;
    cases![suite::{
        f20_a_buried_letter_is_received_as_it_was_buried,
        f21_a_letter_that_the_queue_moved_is_told_apart,
        many_letters_are_received_each_once,
        received_letters_are_hidden_and_come_again,
        released_letters_come_again_at_once,
        deleted_letters_are_gone,
        a_receipt_that_speaks_for_nothing_is_no_error,
        nothing_is_asked_for_nothing,
    }]
}

/// Runs every case on a dead-letter queue of its own, which `make` makes for the case of the given name.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all<Making: Future<Output = Subject>>(make: impl Fn(&'static str) -> Making) {
    super::run(all(), make).await;
}

fn dead_letter(name: &str) -> DeadLetter {
    let envelope = envelope(name);
    let mut state = State::unwritten(envelope.life.clone(), at(1));
    (state.attempts, state.outcomes) = (1, vec![sample::attempt(1, 410)]);
    DeadLetter {
        text: envelope.to_json(),
        attributes: envelope.dead_letter_attributes(DeadReason::Gone, &state),
    }
}

fn envelope(name: &str) -> Envelope {
    let message = sample::message(name, 1);
    Envelope::of(&message, message.first_life(), message.body.clone())
}

async fn buried(bench: &Subject, count: usize) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for number in 0..count {
        let letter = dead_letter(&format!("letter-{number}"));
        bench.queue().bury(&letter).await.unwrap();
        texts.insert(letter.text);
    }
    texts
}

/// Receives until nothing comes.
async fn received(bench: &Subject) -> Vec<Letter> {
    let mut all = Vec::new();
    loop {
        let some = bench.letters().receive(HIDDEN).await.unwrap();
        assert!(some.len() <= LETTERS_MAX);
        if some.is_empty() {
            return all;
        }
        all.extend(some);
        assert!(all.len() <= MANY, "letters come again although they are hidden");
    }
}

fn receipts(letters: &[Letter]) -> Vec<Receipt> {
    letters.iter().map(|letter| letter.receipt.clone()).collect()
}

fn texts(letters: Vec<Letter>) -> BTreeSet<String> {
    letters.into_iter().map(|letter| letter.text).collect()
}

async fn f20_a_buried_letter_is_received_as_it_was_buried(bench: Subject) {
    let letter = dead_letter("letter-buried");
    bench.queue().bury(&letter).await.unwrap();
    let received = received(&bench).await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].text, letter.text);
    let attributes = letter.attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
    assert_eq!(received[0].attributes, attributes.collect());
    assert!(!received[0].moved_by_queue);
}

async fn f21_a_letter_that_the_queue_moved_is_told_apart(bench: Subject) {
    let envelope = envelope("letter-moved");
    bench.queue().send(&envelope, Duration::ZERO).await.unwrap();
    bench.move_all().await;
    let received = received(&bench).await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].text, envelope.to_json());
    assert!(received[0].moved_by_queue);
    assert!(!received[0].attributes.contains_key(DEAD_LETTER_ATTRIBUTE));
    let sender = received[0].attributes.get("senderId").map(String::as_str);
    assert_eq!(sender, Some(envelope.sender_id.as_str()));
}

async fn many_letters_are_received_each_once(bench: Subject) {
    let buried = buried(&bench, MANY).await;
    let received = received(&bench).await;
    assert_eq!(received.len(), MANY);
    assert_eq!(texts(received), buried);
}

async fn received_letters_are_hidden_and_come_again(bench: Subject) {
    let buried = buried(&bench, 1).await;
    assert_eq!(received(&bench).await.len(), 1);
    bench.advance(HIDDEN - Duration::from_millis(1));
    assert_eq!(received(&bench).await, []);
    bench.advance(Duration::from_millis(1));
    assert_eq!(texts(received(&bench).await), buried);
}

async fn released_letters_come_again_at_once(bench: Subject) {
    let buried = buried(&bench, MANY).await;
    let first = received(&bench).await;
    bench.letters().release(&receipts(&first)).await.unwrap();
    assert_eq!(texts(received(&bench).await), buried);
}

async fn deleted_letters_are_gone(bench: Subject) {
    buried(&bench, MANY).await;
    let mut letters = received(&bench).await;
    let kept = letters.split_off(MANY - 2);
    bench.letters().delete(&receipts(&letters)).await.unwrap();
    bench.advance(HIDDEN);
    assert_eq!(texts(received(&bench).await), texts(kept));
}

async fn a_receipt_that_speaks_for_nothing_is_no_error(bench: Subject) {
    buried(&bench, 2).await;
    let letters = received(&bench).await;
    let receipts = receipts(&letters);
    bench.letters().delete(&receipts[..1]).await.unwrap();
    // One is gone, the other is shown by the second call already.
    for _ in 0..2 {
        assert_eq!(bench.letters().release(&receipts).await, Ok(()));
    }
    assert_eq!(bench.letters().delete(&receipts[..1]).await, Ok(()));
    let left = received(&bench).await;
    assert_eq!(texts(left), texts(letters[1..].to_vec()));
    // The letter was received anew: the older receipt shows it to nobody.
    assert_eq!(bench.letters().release(&receipts).await, Ok(()));
    assert_eq!(received(&bench).await, []);
}

async fn nothing_is_asked_for_nothing(bench: Subject) {
    assert_eq!(bench.letters().delete(&[]).await, Ok(()));
    assert_eq!(bench.letters().release(&[]).await, Ok(()));
    assert_eq!(received(&bench).await, []);
}
