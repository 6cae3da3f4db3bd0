//! Lambda's rules for environments.

use bytes::Bytes;
use relay_local::lambda::{EVENT_BYTES_MAX, FunctionHost, InvokeError, StartError};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::function::{PATIENCE, settings, start};

async fn invoke(host: &FunctionHost, event: Value) -> Result<Value, InvokeError> {
    let answer = host.invoke(Bytes::from(event.to_string())).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

async fn pid(host: &FunctionHost) -> u64 {
    invoke(host, json!({ "do": "describe" })).await.unwrap()["pid"].as_u64().unwrap()
}

#[tokio::test]
async fn an_environment_is_told_what_lambda_tells_and_nothing_else() {
    let host = start(7, 1).await.unwrap();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let answer = invoke(&host, json!({ "do": "describe" })).await.unwrap();
    let deadline = Duration::from_millis(answer["deadline"].as_u64().unwrap());
    let left = deadline.checked_sub(before).unwrap();
    assert!((6_900..9_000).contains(&left.as_millis()), "{left:?}");
    assert!(answer["arn"].as_str().unwrap().ends_with(":function:tested-function"));
    let variables: BTreeSet<&str> =
        answer["variables"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(variables.contains("FROM_TEMPLATE") && variables.contains("AWS_LAMBDA_FUNCTION_NAME"));
    for inherited in ["HOME", "USER", "CARGO", "CARGO_MANIFEST_DIR"] {
        assert!(!variables.contains(inherited), "{inherited} was inherited");
    }
    host.stop().await;
}

#[tokio::test]
async fn an_idle_environment_is_used_again_and_new_ones_come_on_demand() {
    let host = start(10, 2).await.unwrap();
    assert_eq!(pid(&host).await, pid(&host).await);
    assert_eq!(host.environments().len(), 1);
    let sleep = || invoke(&host, json!({ "do": "sleep", "milliseconds": 300 }));
    let began = Instant::now();
    let answers = futures::future::join_all([sleep(), sleep(), sleep()]).await;
    assert!(began.elapsed() >= Duration::from_millis(600), "three at once in two environments");
    let pids: BTreeSet<u64> =
        answers.iter().map(|answer| answer.as_ref().unwrap()["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    assert_eq!(host.environments().len(), 2);
    host.stop().await;
}

#[tokio::test]
async fn an_invocation_past_its_deadline_is_killed_and_its_environment_replaced() {
    let host = start(1, 1).await.unwrap();
    let first = pid(&host).await;
    let error = invoke(&host, json!({ "do": "sleep", "milliseconds": 60_000 })).await.unwrap_err();
    assert_eq!(error, InvokeError::TimedOut { after: Duration::from_secs(1) });
    assert_ne!(pid(&host).await, first);
    assert!(!Path::new(&format!("/proc/{first}")).exists(), "the process is still there");
    host.stop().await;
}

#[tokio::test]
async fn a_crash_fails_its_invocation_only() {
    let host = start(10, 1).await.unwrap();
    let error = invoke(&host, json!({ "do": "abort" })).await.unwrap_err();
    assert!(matches!(error, InvokeError::Crashed { .. }), "{error:?}");
    assert!(pid(&host).await > 0);
    host.stop().await;
}

#[tokio::test]
async fn an_environment_killed_while_idle_is_not_given_work() {
    let host = start(10, 1).await.unwrap();
    let first = pid(&host).await;
    let killed = std::process::Command::new("kill").args(["-9", &first.to_string()]).status();
    assert!(killed.unwrap().success());
    let began = Instant::now();
    while !host.environments().is_empty() {
        assert!(began.elapsed() < PATIENCE, "the loss was not noticed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_ne!(pid(&host).await, first);
    host.stop().await;
}

#[tokio::test]
async fn a_function_error_is_reported_and_the_environment_goes_on() {
    let host = start(10, 1).await.unwrap();
    let first = pid(&host).await;
    let error = invoke(&host, json!({ "do": "fail" })).await.unwrap_err();
    let InvokeError::Function { message, .. } = error else { panic!("{error:?}") };
    assert_eq!(message, "as asked");
    assert_eq!(pid(&host).await, first);
    host.stop().await;
}

#[tokio::test]
async fn events_and_responses_have_lambdas_limit() {
    let host = start(10, 1).await.unwrap();
    let event = Bytes::from(vec![b' '; EVENT_BYTES_MAX + 1]);
    let bytes = event.len();
    assert_eq!(host.invoke(event).await, Err(InvokeError::EventTooLarge { bytes }));
    assert_eq!(invoke(&host, json!({ "do": "large" })).await, Err(InvokeError::ResponseTooLarge));
    assert!(pid(&host).await > 0, "the function works on");
    host.stop().await;
}

#[tokio::test]
async fn a_function_that_cannot_start_is_found_out_at_once() {
    let mut settings = settings(10, 1);
    settings.environment.insert("REFUSE_TO_START".to_owned(), "1".to_owned());
    let began = Instant::now();
    let error = FunctionHost::start(settings.clone()).await.err().unwrap();
    assert!(matches!(error, StartError::Initialise { .. }), "{error:?}");
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "it was noticed by its end, not by the limit"
    );
    settings.program = "/no/such/program".into();
    let error = FunctionHost::start(settings).await.err().unwrap();
    assert!(matches!(error, StartError::Spawn { .. }), "{error:?}");
}

#[tokio::test]
async fn stopping_ends_every_process() {
    let host = std::sync::Arc::new(start(60, 2).await.unwrap());
    let busy = std::sync::Arc::clone(&host);
    let running = tokio::spawn(async move {
        invoke(&busy, json!({ "do": "sleep", "milliseconds": 50_000 })).await
    });
    let began = Instant::now();
    while !host.environments().iter().any(|environment| environment.invocations == 1) {
        assert!(began.elapsed() < PATIENCE, "the invocation did not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pids: Vec<u32> = host.environments().iter().map(|environment| environment.pid).collect();
    host.stop().await;
    assert_eq!(running.await.unwrap(), Err(InvokeError::Stopping));
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is still there");
    }
    assert_eq!(invoke(&host, json!({})).await, Err(InvokeError::Stopping));
}
