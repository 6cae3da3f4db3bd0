//! docs/FAILURES.md names, row by row, where tests are that carry the row's number.

use std::collections::{BTreeMap, BTreeSet};

use relay_tests::{read, relative, walk};

use crate::assert_none;

/// The folders tests lie in, and what the table calls them.
const PLACES: [(&str, &str); 8] = [
    ("crates/core/", "core"),
    ("crates/ingest/", "ingest"),
    ("crates/testkit/", "conformance"),
    ("crates/local/tests/conformance/", "conformance"),
    ("crates/worker/", "worker"),
    ("crates/cli/", "command line"),
    ("tests/end_to_end/", "end to end"),
    ("tests/template/", "template"),
];

/// Which rows the name of a test carries: `f01_f36_a_retry` is about two.
fn rows_in(line: &str) -> Vec<String> {
    let Some((_, name)) = line.split_once("fn f") else { return Vec::new() };
    let parts = format!("f{name}");
    let is_row = |part: &&str| {
        part.len() == 3 && part.starts_with('f') && part[1..].bytes().all(|it| it.is_ascii_digit())
    };
    parts.split('_').take_while(is_row).map(str::to_uppercase).collect()
}

fn places_of_rows() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for path in walk("rs") {
        let file = relative(&path);
        let place = PLACES.iter().find(|(folder, _)| file.starts_with(folder));
        let Some((_, place)) = place else { continue };
        for row in read(&path).lines().flat_map(rows_in) {
            found.entry(row).or_default().insert(*place);
        }
    }
    found
}

#[test]
fn every_row_names_exactly_the_places_that_have_tests_of_it() {
    let found = places_of_rows();
    let mut findings = Vec::new();
    let text = read("docs/FAILURES.md");
    for line in text.lines().filter(|line| line.starts_with("| F")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (row, shown) = (cells[1], cells[cells.len() - 2]);
        let (places, _) = shown.split_once(';').unwrap_or((shown, ""));
        let told: BTreeSet<&str> = places.split(", ").filter(|place| *place != "not yet").collect();
        let real = found.get(row).cloned().unwrap_or_default();
        if told != real {
            findings.push(format!("{row}: says {told:?}, has {real:?}"));
        }
    }
    assert_none("docs/FAILURES.md", &findings);
}
