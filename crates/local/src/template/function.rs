//! Reads `AWS::Serverless::Function`: settings, environment, and the events that invoke it.
//!
//! Not simulated, knowingly: architecture, code location, log routing, tracing, tags, memory as a limit,
//! the recursion guard, and all that is about versions: here is one of each function, which begins anew with
//! every start, so that an alias would always point to it.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;

use super::api;
use super::description::{Description, EventSource, Function, Route};
use super::evaluate::text_of;
use super::names::{Kind, Names};
use super::properties::Properties;
use super::schedule;

/// Lambda's own default timeout, where the template says none.
const TIMEOUT_SECONDS_DEFAULT: u64 = 3;
/// The longest timeout that Lambda allows.
const TIMEOUT_SECONDS_MAX: u64 = 900;
/// Lambda's own default memory.
const MEMORY_MEGABYTES_DEFAULT: u32 = 128;
/// Lambda's own default batch for SQS.
const BATCH_SIZE_DEFAULT: usize = 10;
/// The largest batch that SQS may hand to Lambda at once; more needs a window.
const BATCH_SIZE_WITHOUT_WINDOW_MAX: usize = 10;
/// The largest batch of a standard queue.
const BATCH_SIZE_MAX: usize = 10_000;
/// The longest batching window.
const WINDOW_SECONDS_MAX: u64 = 300;

/// Properties that change nothing here.
const NOT_SIMULATED: [&str; 14] = [
    "Architectures",
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "CodeUri",
    "DeploymentPreference",
    "Description",
    "FunctionName",
    "Handler",
    "ProvisionedConcurrencyConfig",
    "RecursiveLoop",
    "Runtime",
    "Tags",
    "Tracing",
    "VersionDescription",
];

/// Reads one function into the description.
pub(super) fn read(
    logical_id: &str,
    metadata: Option<Json>,
    mut properties: Properties<'_>,
    names: &Names<'_>,
    description: &mut Description,
) {
    let name = names.name(logical_id).unwrap_or_default().to_owned();
    let binary = metadata
        .as_ref()
        .and_then(|metadata| metadata.pointer("/BuildProperties/Binary"))
        .and_then(text_of);
    if binary.is_none() {
        properties
            .refuse("Metadata", "names no BuildProperties.Binary, so there is nothing to run");
    }
    let timeout_seconds = properties.number("Timeout").unwrap_or(TIMEOUT_SECONDS_DEFAULT);
    if !(1..=TIMEOUT_SECONDS_MAX).contains(&timeout_seconds) {
        properties.refuse("Timeout", format!("is not between 1 and {TIMEOUT_SECONDS_MAX} seconds"));
    }
    let role = properties.text("Role");
    let function = Function {
        logical_id: logical_id.to_owned(),
        arn: names.arn(Kind::Function, &name),
        name,
        binary: binary.unwrap_or_default(),
        timeout: Duration::from_secs(timeout_seconds),
        memory_megabytes: properties.number("MemorySize").unwrap_or(MEMORY_MEGABYTES_DEFAULT),
        reserved_concurrency: properties.number("ReservedConcurrentExecutions"),
        log_group: log_group(&mut properties),
        environment: environment(&mut properties),
        role: role.and_then(|arn| names.logical_id_of(Kind::Role, &arn).map(str::to_owned)),
        asynchronous: schedule::read_asynchronous(&mut properties),
    };
    description.functions.push(function);
    properties.each_named("Events", |name, event| {
        read_event(logical_id, name, event, names, description);
    });
    properties.not_simulated(&NOT_SIMULATED);
    properties.finish();
}

/// Of the configuration of logs only where they go. The functions filter and format their lines themselves.
fn log_group(properties: &mut Properties<'_>) -> Option<String> {
    let mut logging = properties.nested("LoggingConfig")?;
    let group = logging.text("LogGroup");
    logging.not_simulated(&["ApplicationLogLevel", "LogFormat", "SystemLogLevel"]);
    logging.finish();
    group
}

fn environment(properties: &mut Properties<'_>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    if let Some(mut environment) = properties.nested("Environment") {
        match environment.take("Variables") {
            Some(Json::Object(entries)) => {
                for (name, value) in entries {
                    match text_of(&value) {
                        Some(value) => {
                            variables.insert(name, value);
                        }
                        None => environment.refuse(&format!("Variables.{name}"), "is not a text"),
                    }
                }
            }
            Some(_) => environment.refuse("Variables", "is not a map"),
            None => {}
        }
        environment.finish();
    }
    variables
}

