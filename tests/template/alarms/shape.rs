//! What every alarm has to have, whatever it is about.

use relay_tests::cloudwatch::{Missing, Monitoring, Source};
use relay_tests::{Template, read};

/// The only alarm that silence sets off.
const SILENCE: &str = "ReconcilerMissingAlarm";

/// The only one for which one point is enough: a dead letter is an event and no measurement. It flaps no more than
/// the others, because that point keeps it on for hours.
const EVENT: &str = "DeadLettersAlarm";

/// Metrics that one alarm's expressions may combine.
const METRICS_IN_ALARM_MAX: usize = 10;

/// What the periods of one alarm may make up together: a day, or a week if they are hours.
const MINUTES_MAX: i64 = 24 * 60;
const MINUTES_OF_HOURS_MAX: i64 = 7 * MINUTES_MAX;

const RUNBOOK: &str = "docs/OPERATIONS.md";

#[test]
fn no_alarm_fires_for_one_point_and_only_one_fires_for_none() {
    for (id, alarm) in Monitoring::read(&Template::load()).alarms {
        let (needed, of) = (alarm.datapoints_to_alarm, alarm.evaluation_periods);
        assert!((1 < needed || id == EVENT) && needed <= of, "{id}: {needed} of {of}");
        assert_eq!(alarm.missing == Missing::Breaching, id == SILENCE, "{id}");
    }
}

#[test]
fn every_alarm_is_one_that_cloudwatch_takes() {
    for (id, alarm) in Monitoring::read(&Template::load()).alarms {
        let is_metric = |source: &Source| matches!(source, Source::Metric(..));
        let metrics = alarm.queries().iter().filter(|query| is_metric(&query.source)).count();
        assert!((1..=METRICS_IN_ALARM_MAX).contains(&metrics), "{id}: {metrics} metrics");
        let limit = if alarm.period_minutes >= 60 { MINUTES_OF_HOURS_MAX } else { MINUTES_MAX };
        let minutes = alarm.period_minutes * alarm.evaluation_periods as i64;
        assert!(minutes <= limit, "{id}: looks {minutes} minutes back");
    }
}

#[test]
fn every_alarm_alone_sets_off_exactly_one_that_rings() {
    let monitoring = Monitoring::read(&Template::load());
    for id in monitoring.alarms.keys() {
        let parents = monitoring.composites.iter();
        let ringing: Vec<_> = parents
            .filter(|(_, composite)| composite.rings() && composite.is_set_off_by(id))
            .map(|(parent, _)| parent)
            .collect();
        assert_eq!(ringing.len(), 1, "{id} rings through {ringing:?}");
    }
    for (id, composite) in &monitoring.composites {
        assert!(composite.suppressor() != Some(id), "{id} holds itself back");
        let known = |name: &str| {
            monitoring.alarms.contains_key(name) || monitoring.composites.contains_key(name)
        };
        assert!(composite.suppressor().is_none_or(known), "{id}: {:?}", composite.suppressor());
    }
}

#[test]
fn every_alarm_says_what_is_wrong_and_where_to_read_on() {
    let template = Template::load();
    let monitoring = Monitoring::read(&template);
    let ringing = monitoring.composites.iter().filter(|(_, composite)| composite.rings());
    let mut expected: Vec<_> = monitoring.alarms.keys().chain(ringing.map(|(id, _)| id)).collect();
    for id in &expected {
        let description = template.at(&format!("Resources/{id}/Properties/AlarmDescription"));
        let description = description.as_str().expect("a description is text");
        let place = format!(" See {RUNBOOK}#{}.", id.to_lowercase());
        let meaning = description.strip_suffix(&place);
        assert!(meaning.is_some_and(|text| text.ends_with('.')), "{id}: {description}");
    }
    expected.sort_unstable();
    let runbook = read(RUNBOOK);
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let is_alarm = |heading: &&str| heading.ends_with("Alarm") || heading.ends_with("Trouble");
    let mut headings: Vec<_> = headings.filter(is_alarm).collect();
    headings.sort_unstable();
    assert_eq!(headings, expected, "the runbook has a part for each alarm");
}
