//! The twelve measures, a file each, and what they share.

pub mod allocations;
pub mod amplification;
pub mod calls;
pub mod cold_start;
pub mod concurrency;
pub mod cost;
pub mod deliveries;
mod floor;
pub mod guard;
pub mod handshakes;
pub mod ingest_cpu;
pub mod isolation;
pub mod memory;

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::Value;

use crate::error::BenchError;
use crate::events::{self, Content};
use crate::function::{Function, Program};
use crate::settings::{Profile, variables};
use crate::stub::Stub;

/// Messages of a batch of the worker.
pub const BATCH: usize = 10;
/// Where messages go that nobody delivers.
pub const FAR_TARGET: &str = "https://hooks.example.com/orders";

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Times that each variant is measured.
    pub repeats: usize,
    /// Starts of each program.
    pub starts: usize,
    /// Messages of one measurement.
    pub messages: usize,
    /// Whether what takes minutes is shortened.
    pub is_quick: bool,
}

/// Ids that no message has had yet.
pub fn fresh_ids(count: usize) -> Vec<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = || format!("order-{:010}", NEXT.fetch_add(1, Ordering::SeqCst));
    (0..count).map(|_| next()).collect()
}

/// The ingest function that ships.
pub async fn ingest(stub: &Stub, profile: Profile) -> Result<Function, BenchError> {
    Function::start(&Program::beside("ingest"), &variables(stub, profile)).await
}

/// Posts one message; an error unless it is accepted.
pub async fn post(function: &mut Function, id: &str, payload: &str) -> Result<(), BenchError> {
    let answer = function.invoke(events::single(id, FAR_TARGET, payload)).await?;
    match status_of(&answer) {
        Some(200 | 202) => Ok(()),
        Some(_) | None => Err(BenchError::wrong("ingest", &answer)),
    }
}

/// Posts messages together; an error unless all are accepted.
pub async fn post_all(
    function: &mut Function,
    ids: &[String],
    payload: &str,
) -> Result<(), BenchError> {
    let answer = function.invoke(events::bulk(ids, FAR_TARGET, payload)).await?;
    let summary = bulk_summary(&answer).ok_or_else(|| BenchError::wrong("ingest", &answer))?;
    let taken = ["accepted", "duplicates"].map(|field| summary[field].as_u64().unwrap_or(0));
    if taken.iter().sum::<u64>() != ids.len() as u64 {
        return Err(BenchError::wrong("ingest", &answer));
    }
    Ok(())
}

/// The status of an answer to API Gateway.
pub fn status_of(answer: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(answer).ok()?["statusCode"].as_u64()
}

/// The document of a bulk answer, if it is one.
pub fn bulk_summary(answer: &[u8]) -> Option<Value> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let summary: Value = serde_json::from_str(answer["body"].as_str()?).ok()?;
    (answer["statusCode"] == 207).then_some(summary)
}

/// The event of a batch of messages that were just accepted, to `url` each.
pub fn batch_to(urls: &[String], payload: &Bytes) -> Result<Bytes, BenchError> {
    let content = Content::Inline(payload.clone());
    let ids = fresh_ids(urls.len());
    let envelopes: Result<Vec<_>, _> =
        ids.iter().zip(urls).map(|(id, url)| events::envelope(id, url, &content)).collect();
    Ok(events::batch(&envelopes?))
}

/// Has the worker deliver a batch; how many items it hands back.
pub async fn deliver(function: &mut Function, event: Bytes) -> Result<usize, BenchError> {
    let answer = function.invoke(event).await?;
    let parsed: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let failures = parsed["batchItemFailures"].as_array();
    failures.map(Vec::len).ok_or_else(|| BenchError::wrong("worker", &answer))
}

/// Has the worker deliver a batch; an error unless all is delivered.
pub async fn deliver_all(function: &mut Function, event: Bytes) -> Result<(), BenchError> {
    match deliver(function, event).await? {
        0 => Ok(()),
        failed => Err(BenchError::Unexpected(format!("{failed} deliveries of a batch failed"))),
    }
}

/// A signing record, so that deliveries are signed as those of a sender with a secret are.
pub fn signing_record() -> Value {
    serde_json::json!({
        "versions": [{"number": 1, "master": "1", "nonce": "0123456789abcdef", "created_at": 1_764_000_000_000_u64, "ends_at": null}],
        "created_at": 1_764_000_000_000_u64, "revision": 1, "write_id": "w",
    })
}
