//! Rules for Cargo manifests.

use relay_tests::{read, relative, walk};

use crate::assert_none;

#[test]
fn every_version_is_pinned_in_one_table() {
    let mut findings = Vec::new();
    let mut in_table = false;
    for line in read("Cargo.toml").lines() {
        if line.starts_with('[') {
            in_table = line == "[workspace.dependencies]";
        } else if in_table
            && line.contains('=')
            && !line.contains("path = ")
            && !line.contains("\"=")
        {
            findings.push(line.to_owned());
        }
    }
    assert_none(
        "a dependency is pinned with `=`, so that an update is a change one can see",
        &findings,
    );
}

#[test]
fn no_crate_has_versions_or_lints_of_its_own() {
    let mut findings = Vec::new();
    for path in walk("toml").into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = read(&path);
        if text.contains("[workspace]") {
            continue;
        }
        if !text.contains("[lints]\nworkspace = true\n") {
            findings.push(format!("{}: no `[lints] workspace = true`", relative(&path)));
        }
        let mut in_dependencies = false;
        for line in text.lines() {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]");
            } else if in_dependencies && line.contains('=') && !line.contains("workspace = true") {
                findings.push(format!("{}: {line}", relative(&path)));
            }
        }
    }
    assert_none("versions and lints come from the workspace", &findings);
}

#[test]
fn the_toolchain_in_the_workflow_is_the_one_in_the_manifest() {
    let manifest = read("Cargo.toml");
    let wanted = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let wanted = wanted.expect("the workspace names its Rust version").trim_matches('"').to_owned();
    let workflow = read(".github/workflows/ci.yml");
    let named = workflow.lines().find_map(|line| line.trim().strip_prefix("RUST_VERSION: "));
    assert_eq!(named.map(|text| text.trim_matches('"').to_owned()), Some(wanted));
}

#[test]
fn f14_a_panic_does_not_end_what_is_deployed() {
    let manifest = read("Cargo.toml");
    let profile = manifest.split("\n[").find_map(|table| table.strip_prefix("profile.release]\n"));
    let profile = profile.expect("the workspace has a release profile");
    // Unsaid is not the same: cargo-lambda says "abort" then.
    assert!(profile.lines().any(|line| line == "panic = \"unwind\""), "{profile}");
}

#[test]
fn cargo_run_starts_the_local_stack() {
    let manifests: String = walk("toml").iter().map(|path| read(relative(path))).collect();
    let default_runs: Vec<_> =
        manifests.lines().filter(|line| line.starts_with("default-run")).collect();
    // With two of them cargo asks which, and the first command of the README does nothing.
    assert_eq!(default_runs, ["default-run = \"relay-local\""]);
}
