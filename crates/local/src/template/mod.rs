//! Reads template.yaml, the one description of the stack, for this machine.
//!
//! What the local stack cannot honour is refused by name, all of it at once; what it knowingly does not
//! simulate is listed in the reader of each resource. Nothing is started here.

mod api;
mod conditions;
pub mod description;
mod evaluate;
mod function;
mod globals;
mod mistake;
mod names;
mod parameters;
mod properties;
mod resources;
mod role;
mod schedule;
mod secret;
mod storage;
mod substitute;
#[cfg(test)]
mod tests;

use serde_yaml_ng::{Mapping, Value as Yaml};
use std::collections::BTreeMap;
use std::path::Path;

pub use description::Description;
pub use mistake::{Mistake, TemplateError};

use evaluate::Evaluator;
use mistake::Mistakes;

/// Sections of a template that are understood, or say nothing about what runs.
const KNOWN_SECTIONS: [&str; 9] = [
    "AWSTemplateFormatVersion",
    "Transform",
    "Description",
    "Metadata",
    "Parameters",
    "Conditions",
    "Globals",
    "Resources",
    "Outputs",
];

/// Where the stack runs: what the template's references are answered from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The region that services are told.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    /// Prefix of the names that are made here.
    pub stack_name: String,
    /// Start of queue URLs, such as `http://127.0.0.1:9324`, without a slash at the end.
    pub sqs_endpoint: String,
}

/// A template that has been read but not yet evaluated.
#[derive(Debug, Clone)]
pub struct Template {
    sections: Mapping,
}

impl Template {
    /// Reads the template's text.
    ///
    /// # Errors
    /// When the text is not a YAML map.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        serde_yaml_ng::from_str(text)
            .map(|sections| Self { sections })
            .map_err(TemplateError::NotYaml)
    }

    /// Reads the template from a file.
    ///
    /// # Errors
    /// When the file cannot be read or is not a YAML map.
    pub fn read(path: &Path) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TemplateError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Evaluates the template. `parameters` are values for its parameters that win over their defaults.
    ///
    /// # Errors
    /// When the template says anything that the local stack cannot honour; all of it is listed.
    pub fn describe(
        &self,
        surroundings: &Surroundings,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Description, TemplateError> {
        let mut mistakes = Mistakes::default();
        for section in self.sections.keys().filter_map(Yaml::as_str) {
            if !KNOWN_SECTIONS.contains(&section) {
                mistakes.add(section, "is a section that the local stack does not know");
            }
        }
        let parameters = parameters::read(&self.section("Parameters"), parameters, &mut mistakes);
        let conditions: BTreeMap<String, Yaml> = self
            .section("Conditions")
            .into_iter()
            .filter_map(|(name, condition)| Some((name.as_str()?.to_owned(), condition)))
            .collect();
        let resources =
            resources::list(&self.section("Resources"), &self.section("Globals"), &mut mistakes);
        let names =
            resources::name_all(&resources, surroundings, &parameters, &conditions, &mut mistakes);
        let evaluator = Evaluator { references: &names, conditions: &conditions };
        let description = resources::read_all(&resources, &evaluator, &mut mistakes);
        for (name, output) in self.section("Outputs") {
            let path = format!("Outputs.{}", name.as_str().unwrap_or_default());
            evaluator.evaluate(&path, &output, &mut mistakes);
        }
        mistakes.into_result(description)
    }

    fn section(&self, name: &str) -> Mapping {
        self.sections.get(name).and_then(Yaml::as_mapping).cloned().unwrap_or_default()
    }
}
