//! Every alarm fires on each of its faults if they last, ends with them, and rests if they last a minute.

use std::collections::{BTreeMap, BTreeSet};

use relay_tests::Template;
use relay_tests::cloudwatch::{Alarm, Composite, EmptyFill, Minute, State};

use super::cases::{CASES, Case};
use super::traffic::{QUEUE, Traffic, WORKER, healthy, lambda, queue};

/// Long enough for the slowest alarm to fire and to rest again.
const MINUTES: Minute = 14 * 60;
/// When the fault begins: the slowest alarm has seen nothing but good points by then.
const FROM: Minute = 5 * 60 + 7;

/// The alarm for which one event is enough.
const EVENT: &str = "DeadLettersAlarm";
/// The composites that wake people.
const WAKING: [&str; 4] = ["PlatformTrouble", "AcceptTrouble", "DeliveryTrouble", "TargetTrouble"];

/// How long a fault may go unnoticed that somebody is woken for, and one that waits for the day.
const AT_ONCE: Minute = 15;
const SOON: Minute = 2 * 60;

const BOTH: [EmptyFill; 2] = [EmptyFill::Filled, EmptyFill::Empty];

/// Traffic with a fault of so many minutes.
fn with_fault(healthy: &Traffic, case: &Case, minutes: Minute) -> Traffic {
    let mut traffic = healthy.clone();
    for minute in FROM..FROM + minutes {
        (case.put)(&mut traffic, minute);
    }
    traffic
}

#[test]
fn every_alarm_has_a_fault_and_every_fault_an_alarm() {
    let template = Template::load();
    let alarms: BTreeSet<_> = template.resources("AWS::CloudWatch::Alarm").into_iter().collect();
    let covered: BTreeSet<_> = CASES.iter().map(|case| case.alarm).collect();
    assert_eq!(covered, alarms);
}

#[test]
fn every_alarm_fires_on_its_faults_and_ends_with_them() {
    let template = Template::load();
    let healthy = healthy(MINUTES);
    let waking = WAKING.map(|id| Composite::read(&template, id));
    let wakes = |alarm: &str| waking.iter().any(|composite| composite.children().contains(&alarm));
    for case in CASES {
        let alarm = Alarm::read(&template, case.alarm);
        // One period more than are looked at, wherever the fault begins within a period.
        let lasting = alarm.period_minutes * (alarm.evaluation_periods as Minute + 1);
        for empty_fill in BOTH {
            let mut traffic = with_fault(&healthy, case, lasting);
            traffic.series.empty_fill = empty_fill;
            let states = alarm.states(&traffic.series, MINUTES);
            let fired = states.iter().position(|state| *state == State::Alarm);
            let what = format!("{}: {} ({empty_fill:?})", case.alarm, case.fault);
            let fired = fired.unwrap_or_else(|| panic!("{what}: it does not fire")) as Minute;
            let limit = FROM + if wakes(case.alarm) { AT_ONCE } else { SOON };
            assert!((FROM..limit).contains(&fired), "{what}: it fires at {fired}");
            assert_eq!(states.last(), Some(&State::Ok), "{what}: it does not end");
            let changes = states.windows(2).filter(|two| two[0] != two[1]).count();
            assert_eq!(changes, 2, "{what}: it flaps");
        }
    }
}

#[test]
fn a_minute_of_any_fault_fires_no_alarm() {
    let template = Template::load();
    let healthy = healthy(MINUTES);
    for case in CASES.iter().filter(|case| case.alarm != EVENT) {
        let alarm = Alarm::read(&template, case.alarm);
        let states = alarm.states(&with_fault(&healthy, case, 1).series, MINUTES);
        assert!(!states.contains(&State::Alarm), "{}: {}", case.alarm, case.fault);
    }
}

#[test]
fn the_worker_s_limit_is_that_of_the_pollers_where_they_are_on() {
    let pollers = BTreeMap::from([("ProvisionedPollersMax".to_owned(), "2".to_owned())]);
    let alarm = Alarm::read_with(&Template::load(), "ConcurrencyAlarm", &pollers);
    let fires_at = |running: f64| {
        let mut traffic = healthy(60);
        for minute in 0..60 {
            let metric = lambda("ConcurrentExecutions", WORKER);
            traffic.set(&metric, minute, running);
        }
        alarm.states(&traffic.series, 60).contains(&State::Alarm)
    };
    assert!(fires_at(18.0) && !fires_at(17.0), "two pollers have twenty");
}

#[test]
fn f34_a_message_past_its_deadline_rings_before_the_queue_forgets_it() {
    let deadline = BTreeMap::from([("DeliveryDeadlineHours".to_owned(), "312".to_owned())]);
    let alarm = Alarm::read_with(&Template::load(), "QueueAgeAlarm", &deadline);
    let fires_at = |hours: f64| {
        let mut traffic = healthy(60);
        for minute in 0..60 {
            let metric = queue("ApproximateAgeOfOldestMessage", QUEUE);
            traffic.set(&metric, minute, hours * 3600.0);
        }
        alarm.states(&traffic.series, 60).contains(&State::Alarm)
    };
    // The queue forgets a message after 336 hours.
    assert!(fires_at(314.1) && !fires_at(313.9), "two hours after the longest deadline");
}

#[test]
fn f41_the_queue_rings_long_before_it_falls_silent() {
    // What a queue hides at most; from there on it hands out nothing more.
    let hidden_max = 120_000.0;
    let alarm = Alarm::read(&Template::load(), "QueueInFlightAlarm");
    assert!(alarm.threshold() * 1.5 <= hidden_max, "a third is left to act in");
    let mut traffic = healthy(60);
    for minute in 0..60 {
        let metric = queue("ApproximateNumberOfMessagesNotVisible", QUEUE);
        traffic.set(&metric, minute, 2_000.0 * minute as f64);
    }
    let states = alarm.states(&traffic.series, 60);
    let fired = states.iter().position(|state| *state == State::Alarm).expect("it fires");
    assert!(2_000.0 * fired as f64 <= 0.75 * hidden_max, "it fires at minute {fired}");
}
