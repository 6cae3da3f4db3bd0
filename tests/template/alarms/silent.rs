//! What is nothing to get up for: healthy traffic, ordinary noise, little traffic, and none at all.

use std::collections::BTreeMap;

use relay_core::metrics::Metric;
use relay_tests::Template;
use relay_tests::cloudwatch::{Alarm, EmptyFill, History, Minute, Monitoring, Series, State};

use super::traffic::{
    INGEST, QUEUE, RECONCILER, Traffic, WORKER, api, healthy, idle, lambda, queue, table,
};

const MINUTES: Minute = 10 * 60;

fn run(series: &Series) -> History {
    Monitoring::read(&Template::load()).run(series, MINUTES)
}

#[test]
fn healthy_traffic_fires_nothing() {
    assert_eq!(run(&healthy(MINUTES).series).all_fired(), [""; 0]);
}

#[test]
fn no_traffic_fires_nothing() {
    let mut idle = idle(MINUTES);
    assert_eq!(run(&idle.series).all_fired(), [""; 0]);
    idle.series.empty_fill = EmptyFill::Empty;
    assert_eq!(run(&idle.series).all_fired(), [""; 0]);
}

#[test]
fn no_metric_at_all_fires_what_silence_is_for_and_nothing_else() {
    for empty_fill in [EmptyFill::Filled, EmptyFill::Empty] {
        let mut nothing = Series::default();
        nothing.empty_fill = empty_fill;
        let history = run(&nothing);
        assert_eq!(history.all_fired(), ["ReconcilerMissingAlarm", "UpkeepTrouble"]);
        assert_eq!(history.rings(), ["UpkeepTrouble"], "{empty_fill:?}");
    }
}

/// Everything that happens now and then to a relay that is well.
pub(super) fn noise(traffic: &mut Traffic, minute: Minute) {
    let now_and_then = |every: Minute| minute % every == every / 2;
    if now_and_then(10) {
        traffic.relay(Metric::BreakersOpened, WORKER, minute, 1.0);
        traffic.set(&table("WriteThrottleEvents"), minute, 3.0);
    }
    if now_and_then(30) {
        traffic.relay(Metric::Setbacks, WORKER, minute, 20.0);
        traffic.relay(Metric::RefusedSystemError, INGEST, minute, 4.0);
        traffic.set(&api("5xx"), minute, 4.0);
        traffic.set(&lambda("Errors", WORKER), minute, 1.0);
        traffic.set(&lambda("Throttles", WORKER), minute, 6.0);
        traffic.set(&table("ReadThrottleEvents"), minute, 90.0);
        traffic.relay(Metric::UnsharedLimits, INGEST, minute, 7.0);
        traffic.many(Metric::QueueWaitMilliseconds, WORKER, minute, &[200_000.0; 50]);
        traffic.waits(minute, &[900.0; 100]);
        traffic.letters(minute, 1.0);
    }
    // Clients make mistakes all the time, and somebody tries paths that are no routes.
    traffic.relay(Metric::RefusedValidationError, INGEST, minute, 30.0);
    traffic.set(&api("4xx"), minute, 40.0);
    if now_and_then(300) {
        traffic.relay(Metric::Unreadable, WORKER, minute, 1.0);
        traffic.relay(Metric::ReconcilerRepairs, RECONCILER, minute, 3.0);
    }
    if minute % 60 < 10 {
        traffic.set(&lambda("ConcurrentExecutions", WORKER), minute, 10.0);
    }
    // A target is away. Its messages wait as fresh copies or are received again and again, so none is old.
    traffic.set(&queue("ApproximateAgeOfOldestMessage", QUEUE), minute, 900.0);
    traffic.relay(Metric::Deferrals, WORKER, minute, 60.0);
    // Copies that waited on purpose are less than half.
    if !now_and_then(30) {
        let mut waits = vec![700.0; 30];
        waits.extend([850_000.0; 20]);
        traffic.many(Metric::QueueWaitMilliseconds, WORKER, minute, &waits);
    }
}

