//! Reads settings one by one and gathers every mistake, so that an operator sees them all at once.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::setting;

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct SettingError {
    name: &'static str,
    problem: String,
}

/// Every setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsErrors(pub(super) Vec<SettingError>);

impl std::error::Error for SettingsErrors {}

/// One line for each mistake.
impl fmt::Display for SettingsErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("settings that cannot be used:")?;
        self.0.iter().try_for_each(|mistake| write!(formatter, "\n  {mistake}"))
    }
}

/// Reads by name through a lookup function and remembers what is wrong. A value that could not be read
/// comes back as the type's own default and never leaves the reader's user: the mistakes are told first.
pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<SettingError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, mistakes: Vec::new() }
    }

    pub(super) fn text(&mut self, name: &'static str) -> String {
        let given = (self.lookup)(name).filter(|value| !value.is_empty());
        let default = setting(name).and_then(|setting| setting.default);
        match given.or_else(|| default.map(str::to_owned)) {
            Some(value) => value,
            None => {
                self.wrong(name, format!("is not set; expected {}", expects(name)));
                String::new()
            }
        }
    }

    /// Reads with `parse`. A bad value is shown: no setting is a secret.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        otherwise: T,
    ) -> T {
        let value = self.text(name);
        parse(&value).unwrap_or_else(|| {
            self.wrong(name, format!("is {value:?}; expected {}", expects(name)));
            otherwise
        })
    }

    pub(super) fn whole(&mut self, name: &'static str, range: RangeInclusive<u64>) -> u64 {
        let parse = |text: &str| text.parse().ok().filter(|number| range.contains(number));
        self.parsed(name, parse, *range.start())
    }

    pub(super) fn number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> f64 {
        let parse = |text: &str| text.parse().ok().filter(|number| range.contains(number));
        self.parsed(name, parse, *range.start())
    }

    pub(super) fn seconds(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Duration {
        Duration::from_secs_f64(self.number(name, range))
    }

    pub(super) fn wrong(&mut self, name: &'static str, problem: String) {
        self.mistakes.push(SettingError { name, problem });
    }

    /// Checks how settings stand to each other; pointless while single ones are wrong.
    pub(super) fn require(&mut self, name: &'static str, holds: bool, rule: &str) {
        if self.mistakes.is_empty() && !holds {
            self.wrong(name, rule.to_owned());
        }
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, SettingsErrors> {
        if self.mistakes.is_empty() { Ok(value) } else { Err(SettingsErrors(self.mistakes)) }
    }
}

fn expects(name: &str) -> &'static str {
    setting(name).map_or("a value", |setting| setting.expects)
}
