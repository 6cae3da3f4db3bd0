//! When the reconciler runs, how long it may take, and what becomes of runs that fail.

use relay_tests::{Reference, Template};

const FUNCTION: &str = "Resources/ReconcilerFunction/Properties";
const SECONDS_PER_MINUTE: i64 = 60;

/// The minutes between two runs with the schedule's default.
fn minutes_between_runs(template: &Template) -> i64 {
    let expression = template.parameter("ReconcileSchedule").default;
    let minutes = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(" minutes)"));
    minutes.and_then(|minutes| minutes.parse().ok()).expect("a rate in minutes")
}

#[test]
fn the_reconciler_is_invoked_by_the_clock_alone() {
    let template = Template::load();
    let events = template.entries(&format!("{FUNCTION}/Events"));
    let [(_, event)] = events.as_slice() else { panic!("one event: {events:?}") };
    assert_eq!(event["Type"], "Schedule");
    let schedule = Reference::of(&event["Properties"]["Schedule"]);
    assert_eq!(schedule, Some(Reference::Ref("ReconcileSchedule")));
    assert_eq!(minutes_between_runs(&template), 5);
    assert_eq!(template.number(&format!("{FUNCTION}/MemorySize")), 256);
}

#[test]
fn a_run_ends_before_the_next_begins() {
    let template = Template::load();
    let timeout = template.number(&format!("{FUNCTION}/Timeout"));
    assert!(timeout < minutes_between_runs(&template) * SECONDS_PER_MINUTE, "{timeout} s");
}

#[test]
fn the_next_run_stands_for_tries_of_a_failed_one() {
    let template = Template::load();
    let config = format!("{FUNCTION}/EventInvokeConfig");
    assert_eq!(template.number(&format!("{config}/MaximumRetryAttempts")), 0);
    let age_seconds = template.number(&format!("{config}/MaximumEventAgeInSeconds"));
    assert!(age_seconds <= minutes_between_runs(&template) * SECONDS_PER_MINUTE, "{age_seconds} s");
}

#[test]
fn no_run_takes_concurrency_from_the_account() {
    assert_eq!(Template::load().find(&format!("{FUNCTION}/ReservedConcurrentExecutions")), None);
}
