//! What lasts hides nothing else: a second trouble rings while the first has been known for hours.

use relay_core::metrics::Metric;
use relay_tests::Template;
use relay_tests::cloudwatch::{History, Minute, Monitoring};

use super::faults::{crash_worker, defer_all, refuse, slow_accepts, stall, turn_away};
use super::traffic::{INGEST, RECONCILER, Traffic, WORKER, healthy, lambda};

const MINUTES: Minute = 14 * 60;
/// When the second trouble begins.
const SECOND: Minute = 300;

/// What rings if `put` is put on each minute.
fn run(put: impl Fn(&mut Traffic, Minute)) -> History {
    let mut traffic = healthy(MINUTES);
    (0..MINUTES).for_each(|minute| put(&mut traffic, minute));
    Monitoring::read(&Template::load()).run(&traffic.series, MINUTES)
}

/// What rings from the second trouble on, each once and in the order of names.
fn after(history: &History) -> Vec<&str> {
    let late = history.rung.iter().filter(|(minute, _)| *minute >= SECOND);
    let mut late: Vec<_> = late.map(|(_, id)| id.as_str()).collect();
    late.sort_unstable();
    late.dedup();
    late
}

/// `put` from the second trouble on.
fn second(traffic: &mut Traffic, minute: Minute, put: fn(&mut Traffic, Minute)) {
    if minute >= SECOND {
        put(traffic, minute);
    }
}

#[test]
fn a_dead_letter_that_is_kept_hides_neither_others_nor_what_else_needs_upkeep() {
    let history = run(|traffic, minute| {
        traffic.letters(minute, if minute < SECOND { 1.0 } else { 5_000.0 });
        if minute == 20 {
            traffic.relay(Metric::Dead, WORKER, minute, 1.0);
        }
        second(traffic, minute, |traffic, minute| {
            if minute < SECOND + 50 {
                traffic.relay(Metric::Dead, WORKER, minute, 100.0);
            }
            for name in ["Invocations", "Errors"] {
                traffic.silence(&lambda(name, RECONCILER), minute);
            }
            traffic.relay(Metric::UnsharedLimits, INGEST, minute, 50.0);
            traffic.set(&lambda("ConcurrentExecutions", WORKER), minute, 10.0);
        });
    });
    assert_eq!(history.rings()[0], "LettersTrouble");
    let expected = ["CapacityTrouble", "LettersTrouble", "LossTrouble", "UpkeepTrouble"];
    assert_eq!(after(&history), expected);
}

#[test]
fn one_sender_s_dead_endpoint_hides_no_standstill() {
    let history = run(|traffic, minute| {
        traffic.relay(Metric::Dead, WORKER, minute, 1.0);
        second(traffic, minute, |traffic, minute| {
            stall(traffic, minute);
            traffic.set(&lambda("Invocations", WORKER), minute, 20.0);
            traffic.set(&lambda("Errors", WORKER), minute, 18.0);
        });
    });
    assert_eq!(history.rings(), ["LossTrouble", "DeliveryTrouble"]);
}

#[test]
fn eight_destinations_that_stay_dead_are_told_of_and_hide_nothing() {
    let history = run(|traffic, minute| {
        if minute < 120 {
            return;
        }
        defer_all(traffic, minute);
        // Each probe fails and opens its breaker again: too few to be a storm.
        if minute % 10 == 0 {
            traffic.relay(Metric::BreakersOpened, WORKER, minute, 8.0);
        }
        if minute >= 200 {
            turn_away(traffic, minute);
        }
        second(traffic, minute, crash_worker);
    });
    assert_eq!(history.rings(), ["TargetTrouble", "CapacityTrouble", "DeliveryTrouble"]);
    let first = history.rung[0].0;
    assert!(first < 120 + 20, "it rings at {first}");
    assert!(!history.fired("BreakerStormAlarm"));
}

#[test]
fn slow_answers_hide_no_errors() {
    let history = run(|traffic, minute| {
        slow_accepts(traffic, minute);
        second(traffic, minute, refuse);
    });
    assert_eq!(history.rings(), ["LatencyTrouble", "AcceptTrouble"]);
}

#[test]
fn a_permission_that_the_worker_lacks_holds_nothing_of_ingest_back() {
    let history = run(|traffic, minute| {
        traffic.relay(Metric::Setbacks, WORKER, minute, 100.0);
        second(traffic, minute, refuse);
    });
    assert_eq!(history.rings(), ["DeliveryTrouble", "AcceptTrouble"]);
}

#[test]
fn messages_that_cannot_be_read_hide_no_errors_of_ingest() {
    let history = run(|traffic, minute| {
        if minute % 5 == 0 {
            traffic.relay(Metric::Unreadable, WORKER, minute, 4.0);
        }
        second(traffic, minute, refuse);
    });
    assert_eq!(history.rings(), ["StuckTrouble", "AcceptTrouble"]);
}
