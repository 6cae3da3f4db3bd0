//! Rules for Markdown files: links lead somewhere, decisions are numbered.

use std::path::Path;

use relay_tests::{read, relative, root, walk};

use crate::assert_none;

/// The targets of all `[text](target)` outside code blocks, with their line numbers.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                found.push((number + 1, target.to_owned()));
            }
        }
    }
    found
}

/// What a heading is called in a link: lower case, hyphens for spaces, other signs dropped.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn has_anchor(document: &str, wanted: &str) -> bool {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#')));
    anchors.any(|found| found == wanted) || document.contains(&format!("id=\"{wanted}\""))
}

fn broken(document: &Path, text: &str, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return false;
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let folder = document.parent().expect("a file is in a folder");
    let file = if path.is_empty() { document.to_path_buf() } else { folder.join(path) };
    if !file.exists() {
        return true;
    }
    let leads_into_text = !fragment.is_empty() && file.extension().is_some_and(|kind| kind == "md");
    leads_into_text
        && !has_anchor(&if path.is_empty() { text.to_owned() } else { read(&file) }, fragment)
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut findings = Vec::new();
    for path in walk("md") {
        let text = read(&path);
        for (line, target) in links(&text) {
            if broken(&path, &text, &target) {
                findings.push(format!("{}:{line}: {target}", relative(&path)));
            }
        }
    }
    assert_none("a link leads to a file and a heading that exist", &findings);
}

#[test]
fn decisions_are_numbered_without_a_gap() {
    let folder = root().join("docs/decisions");
    let records: Vec<_> =
        walk("md").into_iter().filter(|path| path.parent() == Some(&folder)).collect();
    assert!(!records.is_empty(), "docs/decisions holds no record");
    let mut findings = Vec::new();
    for (index, path) in records.iter().enumerate() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = format!("{:04}", index + 1);
        if !name.starts_with(&format!("{number}-")) {
            findings.push(format!("{name}: {number} is next"));
        }
        if !read(path).starts_with(&format!("# {number} ")) {
            findings.push(format!("{name}: its title begins `# {number} `"));
        }
    }
    assert_none("decision records are NNNN-title.md, without a gap", &findings);
}

#[test]
fn links_in_prose_are_found_and_judged() {
    let text =
        "# One thing\nsee [it](#one-thing), [no](#other), [gone](gone.md)\n```\n[code](x)\n```\n";
    let document = root().join("CHANGELOG.md");
    let judged = links(text).into_iter().map(|(line, to)| (line, broken(&document, text, &to)));
    assert_eq!(judged.collect::<Vec<_>>(), [(2, false), (2, true), (2, true)]);
}
