//! The table of all measures, for people and as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::statistics::Sample;

/// What a measure is held to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// It is only shown.
    None,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Of the twelve measures, or 0 for the guard.
    pub number: u8,
    /// What was measured, with its unit.
    pub what: String,
    /// What nobody can go below or above.
    pub floor: String,
    /// What it is held to.
    pub bar: Bar,
    /// What was measured; nothing if it could not be.
    pub now: Option<Sample>,
    /// Of how many measurements.
    pub repeats: usize,
    /// What it is made of, why it misses, or why it was not measured.
    pub note: String,
}

/// Digits after the point to which a number is held to its bar.
const DECIMALS: i32 = 3;

impl Row {
    /// A line of this measure.
    #[must_use]
    pub fn new(number: u8, what: impl Into<String>, floor: impl Into<String>, bar: Bar) -> Self {
        let (what, floor) = (what.into(), floor.into());
        Self { number, what, floor, bar, now: None, repeats: 0, note: String::new() }
    }

    /// With what was counted, once and exactly.
    #[must_use]
    pub fn counted(self, value: f64) -> Self {
        Self { now: Some(Sample::exact(value)), repeats: 1, ..self }
    }

    /// With what was measured several times.
    #[must_use]
    pub fn measured(self, values: &[f64]) -> Self {
        Self { now: Some(Sample::of(values)), repeats: values.len(), ..self }
    }

    /// With a word on it.
    #[must_use]
    pub fn noting(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// Whether it is at or past its bar; nothing if it has none. What was not measured misses.
    #[must_use]
    pub fn holds(&self) -> Option<bool> {
        let scale = 10_f64.powi(DECIMALS);
        let now = self.now.map(|now| (now.median * scale).round() / scale);
        match self.bar {
            Bar::AtMost(most) => Some(now.is_some_and(|now| now <= most)),
            Bar::AtLeast(least) => Some(now.is_some_and(|now| now >= least)),
            Bar::None => None,
        }
    }
}

/// All lines of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of the program.
    pub version: String,
    /// `rustc`'s name of this machine's architecture.
    pub architecture: &'static str,
    /// Milliseconds since 1970.
    pub measured_at_millis: u64,
    /// The allocator, which has a say in measures 5, 8 and 10.
    pub allocator: &'static str,
    /// In the order of their numbers.
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether no bar is missed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.rows.iter().all(|row| row.holds() != Some(false))
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let width = |of: &dyn Fn(&Row) -> String| {
            self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or_default()
        };
        let what = width(&|row| row.what.clone());
        let floor = width(&|row| row.floor.clone()).max("floor".len());
        let now = width(&now).max("now (median, range)".len());
        writeln!(
            out,
            " #  {:what$}  {:>floor$}  {:>9}  {:>now$}  {:>3}        note",
            "measure", "floor", "bar", "now (median, range)", "n"
        )?;
        for row in &self.rows {
            let number = if row.number == 0 { "-".to_owned() } else { row.number.to_string() };
            let verdict = match row.holds() {
                Some(true) => "pass",
                Some(false) => "MISS",
                None => "",
            };
            let line = format!(
                "{number:>2}  {:what$}  {:>floor$}  {:>9}  {:>now$}  {:>3}  {verdict:4}  {}",
                row.what,
                row.floor,
                bar(row.bar),
                self::now(row),
                row.repeats,
                row.note
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        let missed = self.rows.iter().filter(|row| row.holds() == Some(false)).count();
        let held = self.rows.iter().filter(|row| row.holds() == Some(true)).count();
        write!(out, "{held} bars reached, {missed} missed")
    }
}

fn bar(bar: Bar) -> String {
    match bar {
        Bar::AtMost(most) => format!("<= {}", short(most)),
        Bar::AtLeast(least) => format!(">= {}", short(least)),
        Bar::None => String::new(),
    }
}

fn now(row: &Row) -> String {
    match row.now {
        Some(now) if row.repeats > 1 => {
            format!("{} ({}-{})", short(now.median), short(now.min), short(now.max))
        }
        Some(now) => short(now.median),
        None => "not measured".to_owned(),
    }
}

/// Three digits or so.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 || value == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_misses_its_bar() {
        let row = Row::new(1, "calls", "2", Bar::AtMost(2.0));
        assert_eq!(row.holds(), Some(false));
        assert_eq!(row.clone().counted(2.0004).holds(), Some(true));
        assert_eq!(row.clone().counted(2.001).holds(), Some(false));
        assert_eq!(Row::new(1, "calls", "2", Bar::None).counted(9.0).holds(), None);
    }
}
