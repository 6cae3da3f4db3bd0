//! How a new version takes over: by an alias that everything calls, in the right order, watched by alarms, and
//! moved by a role that can do nothing else.

use std::collections::BTreeSet;

use relay_tests::{Reference, Template, strings};
use serde_yaml_ng::Value;

const ALIAS: &str = "live";
/// What an alias stands in front of: the two functions whose callers wait.
const BEHIND_AN_ALIAS: [&str; 2] = ["IngestFunction", "WorkerFunction"];
/// Properties of a function that are no part of its own configuration: they say how it is called and deployed.
const AROUND_A_FUNCTION: [&str; 4] =
    ["DeploymentPreference", "Events", "ProvisionedConcurrencyConfig", "VersionDescription"];
/// The longest description that Lambda keeps of a version.
const DESCRIPTION_CHARACTERS_MAX: usize = 256;
/// What CodeDeploy calls to move an alias that may have provisioned concurrency.
const MOVES_AN_ALIAS: [&str; 3] =
    ["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"];

fn properties<'a>(template: &'a Template, name: &str) -> &'a Value {
    template.at(&format!("Resources/{name}/Properties"))
}

/// Names of all parameters that a value refers to, by `!Ref` or within a `!Sub`.
fn parameters_in(template: &Template, value: &Value, found: &mut BTreeSet<String>) {
    let mut add = |name: &str| {
        if template.find(&format!("Parameters/{name}")).is_some() {
            found.insert(name.to_owned());
        }
    };
    match Reference::of(value) {
        Some(Reference::Ref(name)) => add(name),
        Some(Reference::Sub(text)) => {
            let names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
            names.for_each(|(name, _)| add(name));
        }
        Some(Reference::GetAtt(_)) => {}
        None => match value {
            Value::Sequence(all) => all.iter().for_each(|it| parameters_in(template, it, found)),
            Value::Mapping(all) => all.values().for_each(|it| parameters_in(template, it, found)),
            Value::Tagged(tagged) => parameters_in(template, &tagged.value, found),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        },
    }
}

/// The parameters that the configuration of a function holds: whose change is a change of the function.
fn configuration_of(template: &Template, function: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let own = template.entries(&format!("Resources/{function}/Properties"));
    for (name, value) in own.into_iter().chain(template.entries("Globals/Function")) {
        if !AROUND_A_FUNCTION.contains(&name) {
            parameters_in(template, value, &mut found);
        }
    }
    found
}

#[test]
fn the_api_and_the_event_source_call_an_alias() {
    let template = Template::load();
    for function in template.resources("AWS::Serverless::Function") {
        let properties = properties(&template, function);
        let alias = properties.get("AutoPublishAlias").and_then(Value::as_str);
        let is_behind = BEHIND_AN_ALIAS.contains(&function);
        assert_eq!(alias, is_behind.then_some(ALIAS), "{function}");
        // Or a change of the timeout would change nothing that anybody calls.
        let all = properties.get("AutoPublishAliasAllProperties").and_then(Value::as_bool);
        assert_eq!(all, is_behind.then_some(true), "{function}");
        // SAM gives every event of a function with an alias that alias; nothing else makes integrations.
        let events = template.entries(&format!("Resources/{function}/Properties/Events"));
        let called = events.iter().any(|(_, it)| it["Type"] == "HttpApi" || it["Type"] == "SQS");
        assert_eq!(called, is_behind, "{function}");
    }
    assert_eq!(template.find("Resources/HttpApi/Properties/DefinitionBody"), None);
}

#[test]
fn a_version_is_told_apart_by_every_parameter_of_its_function_and_by_no_other() {
    let template = Template::load();
    for function in BEHIND_AN_ALIAS {
        let description = &properties(&template, function)["VersionDescription"];
        let mut named = BTreeSet::new();
        parameters_in(&template, description, &mut named);
        // One that is missing would change and not arrive; one too many would ask for a version of a function that
        // has not changed, which Lambda refuses.
        assert_eq!(named, configuration_of(&template, function), "{function}");
    }
}

