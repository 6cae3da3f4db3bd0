//! Parameters, presets and environment variables belong together: none is unused, none is unknown.

use relay_tests::{Parameter, Preset, Reference, Template, presets, read};

/// Where a function's environment variables are given.
const VARIABLES: [&str; 3] = [
    "Globals/Function/Environment/Variables",
    "Resources/IngestFunction/Properties/Environment/Variables",
    "Resources/WorkerFunction/Properties/Environment/Variables",
];

/// How long a body outlives its message, so that a redrive at the last moment still finds it.
const PAYLOAD_MARGIN_DAYS: i64 = 7;

/// Lambda takes batches above this size only with a batching window.
const BATCH_SIZE_WITHOUT_WINDOW_MAX: i64 = 10;

fn value_of(template: &Template, preset: &Preset, name: &str) -> i64 {
    let given = preset.overrides.get(name).cloned();
    let text = given.unwrap_or_else(|| template.parameter(name).default);
    text.parse().unwrap_or_else(|_| panic!("{}: {name} is no number: {text}", preset.name))
}

#[test]
fn every_parameter_is_described_used_and_takes_its_own_default() {
    let template = Template::load();
    let text = read("template.yaml");
    for Parameter { name, description, .. } in template.parameters() {
        assert!(!description.is_empty(), "{name} has no description");
        assert!(text.contains(&format!("!Ref {name}")), "{name} is not used");
        let parameter = template.parameter(name);
        assert!(parameter.accepts(&parameter.default), "{name} refuses its own default");
    }
}

#[test]
fn every_parameter_is_shown_in_one_group() {
    let template = Template::load();
    let groups = template.at("Metadata/AWS::CloudFormation::Interface/ParameterGroups");
    let groups = groups.as_sequence().expect("a list of groups").iter();
    let mut shown: Vec<_> =
        groups.flat_map(|group| relay_tests::strings(&group["Parameters"])).collect();
    shown.sort_unstable();
    let mut all: Vec<_> = template.parameters().iter().map(|parameter| parameter.name).collect();
    all.sort_unstable();
    assert_eq!(shown, all);
}

#[test]
fn a_parameter_for_a_setting_names_it_first() {
    let template = Template::load();
    for (variable, value) in VARIABLES.iter().flat_map(|path| template.entries(path)) {
        let Some(Reference::Ref(name)) = Reference::of(value) else { continue };
        if template.find(&format!("Parameters/{name}")).is_some() {
            let description = template.parameter(name).description;
            assert!(description.starts_with(&format!("{variable}. ")), "{name}: {description}");
        }
    }
}

#[test]
fn the_presets_are_these() {
    let names: Vec<_> = presets().into_iter().map(|preset| preset.name).collect();
    assert_eq!(names, ["default", "dev", "staging", "production"]);
}

#[test]
fn every_value_of_a_preset_differs_from_the_default_and_says_why() {
    let template = Template::load();
    for preset in presets() {
        for (name, value) in &preset.overrides {
            assert_ne!(*value, template.parameter(name).default, "{}: {name}", preset.name);
            assert!(!preset.reasons[name].is_empty(), "{}: {name} without a reason", preset.name);
        }
    }
}

#[test]
fn every_preset_has_a_stack_of_its_own_but_the_default_which_is_the_first_production() {
    let text = read("samconfig.toml");
    let mut stacks: Vec<_> = text.lines().filter(|line| line.starts_with("stack_name")).collect();
    assert_eq!(stacks.len(), presets().len());
    stacks.sort_unstable();
    stacks.dedup();
    assert_eq!(stacks.len() + 1, presets().len());
}

#[test]
fn production_and_staging_change_versions_by_the_same_means() {
    for preset in presets() {
        let is_gradual = preset.overrides.get("GradualDeployment").map(String::as_str);
        let expected = ["staging", "production"].contains(&preset.name.as_str()).then_some("true");
        assert_eq!(is_gradual, expected, "{}", preset.name);
        assert!(!preset.overrides.contains_key("DeliveryEnabled"), "a pause is not a preset");
    }
}

#[test]
fn every_preset_gives_values_that_the_template_takes() {
    let template = Template::load();
    for preset in presets() {
        for (name, value) in &preset.overrides {
            let known = template.find(&format!("Parameters/{name}")).is_some();
            assert!(known, "{}: there is no parameter {name}", preset.name);
            assert!(template.parameter(name).accepts(value), "{}: {name}={value}", preset.name);
        }
    }
}

#[test]
fn in_every_preset_bodies_outlive_their_messages() {
    let template = Template::load();
    for preset in presets() {
        let message = value_of(&template, &preset, "MessageTtlDays");
        let body = value_of(&template, &preset, "PayloadExpirationDays");
        assert!(message + PAYLOAD_MARGIN_DAYS <= body, "{}: {message} and {body}", preset.name);
    }
}

#[test]
fn in_every_preset_lambda_takes_the_event_source() {
    let template = Template::load();
    for preset in presets() {
        let get = |name| value_of(&template, &preset, name);
        let wants_window = get("BatchSize") > BATCH_SIZE_WITHOUT_WINDOW_MAX;
        assert!(!wants_window || get("BatchWindowSeconds") >= 1, "{}", preset.name);
        let (fewest, most) = (get("ProvisionedPollersMin"), get("ProvisionedPollersMax"));
        assert!(most == 0 || (2 <= fewest && fewest <= most), "{}: {fewest}..{most}", preset.name);
    }
}

#[test]
fn production_waits_for_no_batch_and_keeps_pollers_ready() {
    let template = Template::load();
    let all = presets();
    let production = all.iter().find(|preset| preset.name == "production").expect("it is there");
    assert_eq!(value_of(&template, production, "BatchSize"), 10);
    assert_eq!(value_of(&template, production, "BatchWindowSeconds"), 0);
    assert!(value_of(&template, production, "ProvisionedPollersMax") > 0);
}
