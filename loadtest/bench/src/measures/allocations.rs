//! Measure 8: what a message costs the allocator beyond the same calls from inputs that are ready.

use bytes::Bytes;

use super::{BATCH, Effort, FAR_TARGET, batch_to, deliver_all, floor, fresh_ids, signing_record};
use crate::error::BenchError;
use crate::events::{self, payload};
use crate::function::{Allocations, Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::stub::{Stub, Table};
use crate::target::{Target, TargetOptions};

/// Bytes of a small payload and of a large one; what a byte more costs is told from the two.
const SIZES: [usize; 2] = [1024, 65_536];
/// Messages of a large request.
const BULK: usize = 100;
/// Messages before counting begins: connections, tables and caches have their size by then.
const WARM_UP: usize = 20;

/// What one message costs beyond its floor, and what the same calls cost within a bare function beyond theirs.
#[derive(Debug, Clone, Copy)]
struct Extra {
    count: f64,
    bytes: f64,
    floor: f64,
    bare_function: f64,
}

/// What each message costs the allocator.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let count = effort.messages.min(200);
    let mut rows = Vec::new();
    for (what, bar, profile, bulk) in [
        ("ingest, single, full", 30.0, Profile::Full, None),
        ("ingest, single, lean", 30.0, Profile::Lean, None),
        ("ingest, bulk 100, lean", 12.0, Profile::Lean, Some(BULK)),
    ] {
        let small = ingest(profile, bulk, SIZES[0], count).await;
        rows.push(told(what, bar, &small));
        // In full tracking a larger body goes to the bucket as well, a call that the floor does not make.
        if bulk.is_none() && profile == Profile::Lean {
            let large = ingest(profile, bulk, SIZES[1], count).await;
            rows.push(slope(what, &small, &large));
        }
    }
    let small = worker(SIZES[0], count).await;
    rows.push(told("worker, 10 at a time, lean", 40.0, &small));
    let large = worker(SIZES[1], count).await;
    rows.push(slope("worker, 10 at a time, lean", &small, &large));
    rows
}

fn told(what: &str, bar: f64, extra: &Result<Extra, BenchError>) -> Row {
    let row = Row::new(8, format!("extra allocations/message, {what}"), "0", Bar::AtMost(bar));
    match extra {
        Ok(extra) => row.counted(extra.count).noting(format!(
            "{:.0} bytes; the floor's own: {:.0} allocations; the same calls in a bare Lambda function: {:.0} extra",
            extra.bytes, extra.floor, extra.bare_function
        )),
        Err(error) => row.noting(error.to_string()),
    }
}

fn slope(what: &str, small: &Result<Extra, BenchError>, large: &Result<Extra, BenchError>) -> Row {
    let what = format!("extra bytes allocated/payload byte, {what}");
    let row = Row::new(8, what, "0", Bar::AtMost(1.5));
    match (small, large) {
        (Ok(small), Ok(large)) => {
            let between = (payload(SIZES[1]).len() - payload(SIZES[0]).len()) as f64;
            row.counted((large.bytes - small.bytes) / between).noting(
                "from 1 KiB to 64 KiB of payload, beyond what the SDK or hyper itself allocates",
            )
        }
        (Err(error), _) | (_, Err(error)) => row.noting(error.to_string()),
    }
}

