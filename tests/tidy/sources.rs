//! Rules for Rust files.

use relay_tests::{read, relative, walk};

use crate::assert_none;

/// A file that is longer holds two subjects.
const CODE_LINES_MAX: usize = 300;

/// Words that mark unfinished work. Split, so that this file does not contain them.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("db", "g!("),
    concat!("unimpl", "emented!("),
];

/// A line that is neither blank nor only a comment.
fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

#[test]
fn no_file_is_longer_than_its_subject() {
    let mut findings = Vec::new();
    for path in walk("rs") {
        let lines = read(&path).lines().filter(|line| is_code(line)).count();
        if lines > CODE_LINES_MAX {
            findings.push(format!("{}: {lines} lines of code", relative(&path)));
        }
    }
    assert_none(&format!("at most {CODE_LINES_MAX} lines of code in a file"), &findings);
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let headless = |path: &std::path::PathBuf| !read(path).starts_with("//! ");
    let findings: Vec<_> =
        walk("rs").iter().filter(|path| headless(path)).map(|path| relative(path)).collect();
    assert_none("a file begins with `//! ` and a sentence", &findings);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut findings = Vec::new();
    for path in walk("rs").into_iter().chain(walk("md")).chain(walk("yaml")).chain(walk("toml")) {
        for (number, line) in read(&path).lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                findings.push(format!("{}:{}: {word}", relative(&path), number + 1));
            }
        }
    }
    assert_none("no marks of unfinished work", &findings);
}
