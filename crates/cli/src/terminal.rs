//! What may go to a terminal, and how a table looks there.

use std::io::Write;

/// The text without what a terminal would act on: a target or a client chose it.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = is_acted_on(character).then(|| character.escape_default());
            let plain = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Control characters, and those that turn the direction of the text around them.
fn is_acted_on(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints a line. A reader that has gone away (`| head`) is no error, and no reason to stop the work.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
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
    fn cells_stand_under_each_other() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let told =
            table(&[row(["ID", "WHY", "LAST"]), row(["a", "ärger", "x"]), row(["bcd", "", ""])]);
        assert_eq!(told, "ID   WHY    LAST\na    ärger  x\nbcd");
    }
}
