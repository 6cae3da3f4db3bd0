//! docs/FAILURES.md links every row to the files whose tests carry the row's number, or says why the failure
//! cannot happen.

use std::collections::{BTreeMap, BTreeSet};

use relay_tests::{read, relative, walk};

use crate::assert_none;

/// The last row of the table.
const ROWS: u32 = 47;
/// What a row without a test begins its last cell with.
const REASON: &str = "cannot happen: ";
/// Fewer letters than this are no reason.
const REASON_LENGTH_MIN: usize = 40;

/// Which rows the name of a test carries: `f01_f36_a_retry` is about two.
fn rows_in(line: &str) -> Vec<String> {
    let Some((_, name)) = line.split_once("fn f") else { return Vec::new() };
    let parts = format!("f{name}");
    let is_row = |part: &&str| {
        part.len() == 3 && part.starts_with('f') && part[1..].bytes().all(|it| it.is_ascii_digit())
    };
    parts.split('_').take_while(is_row).map(str::to_uppercase).collect()
}

/// The files that have tests of each row.
fn files_of_rows() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for path in walk("rs") {
        for row in read(relative(&path)).lines().flat_map(rows_in) {
            found.entry(row).or_default().insert(relative(&path));
        }
    }
    found
}

/// The targets of the links in a cell, as paths from the root.
fn linked(cell: &str) -> BTreeSet<String> {
    let targets = cell.split("](../").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

fn finding(row: &str, cell: &str, tests: &BTreeSet<String>) -> Option<String> {
    if tests.is_empty() {
        let reason = cell.strip_prefix(REASON).unwrap_or_default();
        let is_reason = reason.len() >= REASON_LENGTH_MIN;
        return (!is_reason).then(|| format!("{row} has neither a test nor a reason"));
    }
    let told = linked(cell);
    (told != *tests).then(|| {
        let (missing, wrong): (Vec<_>, Vec<_>) =
            (tests.difference(&told).collect(), told.difference(tests).collect());
        format!("{row}: not linked {missing:?}, linked without a test {wrong:?}")
    })
}

#[test]
fn every_row_links_to_its_tests_or_says_why_it_cannot_happen() {
    let tests = files_of_rows();
    let text = read("docs/FAILURES.md");
    let rows: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| line.starts_with("| F"))
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?, cells.next_back()?))
        })
        .collect();
    let expected = (1..=ROWS).map(|number| format!("F{number:02}"));
    let missing = expected.filter(|row| !rows.contains_key(row.as_str()));
    let mut findings: Vec<String> = missing.map(|row| format!("{row} is not in it")).collect();
    let none = BTreeSet::new();
    findings.extend(
        rows.iter().filter_map(|(row, cell)| finding(row, cell, tests.get(*row).unwrap_or(&none))),
    );
    findings.extend(
        tests.keys().filter(|row| !rows.contains_key(row.as_str())).map(|row| format!("{row}?")),
    );
    assert_none("docs/FAILURES.md", &findings);
}
