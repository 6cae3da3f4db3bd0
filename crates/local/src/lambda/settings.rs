//! What a function host is told about its function.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::log_file::LogFile;
use super::output::OutputStyle;
use crate::metrics::Meter;

/// One function and how to run it.
#[derive(Debug, Clone)]
pub struct FunctionSettings {
    /// Short name for people, such as `worker`.
    pub label: String,
    /// Name of the function.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Longest an invocation may take; then its environment is killed.
    pub timeout: Duration,
    /// Memory it is told it has.
    pub memory_megabytes: u32,
    /// Environments that may exist at one time.
    pub maximum_environments: usize,
    /// The program of its environments.
    pub program: PathBuf,
    /// Arguments of that program.
    pub arguments: Vec<String>,
    /// Environment variables beside those that Lambda itself sets. Nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// How lines the function prints are shown.
    pub output: OutputStyle,
    /// Name of its log group, if it has one.
    pub log_group: Option<String>,
    /// Where its metrics go, those that it prints and those of its invocations.
    pub meter: Meter,
    /// Where these lines are kept, if they are.
    pub log: Option<Arc<LogFile>>,
}
