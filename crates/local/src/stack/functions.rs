//! Starts the functions: each as child processes of this very executable.

use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::environment::{self, Endpoints};
use super::{DataFolder, Hosting, StackError};
use crate::lambda::{FunctionHost, FunctionSettings, LogFile};
use crate::metrics::Meter;
use crate::template::Description;
use crate::template::description::Function;

/// Environments of a function for which the template names no number. Lambda would make a thousand;
/// one machine serves no faster with more than a few.
const ENVIRONMENTS_DEFAULT: usize = 10;

/// The folder of logs in the data folder.
const LOGS: &str = "logs";
/// The setting that says how metrics leave.
const METRICS: &str = "METRICS";
/// The setting that has to agree with the worker's timeout.
const LEASE: &str = "DELIVERY_LEASE_SECONDS";

/// A function that this executable contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Program {
    /// Accepts messages over HTTP.
    Ingest,
    /// Delivers them.
    Worker,
    /// Makes records and dead letters agree again.
    Reconciler,
}

impl Program {
    /// The program a template calls by this name.
    fn named(name: &str) -> Option<Self> {
        match name {
            "ingest" => Some(Self::Ingest),
            "worker" => Some(Self::Worker),
            "reconciler" => Some(Self::Reconciler),
            _ => None,
        }
    }
}

/// Most invocations of a function that its environments take at one time.
pub(super) fn maximum_environments(function: &Function, description: &Description) -> usize {
    let of_event_source = description
        .event_sources
        .iter()
        .filter(|source| source.function == function.logical_id)
        .find_map(|source| source.maximum_concurrency);
    function.reserved_concurrency.or(of_event_source).unwrap_or(ENVIRONMENTS_DEFAULT)
}

/// An attempt ends with its lease or with its invocation, whichever comes first. Only while that is the
/// lease does a function that is stopped at its timeout leave nothing that another may not take over.
fn check_lease(
    function: &Function,
    variables: &BTreeMap<String, String>,
) -> Result<(), StackError> {
    if Program::named(&function.binary) != Some(Program::Worker) {
        return Ok(());
    }
    let given = variables.get(LEASE).map(String::as_str).filter(|value| !value.is_empty());
    let default = || relay_core::settings::setting(LEASE).and_then(|setting| setting.default);
    // What is no number the worker itself refuses, in better words.
    let lease_seconds = given.or_else(default).and_then(|value| value.parse().ok());
    let timeout_seconds = function.timeout.as_secs();
    match lease_seconds {
        Some(lease_seconds) if lease_seconds >= timeout_seconds => Err(StackError::LeaseTooLong {
            function: function.logical_id.clone(),
            lease_seconds,
            timeout_seconds,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Nothing here speaks CloudWatch's protocol, and nothing leaves this machine.
fn check_metrics(
    function: &Function,
    variables: &BTreeMap<String, String>,
) -> Result<(), StackError> {
    match variables.get(METRICS).map(String::as_str) {
        Some("cloudwatch") => {
            Err(StackError::MetricsAtAws { function: function.logical_id.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Starts every function and waits until each has initialised once. Keyed by logical id.
pub(super) async fn start(
    description: &Description,
    endpoints: &Endpoints,
    hosting: &Hosting,
    data_folder: &DataFolder,
    meter: &Meter,
) -> Result<BTreeMap<String, Arc<FunctionHost>>, StackError> {
    let executable = match &hosting.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(StackError::Executable)?,
    };
    let folder = data_folder.join(LOGS);
    let log = LogFile::open(&folder);
    let log = Arc::new(log.map_err(|source| StackError::DataFolder { folder, source })?);
    let mut starting = Vec::new();
    for function in &description.functions {
        if Program::named(&function.binary).is_none() {
            return Err(StackError::UnknownProgram {
                function: function.logical_id.clone(),
                program: function.binary.clone(),
            });
        }
        let outer = |name: &str| hosting.settings.get(name).cloned();
        let variables =
            environment::of_function(&function.environment, &function.binary, endpoints, &outer);
        check_lease(function, &variables)?;
        check_metrics(function, &variables)?;
        let settings = FunctionSettings {
            label: function.binary.clone(),
            name: function.name.clone(),
            arn: function.arn.clone(),
            timeout: function.timeout,
            memory_megabytes: function.memory_megabytes,
            maximum_environments: maximum_environments(function, description),
            program: executable.clone(),
            arguments: vec!["function".to_owned(), function.binary.clone()],
            environment: variables,
            output: hosting.output,
            log: Some(Arc::clone(&log)),
            log_group: function.log_group.clone(),
            meter: meter.clone(),
        };
        starting.push(async move {
            let host = FunctionHost::start(settings).await?;
            Ok((function.logical_id.clone(), Arc::new(host)))
        });
    }
    // All of them, so that each says what is wrong with its settings before the first ends the start.
    join_all(starting).await.into_iter().collect()
}
