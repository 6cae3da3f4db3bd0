//! One cause rings once: incidents as they show in all metrics, and who is called.

use relay_core::metrics::Metric;
use relay_tests::Template;
use relay_tests::cloudwatch::{History, Minute, Monitoring};

use super::cases::CASES;
use super::faults::{
    crash_worker, defer_all, lose_target, refuse, slow_accepts, stall, throttle_writes,
};
use super::traffic::{INGEST, Traffic, WORKER, healthy};

const MINUTES: Minute = 9 * 60;
const FROM: Minute = 60;
const UNTIL: Minute = 120;

/// What happens if `during` is put on each minute of an hour.
fn incident(during: impl Fn(&mut Traffic, Minute)) -> History {
    let mut traffic = healthy(MINUTES);
    (FROM..UNTIL).for_each(|minute| during(&mut traffic, minute));
    Monitoring::read(&Template::load()).run(&traffic.series, MINUTES)
}

#[test]
fn a_throttled_table_shows_everywhere_and_rings_once() {
    let history = incident(|traffic, minute| {
        throttle_writes(traffic, minute);
        refuse(traffic, minute);
        slow_accepts(traffic, minute);
        traffic.relay(Metric::Setbacks, WORKER, minute, 30.0);
        traffic.relay(Metric::UnsharedLimits, INGEST, minute, 9.0);
        traffic.many(Metric::QueueWaitMilliseconds, WORKER, minute, &[400_000.0; 50]);
    });
    let all =
        ["AcceptTrouble", "DeliveryTrouble", "LatencyTrouble", "UpkeepTrouble", "PlatformTrouble"];
    for alarm in all {
        assert!(history.fired(alarm), "{alarm} shows it");
    }
    assert_eq!(history.rings(), ["PlatformTrouble"], "{:?}", history.rung);
    assert_eq!(history.left(), [""; 0]);
}

#[test]
fn what_outlasts_its_cause_rings_then() {
    let history = incident(|traffic, minute| {
        if minute < FROM + 20 {
            throttle_writes(traffic, minute);
        }
        refuse(traffic, minute);
    });
    assert_eq!(history.rings(), ["PlatformTrouble", "AcceptTrouble"]);
}

#[test]
fn a_dead_target_rings_once_and_what_is_left_of_it_once_more() {
    let mut traffic = healthy(MINUTES);
    (FROM..UNTIL).for_each(|minute| lose_target(&mut traffic, minute));
    (FROM..MINUTES).for_each(|minute| traffic.letters(minute, 900.0));
    let history = Monitoring::read(&Template::load()).run(&traffic.series, MINUTES);
    assert_eq!(history.rings(), ["LossTrouble", "LettersTrouble"]);
    let [(_, _), (again, _)] = history.rung.as_slice() else { panic!("two") };
    assert!(UNTIL < *again, "it is over when the letters ring");
    assert_eq!(history.left(), [""; 0], "letters that lie there keep nothing on");
}

#[test]
fn no_target_at_all_rings_once_and_what_is_left_of_it_once_more() {
    let history = incident(|traffic, minute| {
        defer_all(traffic, minute);
        traffic.relay(Metric::Dead, WORKER, minute, 5.0);
    });
    assert!(history.fired("LossTrouble"), "it shows there, too");
    assert_eq!(history.rings(), ["TargetTrouble", "LettersTrouble"]);
}

#[test]
fn one_dead_letter_is_work_for_the_day() {
    let mut traffic = healthy(MINUTES);
    traffic.relay(Metric::Dead, WORKER, FROM, 1.0);
    let history = Monitoring::read(&Template::load()).run(&traffic.series, MINUTES);
    assert_eq!(history.rings(), ["LettersTrouble"]);
}

#[test]
fn a_broken_version_rings_where_it_is() {
    assert_eq!(incident(refuse).rings(), ["AcceptTrouble"]);
    assert_eq!(incident(crash_worker).rings(), ["DeliveryTrouble"]);
}

#[test]
fn delivery_that_is_switched_off_rings_once() {
    assert_eq!(incident(stall).rings(), ["DeliveryTrouble"]);
}

#[test]
fn no_room_in_the_account_rings_once() {
    let history = incident(|traffic, minute| {
        for case in CASES.iter().filter(|case| case.alarm.ends_with("ThrottlesAlarm")) {
            (case.put)(traffic, minute);
        }
        traffic.set(&super::traffic::api("5xx"), minute, 100.0);
    });
    assert_eq!(history.rings(), ["PlatformTrouble"]);
}

#[test]
fn every_fault_alone_rings_exactly_one() {
    let monitoring = Monitoring::read(&Template::load());
    let healthy = healthy(MINUTES);
    for case in CASES {
        let mut traffic = healthy.clone();
        // Long enough for the alarms that count hours.
        (FROM..FROM + 4 * 60).for_each(|minute| (case.put)(&mut traffic, minute));
        let history = monitoring.run(&traffic.series, MINUTES);
        let mut rings = history.rings();
        if case.alarm == "SuccessRateAlarm" {
            assert_eq!(rings.pop(), Some("LettersTrouble"), "what was lost is left: {rings:?}");
        }
        assert_eq!(rings.len(), 1, "{}: {}: {rings:?}", case.alarm, case.fault);
        let composite = &monitoring.composites[rings[0]];
        assert!(composite.is_set_off_by(case.alarm), "{}: {rings:?}", case.alarm);
        assert_eq!(history.left(), [""; 0], "{}: {}", case.alarm, case.fault);
    }
}
