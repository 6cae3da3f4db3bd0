//! What must stay true of template.yaml and samconfig.toml, whoever edits them.
//!
//! Linters check that the template is valid; these tests check that it is ours. They read the files and
//! deploy nothing.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alarms;
mod costs;
mod dashboard;
mod data;
mod delivery;
mod deploy_role;
mod deployment;
mod encryption;
mod language;
mod queries;
mod reconciler;
mod roles;
mod routes;
mod schedule;
mod settings;
mod timeouts;
mod values;
