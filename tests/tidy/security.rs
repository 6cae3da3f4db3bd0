//! Rules for docs/SECURITY.md: every risk of the OWASP list has a row, and every row names tests that exist.

use relay_tests::{read, root};

use crate::assert_none;

/// How many risks the OWASP API Security Top 10 has.
const RISKS: usize = 10;

/// What each row begins with, and the names and files of the tests it links to.
fn rows(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| API"));
    rows.map(|row| {
        let tests = row.split('[').skip(1).filter_map(|link| {
            let (name, rest) = link.split_once("](")?;
            Some((name.to_owned(), rest.split_once(')')?.0.to_owned()))
        });
        let risk = row.split(' ').next().unwrap_or_default();
        (format!("API{risk}"), tests.collect())
    })
    .collect()
}

/// The links of a row whose file has no test of that name.
fn without_test(tests: &[(String, String)]) -> Vec<String> {
    let folder = root().join("docs");
    let is_missing = |(name, file): &&(String, String)| {
        let path = folder.join(file);
        !path.exists() || !read(&path).contains(&format!("fn {name}("))
    };
    tests.iter().filter(is_missing).map(|(name, file)| format!("{file} has no {name}")).collect()
}

#[test]
fn every_risk_names_the_tests_that_hold_it() {
    let rows = rows(&read(root().join("docs/SECURITY.md")));
    let named: Vec<_> = rows.iter().map(|(risk, _)| risk.clone()).collect();
    assert_eq!(named, (1..=RISKS).map(|number| format!("API{number}")).collect::<Vec<_>>());
    let mut findings = Vec::new();
    for (risk, tests) in rows {
        if tests.is_empty() {
            findings.push(format!("{risk} names no test"));
        }
        findings
            .extend(without_test(&tests).into_iter().map(|missing| format!("{risk}: {missing}")));
    }
    assert_none("every row of the OWASP table names tests that exist", &findings);
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let row =
        "| API1 Some risk | held | [no_such_test](../tests/tidy/security.rs), [gone](gone.rs) |";
    let found = rows(row);
    assert_eq!(found[0].0, "API1");
    assert_eq!(without_test(&found[0].1).len(), 2);
    let own =
        "| API2 Other | held | [a_test_that_is_not_there_is_found](../tests/tidy/security.rs) |";
    assert!(without_test(&rows(own)[0].1).is_empty());
}