fn read_event(
    function: &str,
    name: &str,
    mut event: Properties<'_>,
    names: &Names<'_>,
    description: &mut Description,
) {
    let kind = event.required_text("Type");
    if let Some(properties) = event.nested("Properties") {
        match kind.as_str() {
            "HttpApi" => description.routes.push(read_route(function, properties)),
            "SQS" => {
                description.event_sources.extend(read_event_source(function, properties, names));
            }
            "Schedule" => {
                let read = schedule::read(function, name, properties, names);
                description.schedules.extend(read);
            }
            // The type is refused below; its properties mean nothing then.
            _ => {}
        }
    }
    if !matches!(kind.as_str(), "HttpApi" | "SQS" | "Schedule") {
        event.refuse(
            "Type",
            format!("is {kind}: the local stack cannot invoke {function} by {name}"),
        );
    }
    event.finish();
}

fn read_route(function: &str, mut properties: Properties<'_>) -> Route {
    let method = properties.required_text("Method").to_uppercase();
    let path = properties.required_text("Path");
    if !path.starts_with('/') {
        properties.refuse("Path", format!("is `{path}`, which does not begin with a slash"));
    }
    api::refuse_authorizers(&mut properties);
    properties.not_simulated(&["ApiId"]);
    if let Some(version) = properties.text("PayloadFormatVersion")
        && version != "2.0"
    {
        properties.refuse("PayloadFormatVersion", format!("is {version}, and only 2.0 is served"));
    }
    properties.finish();
    Route { method, path, function: function.to_owned() }
}

fn read_event_source(
    function: &str,
    mut properties: Properties<'_>,
    names: &Names<'_>,
) -> Option<EventSource> {
    let queue_arn = properties.required_text("Queue");
    let queue_name = names
        .logical_id_of(Kind::Queue, &queue_arn)
        .and_then(|logical_id| names.name(logical_id))
        .map(str::to_owned);
    if queue_name.is_none() {
        properties.refuse("Queue", format!("is {queue_arn}, which is no queue of this template"));
    }
    let batch_size = properties.number("BatchSize").unwrap_or(BATCH_SIZE_DEFAULT);
    let window_seconds: u64 = properties.number("MaximumBatchingWindowInSeconds").unwrap_or(0);
    if !(1..=BATCH_SIZE_MAX).contains(&batch_size) {
        properties.refuse("BatchSize", format!("is not between 1 and {BATCH_SIZE_MAX}"));
    } else if batch_size > BATCH_SIZE_WITHOUT_WINDOW_MAX && window_seconds == 0 {
        properties.refuse(
            "BatchSize",
            format!("is {batch_size}: above {BATCH_SIZE_WITHOUT_WINDOW_MAX} Lambda wants a window"),
        );
    }
    if window_seconds > WINDOW_SECONDS_MAX {
        properties
            .refuse("MaximumBatchingWindowInSeconds", format!("is above {WINDOW_SECONDS_MAX}"));
    }
    let mut maximum_concurrency = None;
    if let Some(mut scaling) = properties.nested("ScalingConfig") {
        maximum_concurrency = scaling.number("MaximumConcurrency");
        scaling.finish();
    }
    let responses = properties.texts("FunctionResponseTypes");
    if responses.iter().any(|kind| kind != "ReportBatchItemFailures") {
        properties.refuse("FunctionResponseTypes", "names a response type that Lambda has not");
    }
    // Lambda's default, where the template is silent.
    let is_enabled = properties.flag("Enabled").unwrap_or(true);
    if properties.take("ProvisionedPollerConfig").is_some() {
        properties.refuse(
            "ProvisionedPollerConfig",
            "cannot be honoured on one machine; use MaximumConcurrency here",
        );
    }
    properties.finish();
    Some(EventSource {
        function: function.to_owned(),
        queue_arn,
        queue_name: queue_name?,
        batch_size,
        window: Duration::from_secs(window_seconds),
        maximum_concurrency,
        report_batch_item_failures: !responses.is_empty(),
        is_enabled,
    })
}
