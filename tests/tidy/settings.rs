//! docs/SETTINGS.md says what the code's table of settings says, row by row.

use relay_core::settings::{ALL, Setting};
use relay_tests::read;

use crate::assert_none;

/// Rows that are not settings of ours: the SDK's own variables.
const NOT_OURS: &str = "AWS_";

fn row(setting: &Setting) -> String {
    let default = match setting.default {
        None => "required".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
    };
    format!("| `{}` | {default} | {} | {} |", setting.name, setting.expects, setting.meaning)
}

/// The name that a table row begins with, if it begins with one.
fn name_in(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
    let is_name = |sign: char| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_';
    name.chars().all(is_name).then_some(name)
}

#[test]
fn every_setting_is_documented_as_the_code_has_it() {
    let text = read("docs/SETTINGS.md");
    let missing = |row: &String| !text.lines().any(|line| line == row);
    let findings: Vec<_> = ALL.iter().map(row).filter(missing).collect();
    assert_none("docs/SETTINGS.md has to hold these rows", &findings);
}

#[test]
fn nothing_is_documented_that_the_code_does_not_read() {
    let text = read("docs/SETTINGS.md");
    let named = text.lines().filter_map(name_in);
    let unknown = named.filter(|name| {
        !name.starts_with(NOT_OURS) && ALL.iter().all(|setting| setting.name != *name)
    });
    assert_none("these are no settings", &unknown.map(str::to_owned).collect::<Vec<_>>());
}
