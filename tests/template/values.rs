//! What the template gives the functions, read by the functions' own code: every value that a parameter
//! allows has to be one that the settings take, or a stack deploys and then fails at its first message.

use std::collections::BTreeMap;

use relay_core::settings::{ALL, IngestSettings, ReconcilerSettings, WorkerSettings};
use relay_tests::{Parameter, Reference, Template, presets};

const SHARED: &str = "Globals/Function/Environment/Variables";
const WORKER: &str = "Resources/WorkerFunction/Properties/Environment/Variables";

/// Each variable of the worker, which has all of them, with what `choose` gives for its parameter.
fn environment(
    template: &Template,
    choose: &dyn Fn(&Parameter) -> String,
) -> BTreeMap<String, String> {
    let mut entries = template.entries(SHARED);
    entries.extend(template.entries(WORKER));
    let value = |value| match Reference::of(value) {
        Some(Reference::Ref(name)) if template.find(&format!("Parameters/{name}")).is_some() => {
            choose(&template.parameter(name))
        }
        Some(Reference::Ref(resource)) => format!("the-{resource}"),
        Some(other) => panic!("a variable is a text or a !Ref, not {other:?}"),
        None => relay_tests::strings(value).concat(),
    };
    entries.into_iter().map(|(name, given)| (name.to_owned(), value(given))).collect()
}

/// Fails with everything that the functions would say at their start.
fn assert_taken(what: &str, environment: &BTreeMap<String, String>) {
    let lookup = |name: &str| environment.get(name).cloned();
    let worker = WorkerSettings::read(&lookup).map_err(|errors| errors.to_string());
    let ingest = IngestSettings::read(&lookup).map_err(|errors| errors.to_string());
    assert_eq!(worker.err(), None, "{what}: the worker does not start");
    let reconciler = ReconcilerSettings::read(&lookup).map_err(|errors| errors.to_string());
    assert_eq!(ingest.err(), None, "{what}: ingest does not start");
    assert_eq!(reconciler.err(), None, "{what}: the reconciler does not start");
}

fn text_of(number: Option<i64>, parameter: &Parameter) -> String {
    number.map_or_else(|| parameter.default.clone(), |number| number.to_string())
}

#[test]
fn the_template_sets_exactly_the_settings_there_are() {
    let template = Template::load();
    let environment = environment(&template, &|parameter| parameter.default.clone());
    let mut known: Vec<_> = ALL.iter().map(|setting| setting.name).collect();
    known.sort_unstable();
    assert_eq!(environment.keys().map(String::as_str).collect::<Vec<_>>(), known);
}

#[test]
fn the_template_and_the_code_have_the_same_defaults() {
    let template = Template::load();
    let environment = environment(&template, &|parameter| parameter.default.clone());
    for setting in ALL {
        if let Some(default) = setting.default {
            assert_eq!(environment[setting.name], default, "{}", setting.name);
        }
    }
}

#[test]
fn every_function_starts_with_the_defaults_and_at_both_ends() {
    let template = Template::load();
    assert_taken("defaults", &environment(&template, &|parameter| parameter.default.clone()));
    assert_taken("minima", &environment(&template, &|it| text_of(it.minimum, it)));
    assert_taken("maxima", &environment(&template, &|it| text_of(it.maximum, it)));
}

#[test]
fn every_function_starts_with_either_end_of_each_parameter_alone() {
    let template = Template::load();
    for varied in template.parameters() {
        for end in [varied.minimum, varied.maximum] {
            let choose = |it: &Parameter| {
                if it.name == varied.name { text_of(end, it) } else { it.default.clone() }
            };
            assert_taken(&format!("{}={end:?}", varied.name), &environment(&template, &choose));
        }
    }
}

#[test]
fn every_function_starts_with_every_listed_value() {
    let template = Template::load();
    for listed in template.parameters() {
        for value in &listed.allowed {
            let choose = |it: &Parameter| {
                if it.name == listed.name { value.clone() } else { it.default.clone() }
            };
            assert_taken(&format!("{}={value}", listed.name), &environment(&template, &choose));
        }
    }
}

#[test]
fn every_function_starts_with_every_preset() {
    let template = Template::load();
    for preset in presets() {
        let choose = |it: &Parameter| {
            preset.overrides.get(it.name).cloned().unwrap_or_else(|| it.default.clone())
        };
        assert_taken(&preset.name, &environment(&template, &choose));
    }
}

#[test]
fn only_who_signs_is_told_of_the_master_secret_and_nobody_of_its_text() {
    let template = Template::load();
    let shared = template.entries(SHARED);
    assert!(shared.iter().all(|(name, _)| !name.contains("SECRET")));
    for function in ["IngestFunction", "WorkerFunction"] {
        let variables =
            template.entries(&format!("Resources/{function}/Properties/Environment/Variables"));
        let [(name, value)] = variables.as_slice() else { panic!("{function}: one of its own") };
        assert_eq!(*name, "MASTER_SECRET_ID", "{function}");
        // The name of the secret, whose text is read where it is kept and stands nowhere else.
        assert_eq!(Reference::of(value), Some(Reference::Ref("MasterSecret")), "{function}");
    }
    assert_eq!(template.find("Resources/ReconcilerFunction/Properties/Environment"), None);
    let secret = |parameter: &Parameter| parameter.name.contains("Secret");
    assert!(!template.parameters().iter().any(secret), "a secret is no parameter");
}
