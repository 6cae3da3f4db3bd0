//! What must stay true of template.yaml and samconfig.toml, whoever edits them.
//!
//! Linters check that the template is valid; these tests check that it is ours. They read the files and
//! deploy nothing.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alarms;
mod data;
mod delivery;
mod encryption;
mod language;
mod reconciler;
mod roles;
mod routes;
mod schedule;
mod settings;
mod timeouts;
mod values;
