//! The template's parameters: defaults, values given on the command line, and their limits.
//!
//! AllowedPattern is not checked: it needs a regular expression engine that the deployed stack has and
//! the local one can do without.

use serde_json::Value as Json;
use serde_yaml_ng::{Mapping, Value as Yaml};
use std::collections::BTreeMap;

use super::evaluate::text_of;
use super::mistake::Mistakes;

/// The value of each parameter, as text: CloudFormation hands parameters on as texts.
pub(super) type Parameters = BTreeMap<String, String>;

/// What a parameter may say about itself.
const KNOWN: [&str; 11] = [
    "Type",
    "Default",
    "AllowedValues",
    "MinValue",
    "MaxValue",
    "Description",
    "AllowedPattern",
    "ConstraintDescription",
    "MinLength",
    "MaxLength",
    "NoEcho",
];

/// Reads the Parameters section; `given` values win over defaults and are held to the same limits.
pub(super) fn read(
    section: &Mapping,
    given: &BTreeMap<String, String>,
    mistakes: &mut Mistakes,
) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, declaration) in section {
        let name = name.as_str().unwrap_or_default();
        let path = format!("Parameters.{name}");
        let Ok(declaration) = serde_json::to_value(declaration) else {
            mistakes.add(&path, "is not a plain map");
            continue;
        };
        for key in declaration.as_object().into_iter().flat_map(|object| object.keys()) {
            if !KNOWN.contains(&key.as_str()) {
                mistakes.add(&path, format!("has {key}, which the local stack does not know"));
            }
        }
        let value =
            given.get(name).cloned().or_else(|| declaration.get("Default").and_then(text_of));
        match value {
            Some(value) => {
                judge(&path, &declaration, &value, mistakes);
                parameters.insert(name.to_owned(), value);
            }
            None => mistakes.add(&path, "has no default and no value was given for it"),
        }
    }
    for name in given.keys() {
        if !section.contains_key(Yaml::String(name.clone())) {
            mistakes.add(&format!("Parameters.{name}"), "was given a value but is not declared");
        }
    }
    parameters
}

fn judge(path: &str, declaration: &Json, value: &str, mistakes: &mut Mistakes) {
    match declaration.get("Type").and_then(Json::as_str) {
        Some("String") => {}
        Some("Number") => judge_number(path, declaration, value, mistakes),
        Some(other) => {
            mistakes
                .add(path, format!("has the type {other}, which the local stack does not know"));
        }
        None => mistakes.add(path, "has no Type"),
    }
    let allowed: Option<Vec<String>> = declaration
        .get("AllowedValues")
        .and_then(Json::as_array)
        .map(|values| values.iter().filter_map(text_of).collect());
    if let Some(allowed) = allowed
        && !allowed.iter().any(|candidate| candidate == value)
    {
        mistakes.add(path, format!("is `{value}`, not one of {}", allowed.join(", ")));
    }
}

fn judge_number(path: &str, declaration: &Json, value: &str, mistakes: &mut Mistakes) {
    let Ok(number) = value.parse::<f64>() else {
        mistakes.add(path, format!("is `{value}`, which is not a number"));
        return;
    };
    let bound = |key: &str| declaration.get(key).and_then(Json::as_f64);
    if let Some(minimum) = bound("MinValue")
        && number < minimum
    {
        mistakes.add(path, format!("is {value}, below the minimum of {minimum}"));
    }
    if let Some(maximum) = bound("MaxValue")
        && number > maximum
    {
        mistakes.add(path, format!("is {value}, above the maximum of {maximum}"));
    }
}
