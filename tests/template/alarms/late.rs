//! Values come late, and not all equally: the newest points are made of what is there, and are put right after.

use relay_tests::Template;
use relay_tests::cloudwatch::{Alarm, EmptyFill, Minute, Monitoring, State};

use super::cases::CASES;
use super::silent::noise;
use super::traffic::{Traffic, healthy};

const MINUTES: Minute = 9 * 60;
const FROM: Minute = 60;

/// Minutes that values of a namespace are late by. No document promises any; these are two ways in which one part
/// of an expression is seen before another.
const DELAYS: [&[(&str, Minute)]; 2] = [
    &[("WebhookRelay", 2), ("AWS/SQS", 3), ("AWS/DynamoDB", 3), ("AWS/Lambda", 1)],
    &[("WebhookRelay", 1), ("AWS/Lambda", 3), ("AWS/ApiGateway", 2), ("AWS/SQS", 1)],
];

fn delay(traffic: &mut Traffic, delays: &[(&str, Minute)]) {
    let delays = delays.iter();
    traffic.series.delays = delays.map(|(name, minutes)| ((*name).to_owned(), *minutes)).collect();
}

#[test]
fn late_values_of_traffic_that_is_well_fire_nothing() {
    let monitoring = Monitoring::read(&Template::load());
    let healthy = healthy(MINUTES);
    let mut noisy = healthy.clone();
    (0..MINUTES).for_each(|minute| noise(&mut noisy, minute));
    for (what, mut traffic) in [("healthy", healthy), ("noisy", noisy)] {
        for delays in DELAYS {
            for empty_fill in [EmptyFill::Filled, EmptyFill::Empty] {
                delay(&mut traffic, delays);
                traffic.series.empty_fill = empty_fill;
                let history = monitoring.run(&traffic.series, MINUTES);
                for (id, states) in history.states {
                    // Before the first values have come, a stack looks new.
                    let fired = states[FROM as usize..].contains(&State::Alarm);
                    assert!(!fired, "{what}: {id}: {delays:?}, {empty_fill:?}");
                }
            }
        }
    }
}

#[test]
fn every_alarm_fires_on_its_faults_when_their_values_are_late_and_does_not_flap() {
    let template = Template::load();
    let healthy = healthy(MINUTES);
    for case in CASES {
        let alarm = Alarm::read(&template, case.alarm);
        let mut traffic = healthy.clone();
        (FROM..FROM + 4 * 60).for_each(|minute| (case.put)(&mut traffic, minute));
        for delays in DELAYS {
            delay(&mut traffic, delays);
            let states = alarm.states(&traffic.series, MINUTES);
            let what = format!("{}: {}: {delays:?}", case.alarm, case.fault);
            let states = &states[FROM as usize..];
            assert!(states.contains(&State::Alarm), "{what}: it does not fire");
            let changes = states.windows(2).filter(|two| two[0] != two[1]).count();
            assert_eq!(changes, 2, "{what}: it flaps or does not end");
        }
    }
}
