//! The function under test, and how the tests start it.

use lambda_runtime::{LambdaEvent, service_fn};
use relay_local::lambda::{FunctionHost, FunctionSettings, OutputStyle, StartError};
use relay_local::metrics::Meter;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest a test waits for something that should come about by itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Settings of the function under test, with so many seconds and environments.
pub(super) fn settings(timeout_seconds: u64, maximum_environments: usize) -> FunctionSettings {
    FunctionSettings {
        label: "tested".to_owned(),
        name: "tested-function".to_owned(),
        arn: "arn:aws:lambda:us-east-1:000000000000:function:tested-function".to_owned(),
        timeout: Duration::from_secs(timeout_seconds),
        memory_megabytes: 256,
        maximum_environments,
        program: std::env::current_exe().unwrap(),
        arguments: ["--exact", "function::function_under_test", "--ignored", "--nocapture"]
            .map(str::to_owned)
            .to_vec(),
        environment: BTreeMap::from([("FROM_TEMPLATE".to_owned(), "yes".to_owned())]),
        output: OutputStyle::Json,
        log: None,
        log_group: None,
        meter: Meter::default(),
    }
}

/// Starts the function under test.
pub(super) async fn start(
    timeout_seconds: u64,
    maximum_environments: usize,
) -> Result<FunctionHost, StartError> {
    FunctionHost::start(settings(timeout_seconds, maximum_environments)).await
}

/// Not a test: the child process of the others. Run by itself it finds no Runtime API and ends.
#[test]
#[ignore = "the other tests run it as a child process"]
fn function_under_test() {
    if std::env::var("AWS_LAMBDA_RUNTIME_API").is_err() {
        return;
    }
    if std::env::var("REFUSE_TO_START").is_ok() {
        eprintln!("SOME_SETTING is missing");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let serve =
            async { lambda_runtime::run(service_fn(handle)).await.map_err(std::io::Error::other) };
        relay_local::launch::run_function(serve).await;
    });
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, std::io::Error> {
    let LambdaEvent { payload, context } = event;
    if let Some(records) = payload.get("Records").and_then(Value::as_array) {
        return batch(records).await;
    }
    if payload.get("routeKey").is_some() {
        return route(&payload).await;
    }
    if payload["detail-type"] == "Scheduled Event" {
        return scheduled(payload);
    }
    match payload["do"].as_str().unwrap_or_default() {
        "describe" => Ok(json!({
            "pid": std::process::id(),
            "deadline": context.deadline,
            "arn": context.invoked_function_arn,
            "variables": std::env::vars().map(|(name, _)| name).collect::<Vec<_>>(),
        })),
        "sleep" => {
            let milliseconds = payload["milliseconds"].as_u64().unwrap();
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Ok(json!({ "pid": std::process::id() }))
        }
        "abort" => std::process::abort(),
        "large" => Ok(json!("x".repeat(7_000_000))),
        _ => Err(std::io::Error::other("as asked")),
    }
}

/// Bodies say what becomes of their message: `fail` is reported, `abort` takes the process along,
/// `nonsense` makes the whole answer malformed, everything else is done.
async fn batch(records: &[Value]) -> Result<Value, std::io::Error> {
    let has = |body: &str| records.iter().any(|record| record["body"] == body);
    if has("abort") {
        std::process::abort();
    }
    if has("nonsense") {
        return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": "nobody" }] }));
    }
    let failures: Vec<Value> = records
        .iter()
        .filter(|record| record["body"] == "fail")
        .map(|record| json!({ "itemIdentifier": record["messageId"] }))
        .collect();
    Ok(json!({ "batchItemFailures": failures }))
}

/// Tells its event, or fails if its template says so.
fn scheduled(event: Value) -> Result<Value, std::io::Error> {
    match std::env::var("FAIL_WHEN_SCHEDULED") {
        Ok(_) => Err(std::io::Error::other("as asked")),
        Err(_) => Ok(event),
    }
}

async fn route(event: &Value) -> Result<Value, std::io::Error> {
    match event["rawPath"].as_str() {
        Some("/slow") => {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(json!({ "statusCode": 200 }))
        }
        Some("/fail") => Err(std::io::Error::other("as asked")),
        _ => Ok(json!({
            "statusCode": 201,
            "headers": { "access-control-allow-origin": "evil", "x-of-function": "1" },
            "body": event.to_string(),
        })),
    }
}
