//! docs/OPERATIONS.md has a section for every alarm, and names nothing that is not there.

use std::collections::BTreeSet;

use relay_core::metrics::Metric;
use relay_tests::{Template, read};

use crate::assert_none;

const PAGE: &str = "docs/OPERATIONS.md";
/// What a section about a single alarm says, in this order.
const PARTS: [&str; 5] = ["Means", "Likely", "Look", "Do", "Verify"];
/// What a section about a composite says: the rest is in the sections of its alarms.
const PARTS_OF_COMPOSITES: [&str; 2] = ["Means", "Do"];
/// Metrics of AWS that the page names; they are not ours to define.
const METRICS_OF_AWS: [&str; 4] =
    ["ConcurrentExecutions", "FailedInvocations", "Invocations", "WriteThrottleEvents"];
/// Other words in that form: answers of AWS's command line and logs, and actions of its services.
const WORDS_OF_AWS: [&str; 6] = [
    "AccessDenied",
    "LastProcessingResult",
    "PutLogEvents",
    "State",
    "StateTransitionReason",
    "UsePreviousValue",
];

fn sections() -> Vec<(String, String)> {
    let text = read(PAGE);
    let parts = text.split("\n## ").skip(1);
    parts
        .filter_map(|part| part.split_once('\n'))
        .map(|(heading, body)| (heading.to_owned(), body.to_owned()))
        .collect()
}

/// What stands between the sign before and the sign after, wherever both are on one line.
fn between(text: &str, sign: char) -> impl Iterator<Item = &str> {
    text.lines().flat_map(move |line| line.split(sign).skip(1).step_by(2))
}

#[test]
fn every_alarm_has_its_section_with_all_its_parts() {
    let template = Template::load();
    let sections = sections();
    let mut findings = Vec::new();
    let kinds = [("Alarm", PARTS.as_slice()), ("CompositeAlarm", PARTS_OF_COMPOSITES.as_slice())];
    for (kind, parts) in kinds {
        for alarm in template.resources(&format!("AWS::CloudWatch::{kind}")) {
            let rings = template.find(&format!("Resources/{alarm}/Properties/AlarmActions"));
            if kind == "CompositeAlarm" && rings.is_none() {
                continue;
            }
            let Some((_, body)) = sections.iter().find(|(heading, _)| heading == alarm) else {
                findings.push(format!("no section ## {alarm}"));
                continue;
            };
            let said: Vec<_> = between(body, '*').filter(|text| !text.is_empty()).collect();
            let missing = parts
                .iter()
                .filter(|part| !said.contains(part) && !body.contains(&format!("**{part}**")));
            findings.extend(missing.map(|part| format!("{alarm} does not say: {part}")));
            let place = format!("See {PAGE}#{}.", alarm.to_lowercase());
            let described = template
                .find(&format!("Resources/{alarm}/Properties/AlarmDescription"))
                .and_then(|text| text.as_str())
                .is_some_and(|text| text.trim_end().ends_with(&place));
            if !described {
                findings.push(format!("the description of {alarm} does not end with: {place}"));
            }
        }
    }
    assert_none("the runbook and the alarms have to agree", &findings);
}

#[test]
fn what_the_runbook_quotes_is_on_the_dashboard_or_a_saved_query() {
    let template = read("template.yaml");
    let queries: Vec<String> = Template::load()
        .resources("AWS::Logs::QueryDefinition")
        .iter()
        .map(|query| {
            format!("{:?}", Template::load().at(&format!("Resources/{query}/Properties/Name")))
        })
        .collect();
    let text = read(PAGE);
    let quoted = between(&text, '"');
    let mut findings = Vec::new();
    for quote in quoted {
        let is_query = text.contains(&format!("query \"{quote}\""));
        if quote.ends_with('?') && !template.contains(&format!("\"title\":\"{quote}\"")) {
            findings.push(format!("no widget is titled {quote}"));
        }
        if is_query && !queries.iter().any(|name| name.contains(quote)) {
            findings.push(format!("no saved query is named {quote}"));
        }
    }
    assert_none("these are quoted and are not there", &findings);
}

/// Whether a text is written as names of metrics, parameters and resources are.
fn is_name(text: &str) -> bool {
    text.starts_with(|sign: char| sign.is_ascii_uppercase())
        && text.chars().any(|sign| sign.is_ascii_lowercase())
        && text.chars().all(|sign| sign.is_ascii_alphanumeric())
}

#[test]
fn every_metric_parameter_and_alarm_that_it_names_exists() {
    let template = Template::load();
    let mut known: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    for part in ["Parameters", "Resources", "Outputs"] {
        known.extend(template.entries(part).iter().map(|(name, _)| *name));
    }
    known.extend(METRICS_OF_AWS);
    known.extend(WORDS_OF_AWS);
    let text = read(PAGE);
    let named = between(&text, '`').map(|quoted| quoted.split(['=', ' ']).next().unwrap_or(quoted));
    let unknown = named.filter(|name| is_name(name) && !known.contains(name));
    let findings: Vec<_> = unknown.map(str::to_owned).collect();
    assert_none("the runbook names what does not exist", &findings);
}
