//! How the relay that this one replaces goes about it, counted beside ours: five writes a message, a metric call for
//! each invocation, batches of five delivered one after the other, 2 KB of logs a message.
//!
//! Nothing of its behaviour is imitated but its calls.

use std::io::Write;

use aws_sdk_cloudwatch::types::{MetricDatum, StandardUnit};
use aws_sdk_dynamodb::types::AttributeValue;

use super::obey;
use super::sdk::Services;
use crate::error::BenchError;
use crate::events;

/// Messages of an invocation of its worker.
const BATCH: usize = 5;
/// Bytes of each of its two log lines of a message.
const LINE_BYTES: usize = 1024;

/// Accepts and delivers as many messages of this payload as told.
///
/// # Errors
/// When a call fails.
pub async fn run_loop(payload: &str) -> Result<(), BenchError> {
    let services = &*Box::leak(Box::new(Services::from_env().await));
    let shared = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let metrics = &*Box::leak(Box::new(aws_sdk_cloudwatch::Client::new(&shared)));
    obey(|count| async move {
        for number in 0..count {
            accept(services, number, payload).await?;
            measure(metrics).await?;
            deliver(services, number).await?;
            if number % BATCH == 0 {
                measure(metrics).await?;
            }
        }
        Ok(())
    })
    .await
}

/// The record, the message in the queue, and the record again.
async fn accept(services: &Services, number: usize, payload: &str) -> Result<(), BenchError> {
    put(services, number, "MESSAGE", "PENDING").await?;
    let url = std::env::var("SQS_QUEUE_URL").unwrap_or_default();
    let target = "https://example.com/hooks";
    let content = events::Content::Inline(payload.to_owned().into());
    let text = events::envelope(&number.to_string(), target, &content)?;
    let call = services.sqs.send_message().queue_url(url).message_body(text);
    call.send().await.map_err(|error| failed(&error))?;
    put(services, number, "STATE", "QUEUED").await?;
    log()
}

/// Begun, attempted, done: a write each.
async fn deliver(services: &Services, number: usize) -> Result<(), BenchError> {
    for status in ["PROCESSING", "ATTEMPTED", "DELIVERED"] {
        put(services, number, "STATE", status).await?;
    }
    log()
}

async fn put(
    services: &Services,
    number: usize,
    sort: &str,
    status: &str,
) -> Result<(), BenchError> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let call = services.dynamodb.put_item().table_name("messages");
    let call = call
        .item("pk", AttributeValue::S(format!("naive-{number}")))
        .item("sk", text(sort))
        .item("status", text(status))
        .item("target", text("https://example.com/hooks"))
        .item("headers", text(r#"{"x-order":"1042"}"#));
    // A record that is there from an earlier round is as good.
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
        {
            Ok(())
        }
        Err(error) => Err(failed(&error)),
    }
}

async fn measure(metrics: &aws_sdk_cloudwatch::Client) -> Result<(), BenchError> {
    let datum = MetricDatum::builder().metric_name("Messages").unit(StandardUnit::Count).value(1.0);
    let call = metrics.put_metric_data().namespace("Naive").metric_data(datum.build());
    call.send().await.map_err(|error| failed(&error))?;
    Ok(())
}

fn log() -> Result<(), BenchError> {
    let line = "x".repeat(LINE_BYTES - 1);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").map_err(BenchError::Loopback)
}

fn failed(error: &dyn std::fmt::Debug) -> BenchError {
    BenchError::wrong("naive", format!("{error:?}").as_bytes())
}
