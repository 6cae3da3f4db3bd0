//! Reads the presets of samconfig.toml: only the parameter overrides, only in the form that file uses.

use std::collections::BTreeMap;

use crate::read;

/// What one preset gives for the template's parameters.
#[derive(Debug)]
pub struct Preset {
    /// The name after `--config-env`.
    pub name: String,
    /// Parameter name to value; a parameter that is absent has the template's default.
    pub overrides: BTreeMap<String, String>,
}

/// All presets that samconfig.toml can deploy, in its order.
#[must_use]
pub fn presets() -> Vec<Preset> {
    let mut presets: Vec<Preset> = Vec::new();
    let mut in_deploy = false;
    for line in read("samconfig.toml").lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = section.strip_suffix(".deploy.parameters");
            in_deploy = name.is_some();
            if let Some(name) = name {
                presets.push(Preset { name: name.to_owned(), overrides: BTreeMap::new() });
            }
        } else if in_deploy && let Some(entry) = line.strip_prefix('"') {
            let entry = entry.trim_end_matches([',', '"']);
            let (key, value) = entry.split_once('=').expect("an override is Name=value");
            let preset = presets.last_mut().expect("an override stands in a preset");
            preset.overrides.insert(key.to_owned(), value.to_owned());
        }
    }
    presets
}
