//! What is alarmed about, and that the lines that alarms count are the ones that the code writes.

use relay_tests::{Reference, Template, read, strings};
use serde_yaml_ng::Value;

const FILTER: &str = "Resources/UnsharedLimitsFilter/Properties";
const ALARM: &str = "Resources/UnsharedLimitsAlarm/Properties";
/// The line, and the file that it is written in.
const LINE: &str = "a limit is kept by this environment alone";
const SOURCE: &str = "crates/ingest/src/access/limits.rs";

#[test]
fn the_filter_counts_the_line_that_the_source_writes() {
    let template = Template::load();
    let pattern = format!("{{ $.message = \"{LINE}\" }}");
    assert_eq!(template.at(&format!("{FILTER}/FilterPattern")).as_str(), Some(pattern.as_str()));
    let group = template.at(&format!("{FILTER}/LogGroupName"));
    assert_eq!(Reference::of(group), Some(Reference::Ref("IngestLogGroup")));
    let source = read(SOURCE);
    let warning = source.split("tracing::").find(|call| call.contains(&format!("\"{LINE}\"")));
    assert!(
        warning.is_some_and(|call| call.starts_with("error!(")),
        "no level of the log hides it"
    );
    // The filter finds the text at the top of the line, where a flattened event has it.
    assert!(read("crates/aws/src/logging.rs").contains(".flatten_event(true)"));
}

#[test]
fn the_alarm_is_about_what_the_filter_counts() {
    let template = Template::load();
    let counted = template.at(&format!("{FILTER}/MetricTransformations"));
    let [counted] = counted.as_sequence().map(Vec::as_slice).expect("a list") else {
        panic!("one metric")
    };
    let alarm = template.at(ALARM);
    for (of_filter, of_alarm) in [("MetricNamespace", "Namespace"), ("MetricName", "MetricName")] {
        assert_eq!(counted[of_filter], alarm[of_alarm], "{of_alarm}");
    }
    assert_eq!((&counted["MetricValue"], &alarm["Statistic"]), (&"1".into(), &"Sum".into()));
}

#[test]
fn every_alarm_rests_in_silence_waits_for_several_points_and_says_where_to_read_on() {
    let template = Template::load();
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    assert!(!alarms.is_empty());
    for name in alarms {
        let alarm = template.at(&format!("Resources/{name}/Properties"));
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{name}");
        let points = (&alarm["DatapointsToAlarm"], &alarm["EvaluationPeriods"]);
        let (Some(needed), Some(of)) = (points.0.as_i64(), points.1.as_i64()) else {
            panic!("{name}: {points:?}")
        };
        assert!(1 < needed && needed < of, "{name}: {points:?}");
        let description = alarm["AlarmDescription"].as_str().expect("a description");
        let (_, place) = description.split_once("See ").expect("where to read on");
        let (file, part) = place.trim_end_matches('.').split_once('#').expect("a part of it");
        let is_heading = |line: &str| line.strip_prefix("## ").map(str::to_lowercase);
        let mut headings =
            read(file).lines().filter_map(is_heading).collect::<Vec<_>>().into_iter();
        assert!(headings.any(|heading| heading.replace(' ', "-") == part), "{name}: {place}");
        for actions in ["AlarmActions", "OKActions"] {
            assert_eq!(topic_if_there_is_one(&alarm[actions]), Some("AlarmTopicArn"), "{name}");
        }
    }
}

/// What alarms are sent to where the condition holds; nothing is, where it does not.
fn topic_if_there_is_one(value: &Value) -> Option<&str> {
    let Value::Tagged(tagged) = value else { return None };
    let [condition, topic, otherwise] = tagged.value.as_sequence()?.as_slice() else { return None };
    let is_optional = strings(condition) == ["SendAlarms"]
        && Reference::of(otherwise) == Some(Reference::Ref("AWS::NoValue"));
    match Reference::of(topic.as_sequence()?.first()?) {
        Some(Reference::Ref(name)) if is_optional => Some(name),
        Some(Reference::Ref(_) | Reference::GetAtt(_) | Reference::Sub(_)) | None => None,
    }
}
