//! docs/LOGGING.md lists the fields that the code's table has, and the code logs those and no others.

use std::collections::BTreeSet;

use relay_core::logs::{FIELDS, Field, field_named};
use relay_tests::{read, relative, root, walk};

use crate::assert_none;

/// The crates whose lines are the functions' own.
const CRATES: [&str; 5] = ["core", "aws", "ingest", "worker", "operate"];
/// The beginnings of macros that write lines and make spans.
const MACROS: [&str; 7] = [
    "tracing::error!(",
    "tracing::warn!(",
    "tracing::info!(",
    "tracing::debug!(",
    "tracing::trace!(",
    "tracing::$level!(",
    "error_span!(",
];
/// The formatter's own file, and what it writes that no macro names.
const FORMATTER: &str = "crates/aws/src/logging.rs";

fn row(field: &Field) -> String {
    let Field { name, kind, lines, meaning } = field;
    format!("| `{name}` | {} | {lines} | {meaning} |", kind.as_str())
}

#[test]
fn every_field_is_documented_as_the_code_has_it() {
    let text = read("docs/LOGGING.md");
    let missing = |row: &String| !text.lines().any(|line| line == row);
    let findings: Vec<_> = FIELDS.iter().map(row).filter(missing).collect();
    assert_none("docs/LOGGING.md has to hold these rows", &findings);
    let documented = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let unknown = documented.filter(|(name, _)| field_named(name).is_none());
    let findings: Vec<_> = unknown.map(|(name, _)| name.to_owned()).collect();
    assert_none("these are no fields", &findings);
}

/// The code of the functions without its tests, by file.
fn sources() -> Vec<(String, String)> {
    let folders: Vec<_> =
        CRATES.iter().map(|name| root().join("crates").join(name).join("src")).collect();
    let ours = walk("rs").into_iter().filter(|path| folders.iter().any(|it| path.starts_with(it)));
    let ours = ours.filter(|path| !path.ends_with("tests.rs"));
    let code = |text: String| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    ours.map(|path| (relative(&path), code(read(&path)))).collect()
}

/// The arguments of every macro in the text that writes a line or makes a span.
fn calls(text: &str) -> Vec<Vec<&str>> {
    let starts = MACROS
        .iter()
        .flat_map(|name| text.match_indices(name).map(move |(start, _)| start + name.len()));
    starts.map(|start| arguments(&text[start..])).collect()
}

/// What stands between the commas up to the end of a call that has just begun.
fn arguments(text: &str) -> Vec<&str> {
    let (mut found, mut begin, mut depth, mut in_text, mut is_escaped) =
        (Vec::new(), 0, 0_usize, false, false);
    for (at, sign) in text.char_indices() {
        if in_text {
            (in_text, is_escaped) = (sign != '"' || is_escaped, sign == '\\' && !is_escaped);
            continue;
        }
        match sign {
            '"' => in_text = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => {
                found.push(text[begin..at].trim());
                return found;
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    panic!("a call that does not end: {}", &text[..text.len().min(100)])
}

/// The name of the field that an argument is; none for a text.
fn name_of(argument: &str) -> Option<&str> {
    if argument.is_empty() || argument.starts_with('"') {
        return None;
    }
    let name = argument.split_once(" = ").map_or(argument, |(name, _)| name);
    let name = name.trim_start_matches(['%', '?']);
    Some(name.rsplit('.').next().unwrap_or(name))
}

#[test]
fn the_functions_log_the_fields_of_the_table_and_no_others() {
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut findings = Vec::new();
    for (path, text) in sources() {
        for name in calls(&text).into_iter().flatten().filter_map(name_of) {
            used.insert(name.to_owned());
            if field_named(name).is_none() {
                findings.push(format!("{path}: {name}"));
            }
        }
    }
    assert_none("fields that are not in the table", &findings);
    assert!(used.len() > 40, "only {} fields were found", used.len());
    let formatter = read(FORMATTER);
    let is_used = |field: &&Field| {
        used.contains(field.name) || formatter.contains(&format!("\"{}\"", field.name))
    };
    let unused = FIELDS.iter().filter(|field| !is_used(field));
    let findings: Vec<_> = unused.map(|field| field.name.to_owned()).collect();
    assert_none("fields of the table that nothing logs", &findings);
}

#[test]
fn fields_are_found_however_they_are_written() {
    let text =
        r#"tracing::warn!(%id, a.b, code = f("x, y", [1, 2]), ?why, "said \"so\", {x}"); x(y)"#;
    let found: Vec<_> = calls(text).into_iter().flatten().filter_map(name_of).collect();
    assert_eq!(found, ["id", "b", "code", "why"]);
}
