//! What a stack costs while nothing happens is said where somebody decides to have one, in docs/DEPLOYMENT.md.

use relay_tests::{Template, read};

/// Of a metric that an alarm looks at, for a month, in US cents.
const ALARM_METRIC_CENTS: usize = 10;
/// Of an alarm about alarms.
const COMPOSITE_ALARM_CENTS: usize = 50;

#[test]
fn the_price_of_the_alarms_is_said() {
    let template = Template::load();
    let metrics = template.resources("AWS::CloudWatch::Alarm").into_iter().map(|alarm| {
        let metrics = template.find(&format!("Resources/{alarm}/Properties/Metrics"));
        // An expression costs what it is made of; an alarm without one looks at one metric.
        let all = metrics.map_or(&[][..], |all| all.as_sequence().expect("a list of metrics"));
        all.iter().filter(|metric| metric.get("MetricStat").is_some()).count().max(1)
    });
    let metrics: usize = metrics.sum();
    let composites = template.resources("AWS::CloudWatch::CompositeAlarm").len();
    let cents = metrics * ALARM_METRIC_CENTS + composites * COMPOSITE_ALARM_CENTS;
    let dollars = (cents + 50) / 100;
    let expected = format!(
        "they look at {metrics} metrics and there are {composites} composite alarms, about ${dollars} a month"
    );
    let said = read("docs/DEPLOYMENT.md");
    assert!(said.contains(&expected), "docs/DEPLOYMENT.md does not say: {expected}");
}
