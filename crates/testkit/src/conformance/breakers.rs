//! What every keeper of breakers must do. Time is an argument of the port, so no case waits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use relay_core::breaker::{Breaker, Phase, Rule, Why, WriteId};
use relay_core::outcome::ErrorKind;
use relay_core::ports::{BreakerWritten, Breakers};

use super::{Case, cases};
use crate::sample::{START, at};

/// Breakers under test.
pub type Subject = Arc<dyn Breakers>;

/// How many environments write at once.
const AT_ONCE: u8 = 8;

/// Every case. They share the subject; each has a destination of its own.
pub fn all() -> Vec<Case<Subject>> {
    use self as suite;
    cases![suite::{
        what_was_never_written_is_not_there,
        every_phase_is_read_as_it_was_written,
        a_write_needs_the_version_before_it,
        f24_of_writes_at_once_one_wins,
        f36_a_repeated_write_recognises_itself,
        f27_an_expired_breaker_counts_as_absent,
        destinations_do_not_meet,
    }]
}

/// Runs every case.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all(breakers: Subject) {
    super::run(all(), |_| std::future::ready(Arc::clone(&breakers))).await;
}

/// Version `version`, written by write number `write`.
fn breaker(version: u64, write: u8, phase: Phase) -> Breaker {
    Breaker {
        version,
        write_id: WriteId::from_random([write; 16]),
        written_at: at(version),
        since: START,
        opened_in: 1,
        openings: 1,
        phase,
        why: Why { rule: Rule::InARow { failures: 10 }, last: Ok(503) },
    }
}

fn open() -> Phase {
    Phase::Open { until: at(30_000) }
}

async fn what_was_never_written_is_not_there(breakers: Subject) {
    assert_eq!(breakers.read("https://never.example", START).await, Ok(None));
}

async fn every_phase_is_read_as_it_was_written(breakers: Subject) {
    let destination = "http://[2001:db8::1]:8080";
    let share = Rule::Share { failed: 12, outcomes: 20 };
    for (version, phase, rule, last) in [
        (1, open(), share, Err(ErrorKind::Timeout)),
        (2, Phase::Ramping { step: 0, taken: 1, until: at(9) }, Rule::Probe, Ok(500)),
        (3, Phase::Ramping { step: 5, taken: 1024, until: at(9) }, Rule::Probe, Ok(429)),
        (4, Phase::Closed, Rule::InARow { failures: 1 }, Err(ErrorKind::Dns)),
    ] {
        let written = Breaker { why: Why { rule, last }, ..breaker(version, 1, phase) };
        assert_eq!(breakers.write(destination, &written).await, Ok(BreakerWritten::Done));
        assert_eq!(breakers.read(destination, at(5)).await, Ok(Some(written)));
    }
}

async fn a_write_needs_the_version_before_it(breakers: Subject) {
    let destination = "https://versions.example";
    let second = breaker(2, 2, open());
    assert_eq!(breakers.write(destination, &second).await, Ok(BreakerWritten::Changed(None)));
    let first = breaker(1, 1, open());
    assert_eq!(breakers.write(destination, &first).await, Ok(BreakerWritten::Done));
    for version in [1, 3] {
        let written = breakers.write(destination, &breaker(version, 3, Phase::Closed)).await;
        assert_eq!(written, Ok(BreakerWritten::Changed(Some(first.clone()))), "{version}");
    }
    assert_eq!(breakers.write(destination, &second).await, Ok(BreakerWritten::Done));
    assert_eq!(breakers.read(destination, at(5)).await, Ok(Some(second)));
}

async fn f24_of_writes_at_once_one_wins(breakers: Subject) {
    let destination = "https://race.example";
    breakers.write(destination, &breaker(1, 1, open())).await.unwrap();
    let tasks: Vec<_> = (2..2 + AT_ONCE)
        .map(|write| {
            let breakers = Arc::clone(&breakers);
            let probe = breaker(2, write, Phase::Ramping { step: 0, taken: 1, until: at(9) });
            tokio::spawn(async move { breakers.write("https://race.example", &probe).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap().unwrap() {
            BreakerWritten::Done => won += 1,
            BreakerWritten::Changed(found) => assert_eq!(found.unwrap().version, 2),
        }
    }
    assert_eq!(won, 1);
}

async fn f36_a_repeated_write_recognises_itself(breakers: Subject) {
    let destination = "https://again.example";
    for version in 1..=2 {
        let written = breaker(version, 1, open());
        for _ in 0..2 {
            assert_eq!(breakers.write(destination, &written).await, Ok(BreakerWritten::Done));
        }
        let other = breaker(version, 2, open());
        let refused = breakers.write(destination, &other).await;
        assert_eq!(refused, Ok(BreakerWritten::Changed(Some(written))));
    }
}

async fn f27_an_expired_breaker_counts_as_absent(breakers: Subject) {
    let destination = "https://expired.example";
    let old = breaker(1, 1, open());
    breakers.write(destination, &old).await.unwrap();
    let end = old.expires_at();
    assert_eq!(breakers.read(destination, end).await, Ok(None));
    let early = Breaker { write_id: WriteId::from_random([2; 16]), ..old.clone() };
    let refused = breakers.write(destination, &early).await;
    assert_eq!(refused, Ok(BreakerWritten::Changed(Some(old))));
    let anew = Breaker { written_at: end, ..early };
    assert_eq!(breakers.write(destination, &anew).await, Ok(BreakerWritten::Done));
}

async fn destinations_do_not_meet(breakers: Subject) {
    let one = breaker(1, 1, open());
    breakers.write("https://one.example", &one).await.unwrap();
    assert_eq!(breakers.read("http://one.example", at(5)).await, Ok(None));
    assert_eq!(breakers.read("https://one.example:8443", at(5)).await, Ok(None));
}