async fn ingest(
    profile: Profile,
    bulk: Option<usize>,
    bytes: usize,
    count: usize,
) -> Result<Extra, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let settings = variables(&stub, profile);
    let mut function = Function::start(&Program::own(&["function", "ingest"]), &settings).await?;
    let payload = payload(bytes);
    let size = bulk.unwrap_or(1);
    let rounds = if bulk.is_some() { count.div_ceil(10) } else { count };
    let event = || match bulk {
        Some(size) => events::bulk(&fresh_ids(size), FAR_TARGET, &payload),
        None => events::single(&fresh_ids(1)[0], FAR_TARGET, &payload),
    };
    for _ in 0..WARM_UP {
        function.invoke(event()).await?;
    }
    stub.capture();
    let answer = function.invoke(event()).await?;
    let calls = stub.captured();
    if calls.is_empty() || !matches!(super::status_of(&answer), Some(202 | 207)) {
        return Err(BenchError::wrong("ingest", &answer));
    }
    let before = function.allocations().await?;
    for _ in 0..rounds {
        function.invoke(event()).await?;
    }
    let relay = each(before, function.allocations().await?, rounds * size);
    function.end().await;
    let bare = sdk_floor(&stub, &calls, rounds).await?;
    let floor = (bare.in_loop.0 / size as f64, bare.in_loop.1 / size as f64);
    let bare_function = bare.in_function / size as f64 - floor.0;
    Ok(Extra { count: relay.0 - floor.0, bytes: relay.1 - floor.1, floor: floor.0, bare_function })
}

async fn worker(bytes: usize, count: usize) -> Result<Extra, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    stub.with_table(|table| table.sign(&signing_record()));
    let target = Target::start(TargetOptions::default()).await?;
    let settings = variables(&stub, Profile::Lean);
    let mut function = Function::start(&Program::own(&["function", "worker"]), &settings).await?;
    let url = target.url(1, "/hooks");
    let (body, urls) = (Bytes::from(payload(bytes)), vec![url.clone(); BATCH]);
    for _ in 0..WARM_UP {
        deliver_all(&mut function, batch_to(&urls, &body)?).await?;
    }
    stub.capture();
    deliver_all(&mut function, batch_to(&urls, &body)?).await?;
    let calls: Vec<_> = stub
        .captured()
        .into_iter()
        .filter(|(operation, _)| operation == "BatchExecuteStatement")
        .collect();
    let before = function.allocations().await?;
    let batches = count.div_ceil(BATCH);
    for _ in 0..batches {
        deliver_all(&mut function, batch_to(&urls, &body)?).await?;
    }
    let relay = each(before, function.allocations().await?, batches * BATCH);
    function.end().await;
    let sdk = sdk_floor(&stub, &calls, batches).await?;
    let arguments = ["bare-hyper", &url, &bytes.to_string()];
    let mut bare = Function::start_loop(&Program::own(&arguments), &settings).await?;
    let before = bare.go_round(WARM_UP).await?;
    let posts = each(before, bare.go_round(batches * BATCH).await?, batches * BATCH);
    bare.end().await;
    let share = |of_batch: f64| of_batch / BATCH as f64;
    let floor = (posts.0 + share(sdk.in_loop.0), posts.1 + share(sdk.in_loop.1));
    Ok(Extra {
        count: relay.0 - floor.0,
        bytes: relay.1 - floor.1,
        floor: floor.0,
        bare_function: share(sdk.in_function - sdk.in_loop.0),
    })
}

/// What the SDK allocates in one round of calls.
#[derive(Debug, Clone, Copy)]
struct Floor {
    /// Times and bytes, in a loop.
    in_loop: (f64, f64),
    /// Times, in a Lambda function that an event of two bytes invokes.
    in_function: f64,
}

/// What one round of these calls costs when their inputs are ready.
async fn sdk_floor(
    stub: &Stub,
    calls: &[(String, Bytes)],
    rounds: usize,
) -> Result<Floor, BenchError> {
    let mut bare = floor::in_loop(stub, calls).await?;
    let before = bare.go_round(WARM_UP).await?;
    let in_loop = each(before, bare.go_round(rounds).await?, rounds);
    bare.end().await;
    let mut bare = floor::in_function(stub, calls).await?;
    floor::invoke(&mut bare, WARM_UP).await?;
    let before = bare.allocations().await?;
    floor::invoke(&mut bare, rounds).await?;
    let in_function = each(before, bare.allocations().await?, rounds).0;
    bare.end().await;
    Ok(Floor { in_loop, in_function })
}

fn each(before: Allocations, after: Allocations, count: usize) -> (f64, f64) {
    let of = |before: u64, after: u64| (after - before) as f64 / count as f64;
    (of(before.count, after.count), of(before.bytes, after.bytes))
}
