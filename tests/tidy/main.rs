//! House rules that no compiler holds: sizes, headers, links, numbering, pinned versions.
//!
//! Each test lists every place that breaks its rule, not only the first.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod documents;
mod failures;
mod logs;
mod manifests;
mod metrics;
mod operations;
mod security;
mod settings;
mod sources;

/// Fails with all findings, one a line.
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