#[test]
fn the_longest_description_of_a_version_is_taken() {
    let template = Template::load();
    for function in BEHIND_AN_ALIAS {
        let named = configuration_of(&template, function);
        let longest = |name: &String| {
            let parameter = template.parameter(name);
            let listed = parameter.allowed.iter().map(String::len).max();
            let number = parameter.maximum.map(|maximum| maximum.to_string().len());
            let text = template.find(&format!("Parameters/{name}/MaxLength"));
            let text = text.and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
            let longest = listed.or(number).or(text);
            longest.unwrap_or_else(|| panic!("{name} has no end: give it a MaxLength"))
        };
        let characters: usize = named.iter().map(|name| longest(name) + 1).sum();
        assert!(characters <= DESCRIPTION_CHARACTERS_MAX, "{function}: {characters} characters");
    }
}

#[test]
fn who_reads_changes_over_before_who_writes() {
    let template = Template::load();
    let ingest = template.at("Resources/IngestFunction");
    assert_eq!(ingest["DependsOn"], format!("WorkerFunctionAlias{ALIAS}"));
    // Nothing of the worker's deployment may wait for ingest: the two would wait for each other.
    let mut waits_for = Vec::new();
    for name in ["WorkerDeploymentRole", "WorkerErrorsAlarm", "SetbacksAlarm"] {
        let text = serde_yaml_ng::to_string(template.at(&format!("Resources/{name}")));
        if text.expect("it is YAML").contains("IngestFunction") {
            waits_for.push(name);
        }
    }
    assert_eq!(waits_for, Vec::<&str>::new());
}

#[test]
fn alarms_that_exist_and_of_which_silence_is_no_reason_to_ring_turn_a_version_back() {
    let template = Template::load();
    let metric_alarms = template.resources("AWS::CloudWatch::Alarm");
    for (function, expected) in [
        ("IngestFunction", &["IngestErrorsAlarm", "WorkerErrorsAlarm", "SetbacksAlarm"][..]),
        ("WorkerFunction", &["WorkerErrorsAlarm", "SetbacksAlarm"]),
    ] {
        let preference = &properties(&template, function)["DeploymentPreference"];
        assert_eq!(
            Reference::of(&preference["Enabled"]),
            Some(Reference::Ref("GradualDeployment"))
        );
        let kind = Reference::of(&preference["Type"]);
        assert_eq!(kind, Some(Reference::Ref("DeploymentPreference")));
        let alarms = strings(&preference["Alarms"]);
        assert_eq!(alarms, expected, "{function}");
        for alarm in alarms {
            assert!(metric_alarms.contains(&alarm), "{alarm}");
            let properties = properties(&template, alarm);
            assert_eq!(properties["TreatMissingData"], "notBreaching", "{alarm}");
        }
    }
    assert_eq!(template.parameter("GradualDeployment").default, "false");
}

