//! What every keeper of requests that count once must do. Time is an argument of the port, so no case waits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use relay_core::ports::Replays;
use relay_core::time::Timestamp;

use super::{Case, cases};
use crate::sample::{START, at};

/// Notes under test.
pub type Subject = Arc<dyn Replays>;

/// How many environments note one request at once.
const AT_ONCE: usize = 8;

/// Every case. They share the subject; each has requests of its own.
pub fn all() -> Vec<Case<Subject>> {
    use self as suite;
    cases![suite::{
        a_request_is_first_once,
        requests_do_not_meet,
        of_calls_at_once_one_is_first,
        f36_a_repeated_call_recognises_itself,
        f27_an_expired_note_counts_as_absent,
        a_repetition_does_not_lengthen_the_note,
    }]
}

/// Runs every case.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all(replays: Subject) {
    super::run(all(), |_| std::future::ready(Arc::clone(&replays))).await;
}

/// Whether it is the first, noted for ten seconds after [`START`].
async fn is_first(replays: &Subject, request: &str, by: &str, now: Timestamp) -> bool {
    replays.is_first(request, by, at(10_000), now).await.unwrap()
}

async fn a_request_is_first_once(replays: Subject) {
    assert!(is_first(&replays, "once", "one", START).await);
    for (by, millis) in [("two", 0), ("three", 1), ("four", 9999)] {
        assert!(!is_first(&replays, "once", by, at(millis)).await, "{by}");
    }
    // A clock that is behind changes nothing.
    assert!(!is_first(&replays, "once", "five", Timestamp::from_millis(1)).await);
}

async fn requests_do_not_meet(replays: Subject) {
    let long = "long".repeat(400);
    for request in ["a", "A", "a ", "a#b", "a/b?c=d&e=\"f\"", "\u{e4}", "REPLAY", long.as_str()] {
        assert!(is_first(&replays, request, "one", START).await, "{request}");
        assert!(!is_first(&replays, request, "two", START).await, "{request}");
    }
}

async fn of_calls_at_once_one_is_first(replays: Subject) {
    let note = |number: usize| {
        let replays = Arc::clone(&replays);
        tokio::spawn(
            async move { is_first(&replays, "at-once", &format!("by-{number}"), START).await },
        )
    };
    let tasks: Vec<_> = (0..AT_ONCE).map(note).collect();
    let mut first = 0;
    for task in tasks {
        first += usize::from(task.await.unwrap());
    }
    assert_eq!(first, 1);
}

async fn f36_a_repeated_call_recognises_itself(replays: Subject) {
    for _ in 0..3 {
        assert!(is_first(&replays, "repeated", "one", START).await);
    }
    assert!(!is_first(&replays, "repeated", "two", START).await);
    assert!(is_first(&replays, "repeated", "one", at(5000)).await);
}

async fn f27_an_expired_note_counts_as_absent(replays: Subject) {
    assert!(is_first(&replays, "expired", "one", START).await);
    assert!(!is_first(&replays, "expired", "two", at(9999)).await);
    let later = |by| replays.is_first("expired", by, at(20_000), at(10_000));
    assert_eq!(later("three").await, Ok(true));
    assert_eq!(later("four").await, Ok(false));
    // The one whose note has expired is like any other.
    assert_eq!(later("one").await, Ok(false));
    assert!(!is_first(&replays, "expired", "five", at(19_999)).await);
}

async fn a_repetition_does_not_lengthen_the_note(replays: Subject) {
    assert!(is_first(&replays, "longer", "one", START).await);
    for by in ["two", "one"] {
        let repeated = replays.is_first("longer", by, at(90_000), at(5000)).await;
        assert_eq!(repeated, Ok(by == "one"));
    }
    assert!(is_first(&replays, "longer", "three", at(10_000)).await);
}
