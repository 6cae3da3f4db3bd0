//! Reads the repository's own files for the tests of this package: template, presets, sources, documents.
//!
//! Deliberately knows nothing of AWS: what a value has to be is said by the tests. A file that is
//! missing or malformed fails the test that asked for it, with its name.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub mod cloudwatch;
mod files;
mod presets;
mod template;

pub use files::{read, relative, root, walk};
pub use presets::{Preset, presets};
pub use template::{Parameter, Reference, Template, strings};
