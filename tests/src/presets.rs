//! Reads the presets of samconfig.toml: what a test asks for, and only in the form that file uses.

use std::collections::BTreeMap;

use crate::read;

/// What one preset gives for the template's parameters.
#[derive(Debug)]
pub struct Preset {
    /// The name after `--config-env`.
    pub name: String,
    /// The stack that it deploys.
    pub stack_name: String,
    /// What the keys of uploaded code begin with; empty if the preset says nothing.
    pub code_prefix: String,
    /// Parameter name to value; a parameter that is absent has the template's default.
    pub overrides: BTreeMap<String, String>,
    /// Parameter name to the reason that stands beside its value; empty where none does.
    pub reasons: BTreeMap<String, String>,
}

/// All presets that samconfig.toml can deploy, in its order.
#[must_use]
pub fn presets() -> Vec<Preset> {
    let mut presets: Vec<Preset> = Vec::new();
    let mut in_deploy = false;
    let mut stack_name = String::new();
    for line in read("samconfig.toml").lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = section.strip_suffix(".deploy.parameters");
            in_deploy = name.is_some();
            if let Some(name) = name {
                presets.push(Preset {
                    name: name.to_owned(),
                    stack_name: std::mem::take(&mut stack_name),
                    code_prefix: String::new(),
                    overrides: BTreeMap::new(),
                    reasons: BTreeMap::new(),
                });
            }
        } else if let Some(name) = text_of(line, "stack_name") {
            // It stands in the section before the preset's own.
            name.clone_into(&mut stack_name);
        } else if in_deploy && let Some(prefix) = text_of(line, "s3_prefix") {
            let preset = presets.last_mut().expect("a prefix stands in a preset");
            prefix.clone_into(&mut preset.code_prefix);
        } else if in_deploy && let Some(entry) = line.strip_prefix('"') {
            let (entry, rest) = entry.split_once('"').expect("an override ends on its line");
            let reason = rest.trim_start_matches(',').trim().trim_start_matches('#').trim();
            let (key, value) = entry.split_once('=').expect("an override is Name=value");
            let preset = presets.last_mut().expect("an override stands in a preset");
            preset.overrides.insert(key.to_owned(), value.to_owned());
            preset.reasons.insert(key.to_owned(), reason.to_owned());
        }
    }
    presets
}

/// What stands in quotes in the line `key = "…"`.
fn text_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?
        .trim_start()
        .strip_prefix('=')?
        .trim()
        .strip_prefix('"')?
        .strip_suffix('"')
}