/// Every `Period` of an alarm, of its one metric or of those that its expression is made of.
fn periods_seconds(value: &Value, found: &mut Vec<i64>) {
    match value {
        Value::Mapping(all) => {
            found.extend(all.get("Period").and_then(Value::as_i64));
            all.values().for_each(|inner| periods_seconds(inner, found));
        }
        Value::Sequence(all) => all.iter().for_each(|inner| periods_seconds(inner, found)),
        Value::Tagged(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn by_default_every_alarm_has_time_to_ring_while_few_are_served_by_the_new_version() {
    let template = Template::load();
    let kind = template.parameter("DeploymentPreference").default;
    let minutes = kind.strip_prefix("Canary10Percent").and_then(|it| it.strip_suffix("Minutes"));
    let minutes: i64 = minutes.and_then(|it| it.parse().ok()).expect("a canary, for some minutes");
    for alarm in ["IngestErrorsAlarm", "WorkerErrorsAlarm", "SetbacksAlarm"] {
        let alarm_properties = properties(&template, alarm);
        let mut periods = Vec::new();
        periods_seconds(alarm_properties, &mut periods);
        let period = periods.into_iter().max().expect("an alarm has a period");
        let points = alarm_properties["DatapointsToAlarm"].as_i64().expect("M of N");
        // One more: the first is the one in which the new version begins.
        let rings_after_seconds = (points + 1) * period;
        assert!(rings_after_seconds <= minutes * 60, "{alarm}: {rings_after_seconds} s");
    }
}

#[test]
fn codedeploy_moves_one_alias_and_looks_at_alarms() {
    let template = Template::load();
    for function in BEHIND_AN_ALIAS {
        let role = format!("{}DeploymentRole", function.trim_end_matches("Function"));
        let given = strings(&properties(&template, function)["DeploymentPreference"]["Role"]);
        assert_eq!(given, ["UseCodeDeploy", &format!("{role}.Arn"), "AWS::NoValue"]);
        assert_eq!(template.at(&format!("Resources/{role}/Condition")), "UseCodeDeploy");
        let role = properties(&template, &role);
        let trust = &role["AssumeRolePolicyDocument"]["Statement"];
        assert_eq!(trust[0]["Principal"]["Service"], "codedeploy.amazonaws.com");
        assert_eq!(trust.as_sequence().map(Vec::len), Some(1));
        let [policy] = role["Policies"].as_sequence().map(Vec::as_slice).expect("a list") else {
            panic!("one policy")
        };
        let statements = policy["PolicyDocument"]["Statement"].as_sequence().map(Vec::as_slice);
        let Some([alias, alarms]) = statements else { panic!("two statements") };
        assert_eq!(strings(&alias["Action"]), MOVES_AN_ALIAS);
        let function = [format!("{function}.Arn"), format!("${{{function}.Arn}}:*")];
        assert_eq!(strings(&alias["Resource"]), function);
        assert_eq!(strings(&alarms["Action"]), ["cloudwatch:DescribeAlarms"]);
    }
}

#[test]
fn environments_are_kept_ready_only_where_somebody_asks_for_them() {
    let template = Template::load();
    for (function, parameter) in [
        ("IngestFunction", "IngestProvisionedConcurrency"),
        ("WorkerFunction", "WorkerProvisionedConcurrency"),
    ] {
        assert_eq!(template.parameter(parameter).default, "0");
        let config = &properties(&template, function)["ProvisionedConcurrencyConfig"];
        let Value::Tagged(config) = config else { panic!("{function}: it is conditional") };
        assert_eq!(config.value[0], format!("Use{parameter}"));
        let ready = Reference::of(&config.value[1]["ProvisionedConcurrentExecutions"]);
        assert_eq!(ready, Some(Reference::Ref(parameter)));
    }
    for name in ["IngestScaling", "IngestScalingPolicy"] {
        let resource = template.at(&format!("Resources/{name}"));
        assert_eq!(resource["Condition"], "UseIngestProvisionedConcurrency", "{name}");
        let of = Reference::of(&resource["Properties"]["ResourceId"]);
        let expected = format!("function:${{IngestFunction}}:{ALIAS}");
        assert_eq!(of, Some(Reference::Sub(&expected)), "{name}");
    }
}

#[test]
fn one_switch_pauses_delivery_and_nothing_else() {
    let template = Template::load();
    let source = template.at("Resources/WorkerFunction/Properties/Events/Queue/Properties");
    assert_eq!(Reference::of(&source["Enabled"]), Some(Reference::Ref("DeliveryEnabled")));
    let switch = template.parameter("DeliveryEnabled");
    assert_eq!((switch.default.as_str(), switch.allowed.len()), ("true", 2));
    // No function is told of it: a new version for a pause would be one that changes nothing.
    for function in BEHIND_AN_ALIAS {
        assert!(!configuration_of(&template, function).contains("DeliveryEnabled"));
    }
}