#[test]
fn ordinary_noise_fires_nothing() {
    let mut traffic = healthy(MINUTES);
    (0..MINUTES).for_each(|minute| noise(&mut traffic, minute));
    assert_eq!(run(&traffic.series).all_fired(), [""; 0]);
    traffic.series.empty_fill = EmptyFill::Empty;
    assert_eq!(run(&traffic.series).all_fired(), [""; 0]);
}

#[test]
fn one_dead_message_of_ten_waits_for_the_day_and_slow_first_posts_for_nobody() {
    let mut traffic = idle(MINUTES);
    for minute in (0..MINUTES).filter(|minute| minute % 6 == 0) {
        traffic.ingest(minute, 1.0);
        traffic.worker(minute, 1.0);
        // Each post meets a cold start.
        traffic.waits(minute, &[450.0]);
        if minute % 60 == 0 {
            traffic.relay(Metric::Dead, WORKER, minute, 1.0);
        }
    }
    let history = run(&traffic.series);
    assert_eq!(history.all_fired(), ["DeadLettersAlarm", "LettersTrouble"]);
    assert_eq!(history.rings(), ["LettersTrouble"]);
}

#[test]
fn a_quiet_night_s_few_setbacks_wake_nobody_whatever_share_they_are() {
    let mut traffic = idle(MINUTES);
    for minute in 0..MINUTES {
        traffic.ingest(minute, 1.0);
        traffic.worker(minute, 1.0);
        traffic.many(Metric::BatchSize, WORKER, minute, &[1.0, 1.0]);
        traffic.relay(Metric::Setbacks, WORKER, minute, 1.0);
    }
    assert_eq!(run(&traffic.series).all_fired(), [""; 0]);
}

#[test]
fn what_the_relay_refuses_itself_is_not_taken_for_the_api_s_refusals() {
    // Operators alone meet the first, no route of the API leads to the second, and the third is a 5xx.
    let others =
        [Metric::RefusedStateConflict, Metric::RefusedMethodNotAllowed, Metric::RefusedSystemError];
    let alarm = Alarm::read(&Template::load(), "GatewayRefusalsAlarm");
    let refused = Metric::ALL.iter().filter(|metric| metric.name().starts_with("Refused"));
    for metric in refused.filter(|metric| !others.contains(metric)) {
        let mut traffic = healthy(60);
        for minute in 0..60 {
            traffic.relay(*metric, INGEST, minute, 90.0);
            traffic.set(&api("4xx"), minute, 90.0);
        }
        let states = alarm.states(&traffic.series, 60);
        assert!(!states.contains(&State::Alarm), "{}", metric.name());
    }
}

#[test]
fn without_metrics_of_the_relay_s_own_nothing_is_made_of_their_absence() {
    let template = Template::load();
    let off = BTreeMap::from([("Metrics".to_owned(), "off".to_owned())]);
    let mut traffic = healthy(MINUTES);
    for minute in 0..MINUTES {
        traffic.set(&api("4xx"), minute, 60.0);
        traffic.lose_metrics(INGEST, minute);
        traffic.lose_metrics(WORKER, minute);
    }
    for id in template.resources("AWS::CloudWatch::Alarm") {
        let states = Alarm::read_with(&template, id, &off).states(&traffic.series, MINUTES);
        // The hours before the first are silent.
        let states = &states[2 * 60..];
        assert!(!states.contains(&State::Alarm), "{id}");
    }
}

#[test]
fn a_new_stack_is_silent_until_its_first_run() {
    let mut traffic = Traffic::default();
    for minute in (5..MINUTES).filter(|minute| minute % 5 == 0) {
        traffic.set(&lambda("Invocations", RECONCILER), minute, 1.0);
    }
    let history = run(&traffic.series);
    assert!(history.fired("ReconcilerMissingAlarm"), "it cannot tell a new stack");
    assert_eq!(history.rings(), [""; 0]);
}
