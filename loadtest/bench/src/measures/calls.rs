//! Measures 1 and 2: calls of AWS services for each message.

use bytes::Bytes;

use super::{BATCH, Effort, batch_to, deliver, fresh_ids, ingest, post, post_all, signing_record};
use crate::error::BenchError;
use crate::events::payload;
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::stub::{Counts, Stub};
use crate::target::{Target, TargetOptions};

/// Bytes of the payload.
const PAYLOAD_BYTES: usize = 1024;
/// One of so many messages is a duplicate.
const DUPLICATE_EVERY: usize = 10;
/// Of a batch, so many fail where some are to fail.
const FAILING: usize = 2;

/// Calls for each accepted message.
///
/// # Errors
/// When the function fails.
pub async fn of_ingest(effort: Effort) -> Vec<Row> {
    let count = effort.messages;
    let single = |profile: Profile, floor: f64| {
        let what = format!("ingest calls/message, single, {}", profile.as_str());
        (Row::new(1, what, format!("{floor:.2}"), Bar::AtMost(floor)), profile)
    };
    let mut rows = Vec::new();
    for (row, profile) in [single(Profile::Full, 3.0), single(Profile::Lean, 2.0)] {
        rows.push(told(row, singles(profile, count).await));
    }
    for (profile, size, floor) in
        [(Profile::Lean, 25, 0.16), (Profile::Lean, 100, 0.14), (Profile::Full, 25, 0.20)]
    {
        let what = format!("ingest calls/message, bulk {size}, {}", profile.as_str());
        let row = Row::new(1, what, format!("{floor:.2}"), Bar::AtMost(floor));
        rows.push(told(row, bulks(profile, size).await));
    }
    let row = Row::new(1, "sends for a duplicate, 10 % of single, full", "0", Bar::AtMost(0.0));
    rows.push(match duplicates(count).await {
        Ok((sends, unique)) => row
            .counted((sends - unique) / (count as f64 - unique))
            .noting(format!("{sends} sends of {unique} messages in {count} requests")),
        Err(error) => row.noting(error.to_string()),
    });
    rows
}

/// Calls for each delivery.
pub async fn of_worker(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for (profile, failing, floor, bar) in [
        (Profile::Lean, 0, "0.10", 0.10),
        (Profile::Lean, FAILING, "0.30", 0.30),
        (Profile::Full, 0, "2.00", 2.0),
        (Profile::Full, FAILING, "2.20", 2.2),
    ] {
        let share = if failing == 0 { "all ok" } else { "20 % failing" };
        let what =
            format!("worker calls/delivery, {BATCH} at a time, {share}, {}", profile.as_str());
        let row = Row::new(2, what, floor, Bar::AtMost(bar));
        rows.push(told(row, batches(profile, failing, effort.messages.div_ceil(BATCH)).await));
    }
    rows
}

fn told(row: Row, counted: Result<(Counts, usize), BenchError>) -> Row {
    match counted {
        Ok((counts, messages)) => {
            let each = |(name, calls): (&String, &u64)| {
                format!("{name} {:.2}", *calls as f64 / messages as f64)
            };
            let note: Vec<_> = counts.calls.iter().map(each).collect();
            // What is called by the clock and not for each message, such as looking at a breaker, is below the hundredths.
            let each = (100.0 * counts.all() as f64 / messages as f64).round() / 100.0;
            row.counted(each).noting(note.join(", "))
        }
        Err(error) => row.noting(error.to_string()),
    }
}

async fn singles(profile: Profile, count: usize) -> Result<(Counts, usize), BenchError> {
    let stub = Stub::start().await?;
    let mut function = ingest(&stub, profile).await?;
    let payload = payload(PAYLOAD_BYTES);
    post(&mut function, &fresh_ids(1)[0], &payload).await?;
    let _ = stub.take_counts();
    for id in fresh_ids(count) {
        post(&mut function, &id, &payload).await?;
    }
    function.end().await;
    Ok((stub.take_counts(), count))
}

async fn bulks(profile: Profile, size: usize) -> Result<(Counts, usize), BenchError> {
    /// Enough to see something that is called now and then.
    const REQUESTS: usize = 20;
    let stub = Stub::start().await?;
    let mut function = ingest(&stub, profile).await?;
    let payload = payload(PAYLOAD_BYTES);
    post_all(&mut function, &fresh_ids(size), &payload).await?;
    let _ = stub.take_counts();
    for _ in 0..REQUESTS {
        post_all(&mut function, &fresh_ids(size), &payload).await?;
    }
    function.end().await;
    Ok((stub.take_counts(), size * REQUESTS))
}

/// Sends, and messages that differ.
async fn duplicates(count: usize) -> Result<(f64, f64), BenchError> {
    let stub = Stub::start().await?;
    let mut function = ingest(&stub, Profile::Full).await?;
    let payload = payload(PAYLOAD_BYTES);
    let mut ids = fresh_ids(count);
    for number in (1..count).step_by(DUPLICATE_EVERY) {
        ids[number] = ids[number - 1].clone();
    }
    for id in &ids {
        post(&mut function, id, &payload).await?;
    }
    function.end().await;
    ids.dedup();
    Ok((stub.take_counts().of("SendMessage") as f64, ids.len() as f64))
}

async fn batches(
    profile: Profile,
    failing: usize,
    count: usize,
) -> Result<(Counts, usize), BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(|table| table.sign(&signing_record()));
    let target = Target::start(TargetOptions::default()).await?;
    let mut function =
        Function::start(&Program::beside("worker"), &variables(&stub, profile)).await?;
    let payload = Bytes::from(payload(PAYLOAD_BYTES));
    let mut urls = vec![target.url(1, "/hooks"); BATCH];
    deliver(&mut function, batch_to(&urls, &payload)?).await?;
    urls[..failing].fill(target.url(1, "/fail"));
    let _ = stub.take_counts();
    for _ in 0..count {
        let failed = deliver(&mut function, batch_to(&urls, &payload)?).await?;
        if failed != failing {
            return Err(BenchError::Unexpected(format!("{failed} of {failing} failed")));
        }
    }
    function.end().await;
    Ok((stub.take_counts(), count * BATCH))
}
