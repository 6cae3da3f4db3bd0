//! What is a threshold, and what a result says to it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::report::Latencies;
use crate::scenario;
use crate::tally::Counts;

fn report() -> Report {
    let accept = Summary { count: 1, p99: Some(20.0), ..Summary::default() };
    let delivery = Delivery { lost: 1, ..Delivery::default() };
    let mut report = Report {
        latency_ms: Latencies { accept, ..Latencies::default() },
        counts: Counts { delivery: Some(delivery), ..Counts::default() },
        ..Report::default()
    };
    report.per_second.accepted = 99.0;
    report
}

fn check(given: &str, expected: &[(&str, Option<f64>, bool)]) {
    let thresholds = all(&[], &[given.to_owned()], true).unwrap();
    let found = judge(&report(), &thresholds);
    let found: Vec<_> = found.iter().map(|one| (one.name, one.found, one.holds)).collect();
    assert_eq!(found, expected, "{given}");
}

#[test]
fn a_value_is_held_against_its_limit() {
    check(
        "accept_p99_ms=20,lost=0",
        &[("accept_p99_ms", Some(20.0), true), ("lost", Some(1.0), false)],
    );
    check("accept_p99_ms=19.9", &[("accept_p99_ms", Some(20.0), false)]);
    check("accepted_per_second=99", &[("accepted_per_second", Some(99.0), true)]);
    check("accepted_per_second=99.5", &[("accepted_per_second", Some(99.0), false)]);
    // Nothing arrived, so there is no percentile, and that is no success.
    check("end_to_end_p99_ms=1000", &[("end_to_end_p99_ms", None, false)]);
    check("", &[]);
}

#[test]
fn what_is_given_takes_the_place_of_the_scenarios_own() {
    let given = ["accept_p99_ms=5".to_owned(), "held_back=0".to_owned()];
    let thresholds = all(&["accept_p99_ms=1000,lost=0"], &given, true).unwrap();
    let found: Vec<_> = thresholds.iter().map(|one| (one.name, one.limit)).collect();
    assert_eq!(found, [("lost", 0.0), ("accept_p99_ms", 5.0), ("held_back", 0.0)]);
    let without = all(&["accept_p99_ms=1000,lost=0"], &[], false).unwrap();
    assert_eq!(without, [Threshold { name: "accept_p99_ms", limit: 1000.0 }]);
}

#[test]
fn what_is_no_threshold_is_refused() {
    let refused = |text: &str| all(&[], &[text.to_owned()], false).unwrap_err();
    assert_eq!(refused("lost"), ThresholdError::Form("lost".to_owned()));
    assert_eq!(refused("lost=none"), ThresholdError::Form("lost=none".to_owned()));
    assert_eq!(refused("failed=-1"), ThresholdError::Form("failed=-1".to_owned()));
    assert_eq!(refused("lots=0"), ThresholdError::Name("lots".to_owned()));
    assert_eq!(refused("lost=0"), ThresholdError::Unmeasured("lost".to_owned()));
}

#[test]
fn every_scenario_has_thresholds_that_are_some() {
    for scenario in &scenario::ALL {
        let thresholds = all(&[scenario::ALWAYS, scenario.thresholds], &[], true).unwrap();
        assert!(thresholds.len() >= 6, "{}", scenario.name);
    }
}
