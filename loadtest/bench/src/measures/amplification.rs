//! Measure 4: bytes on the wire for each byte of payload.

use bytes::Bytes;

use super::{BATCH, Effort, batch_to, deliver_all, fresh_ids, ingest, post, post_all};
use crate::error::BenchError;
use crate::events::payload;
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::stub::{Stub, Table};
use crate::target::{Target, TargetOptions};

/// Sizes of payloads, in KiB.
const SIZES: [usize; 3] = [1, 16, 200];
/// Messages of each measurement.
const MESSAGES: usize = 50;
/// Messages of a large request.
const BULK: usize = 100;

/// Bytes for each byte of payload.
pub async fn measure(_effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for size in SIZES {
        let bar = if size >= 16 { Bar::AtMost(1.20) } else { Bar::None };
        let lean = accepted(Profile::Lean, size * 1024).await;
        rows.push(told(
            format!("ingest bytes to and from AWS / payload, {size} KiB, lean"),
            bar,
            lean,
        ));
        let full = accepted(Profile::Full, size * 1024).await;
        let what = format!("the same / 2 hops, {size} KiB, full (body in queue and store)");
        rows.push(told(what, bar, full.map(|value| value / 2.0)));
        let delivered = delivered(size * 1024).await;
        rows.push(told(
            format!("worker bytes, AWS and target / payload, {size} KiB, lean"),
            bar,
            delivered,
        ));
    }
    let what = "bytes beside the payload/message, bulk 100 at 1 KiB, lean".to_owned();
    rows.push(told(what, Bar::AtMost(1024.0), in_bulk().await));
    rows
}

fn told(what: String, bar: Bar, value: Result<f64, BenchError>) -> Row {
    let row = Row::new(4, what, "1.0", bar);
    match value {
        Ok(value) => row.counted(value),
        Err(error) => row.noting(error.to_string()),
    }
}

async fn accepted(profile: Profile, bytes: usize) -> Result<f64, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let mut function = ingest(&stub, profile).await?;
    let payload = payload(bytes);
    post(&mut function, &fresh_ids(1)[0], &payload).await?;
    let _ = stub.take_counts();
    for id in fresh_ids(MESSAGES) {
        post(&mut function, &id, &payload).await?;
    }
    let counts = stub.take_counts();
    Ok((counts.bytes_in + counts.bytes_out) as f64 / (MESSAGES * payload.len()) as f64)
}

async fn in_bulk() -> Result<f64, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let mut function = ingest(&stub, Profile::Lean).await?;
    let payload = payload(1024);
    post_all(&mut function, &fresh_ids(BULK), &payload).await?;
    let _ = stub.take_counts();
    post_all(&mut function, &fresh_ids(BULK), &payload).await?;
    let counts = stub.take_counts();
    Ok((counts.bytes_in + counts.bytes_out) as f64 / BULK as f64 - payload.len() as f64)
}

async fn delivered(bytes: usize) -> Result<f64, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let target = Target::start(TargetOptions::default()).await?;
    let settings = variables(&stub, Profile::Lean);
    let mut function = Function::start(&Program::beside("worker"), &settings).await?;
    let (payload, urls) = (Bytes::from(payload(bytes)), vec![target.url(1, "/hooks"); BATCH]);
    deliver_all(&mut function, batch_to(&urls, &payload)?).await?;
    let _ = stub.take_counts();
    let sent = |target: &Target| target.seen.body_bytes.load(std::sync::atomic::Ordering::SeqCst);
    let before = sent(&target);
    deliver_all(&mut function, batch_to(&urls, &payload)?).await?;
    let counts = stub.take_counts();
    let all = counts.bytes_in + counts.bytes_out + sent(&target) - before;
    Ok(all as f64 / (BATCH * payload.len()) as f64)
}
