//! Measure 6: deliveries for each second of processor time, beside hyper's own client posting the same signed bodies.

use bytes::Bytes;

use super::{BATCH, Effort, batch_to, deliver_all, floor, signing_record};
use crate::error::BenchError;
use crate::events::payload;
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::statistics::{Sample, ratios};
use crate::stub::{Stub, Table};
use crate::target::{Target, TargetOptions};

/// Bytes of the payload.
const PAYLOAD_BYTES: usize = 1024;

/// Microseconds for each delivery.
#[derive(Default)]
struct Times {
    relay: Vec<f64>,
    bare: Vec<f64>,
    bare_write: Vec<f64>,
    system_shares: Vec<f64>,
}

/// Deliveries for each second of processor time.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for (profile, has_tls, bar) in [
        (Profile::Lean, false, Bar::AtLeast(0.70)),
        (Profile::Lean, true, Bar::AtLeast(0.80)),
        (Profile::Full, false, Bar::None),
    ] {
        let way = if has_tls { "TLS" } else { "plaintext" };
        let what = format!("deliveries per core-second / bare hyper, {way}, {}", profile.as_str());
        let row = Row::new(6, what, "1.0", bar);
        match of(profile, has_tls, effort).await {
            Ok(times) => {
                rows.push(told(row, &times));
                rows.extend(told_beside_the_write(way, profile, &times));
            }
            Err(error) => rows.push(row.noting(error.to_string())),
        }
    }
    rows
}

/// The least that a Lambda function can do which delivers and writes down what came of it: bare hyper, and for each
/// batch one invocation of a bare function that makes the same write.
fn told_beside_the_write(way: &str, profile: Profile, times: &Times) -> Option<Row> {
    if times.bare_write.is_empty() {
        return None;
    }
    let sums = times.bare.iter().zip(&times.bare_write).map(|(post, write)| post + write);
    let sums: Vec<f64> = sums.collect();
    let what = format!("the same / hyper and a bare function's write, {way}, {}", profile.as_str());
    let note = format!("bare function {:.0} us a delivery", Sample::of(&times.bare_write).median);
    let row = Row::new(6, what, "1.0", Bar::None);
    Some(row.measured(&ratios(&sums, &times.relay)).noting(note))
}

fn told(row: Row, times: &Times) -> Row {
    let median = |values: &[f64]| Sample::of(values).median;
    let note = format!(
        "{:.0} us a delivery ({:.0} % in the kernel), {:.0} a second; bare {:.0} us",
        median(&times.relay),
        100.0 * median(&times.system_shares),
        1e6 / median(&times.relay),
        median(&times.bare),
    );
    row.measured(&ratios(&times.bare, &times.relay)).noting(note)
}

async fn of(profile: Profile, has_tls: bool, effort: Effort) -> Result<Times, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(|table| table.sign(&signing_record()));
    stub.with_table(Table::can);
    let target = Target::start(TargetOptions { has_tls, ..TargetOptions::default() }).await?;
    let mut settings = variables(&stub, profile);
    let url = target.url(1, "/hooks");
    let mut arguments = vec!["bare-hyper".to_owned(), url.clone(), PAYLOAD_BYTES.to_string()];
    if let Some(authority) = &target.authority {
        settings.insert("SSL_CERT_FILE".to_owned(), authority.display().to_string());
        arguments.push(authority.display().to_string());
    }
    let mut function = Function::start(&Program::beside("worker"), &settings).await?;
    let bare = Program { arguments, ..Program::own(&[]) };
    let mut bare = Function::start_loop(&bare, &settings).await?;
    let payload = Bytes::from(payload(PAYLOAD_BYTES));
    let urls = vec![url; BATCH];
    let mut writer = bare_writer(&stub, profile, &mut function, &urls, &payload).await?;
    let batches = effort.messages.div_ceil(BATCH);
    let count = batches * BATCH;
    let mut times = Times::default();
    // The first round is thrown away: it warms everybody up.
    for round in 0..=effort.repeats {
        let before = function.usage()?;
        for _ in 0..batches {
            deliver_all(&mut function, batch_to(&urls, &payload)?).await?;
        }
        let used = function.usage()?.since(before);
        let before = bare.usage()?;
        bare.go_round(count).await?;
        let bare_used = bare.usage()?.since(before);
        let written = match &mut writer {
            Some(writer) => {
                let before = writer.usage()?;
                floor::invoke(writer, batches).await?;
                Some(writer.usage()?.since(before))
            }
            None => None,
        };
        if round > 0 {
            times.relay.push(used.micros_each(count));
            times.system_shares.push(used.system_share());
            times.bare.push(bare_used.micros_each(count));
            times.bare_write.extend(written.map(|used| used.micros_each(count)));
        }
    }
    Ok(times)
}

/// A bare function that makes the write of a batch. None in full tracking, where each delivery is written by itself and by
/// calls that no bare function makes here.
async fn bare_writer(
    stub: &Stub,
    profile: Profile,
    worker: &mut Function,
    urls: &[String],
    payload: &Bytes,
) -> Result<Option<Function>, BenchError> {
    match profile {
        Profile::Lean => {}
        Profile::Full => return Ok(None),
    }
    deliver_all(worker, batch_to(urls, payload)?).await?;
    stub.capture();
    deliver_all(worker, batch_to(urls, payload)?).await?;
    let mut calls = stub.captured();
    calls.retain(|(operation, _)| operation == "BatchExecuteStatement");
    floor::in_function(stub, &calls).await.map(Some)
}
