//! What can be wrong with a template, gathered so that one look shows every mistake.
//!
//! It judges nothing itself: the readers beside it report here.

use std::fmt;
use std::path::PathBuf;

/// One thing in the template that the local stack cannot honour, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Dotted path from the top of the template, such as `Resources.DeliveryQueue.Properties.FifoQueue`.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.problem)
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(super) fn add(&mut self, path: &str, problem: impl Into<String>) {
        let mistake = Mistake { path: path.to_owned(), problem: problem.into() };
        // The template is described in two passes that share some properties.
        if !self.0.contains(&mistake) {
            self.0.push(mistake);
        }
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, TemplateError> {
        if self.0.is_empty() { Ok(value) } else { Err(TemplateError::Refused(self.0)) }
    }
}

/// Why a template gives no description.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file named on the command line cannot be read.
    #[error("the template {path} cannot be read")]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The text is not YAML.
    #[error("the template is not valid YAML")]
    NotYaml(#[source] serde_yaml_ng::Error),
    /// The template is YAML, and says things that the local stack cannot honour.
    #[error("the template cannot be honoured: {}", listing(.0))]
    Refused(Vec<Mistake>),
}

fn listing(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("\n  - {mistake}")).collect()
}
