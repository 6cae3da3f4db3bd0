//! What may go to a terminal, and how a table looks there.

use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

use relay_core::printable::is_acted_on;
pub(crate) use relay_core::printable::printable;
use serde_json::Value;

/// Why standard output could not be written, if it could not.
static NOT_WRITTEN: OnceLock<String> = OnceLock::new();

/// Prints a line of the result. A reader that has gone away (`| head`) is no error, a full disk is one; neither
/// is a reason to stop the work.
pub(crate) fn line(text: &str) {
    // A newline flushes, so nothing fails later.
    if let Err(error) = writeln!(std::io::stdout(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = NOT_WRITTEN.set(error.to_string());
    }
}

/// Why a line of the result was not written, if one was not.
pub(crate) fn not_written() -> Option<&'static str> {
    NOT_WRITTEN.get().map(String::as_str)
}

/// Tells people something beside the result. If they cannot be told, the work goes on all the same.
pub(crate) fn note(text: &str) {
    let text: Vec<String> = text.lines().map(printable).collect();
    let _ = writeln!(std::io::stderr(), "relay: {}", text.join("\n"));
}

/// The JSON on one line, with everything escaped that a terminal would act on. It means the same.
pub(crate) fn compact(value: &Value) -> String {
    escaped(&value.to_string())
}

/// The same in many lines.
pub(crate) fn indented(value: &Value) -> String {
    escaped(&format!("{value:#}"))
}

/// JSON has control characters and the like within its strings only, but for its own line ends.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_acted_on(character) {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

/// Lines with their cells under each other. The first is the head.
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_written_out() {
        assert_eq!(printable("a\u{1b}[2J\r\nä\u{202e}"), "a\\u{1b}[2J\\r\\nä\\u{202e}");
    }

    #[test]
    fn json_means_the_same_without_what_a_terminal_acts_on() {
        let value = serde_json::json!({"a": "\u{7f}\u{9b}2J\u{202e}\u{1b}\n", "b": [1]});
        assert_eq!(compact(&value), r#"{"a":"\u007f\u009b2J\u202e\u001b\n","b":[1]}"#);
        for text in [compact(&value), indented(&value)] {
            assert!(!text.chars().any(|one| one != '\n' && is_acted_on(one)), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).ok().as_ref(), Some(&value));
        }
    }

    #[test]
    fn cells_stand_under_each_other() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let told =
            table(&[row(["ID", "WHY", "LAST"]), row(["a", "ärger", "x"]), row(["bcd", "", ""])]);
        assert_eq!(told, "ID   WHY    LAST\na    ärger  x\nbcd");
    }
}
