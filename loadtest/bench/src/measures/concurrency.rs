//! Measure 11: whether a batch takes no longer than its slowest delivery, and how many calls one destination gets of it
//! at a time.

use std::time::Instant;

use bytes::Bytes;

use super::{BATCH, Effort, batch_to, deliver_all};
use crate::error::BenchError;
use crate::events::payload;
use crate::function::{Function, Program};
use crate::report::{Bar, Row};
use crate::settings::{Profile, variables};
use crate::stub::{Stub, Table};
use crate::target::{Target, TargetOptions};

/// Shortest and longest answer of a target, in milliseconds.
const SLEEPS_MILLIS: (u64, u64) = (20, 500);
/// What one destination gets of a batch at a time, as the settings have it.
const PER_DESTINATION: f64 = 5.0;

/// Efficiency and ceiling.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for profile in [Profile::Lean, Profile::Full] {
        let what =
            format!("slowest delivery / invocation, {BATCH} at a time, {}", profile.as_str());
        let row = Row::new(11, what, "1.0", Bar::AtLeast(0.97));
        rows.push(match efficiency(profile, effort).await {
            Ok(values) => {
                row.measured(&values).noting("random answers of 20-500 ms, a destination each")
            }
            Err(error) => row.noting(error.to_string()),
        });
    }
    let row = Row::new(11, "calls at a time to one destination", "-", Bar::AtMost(PER_DESTINATION));
    rows.push(match ceiling().await {
        Ok(most) => row.counted(most as f64),
        Err(error) => row.noting(error.to_string()),
    });
    rows
}

async fn efficiency(profile: Profile, effort: Effort) -> Result<Vec<f64>, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let hosts = u8::try_from(BATCH).unwrap_or(u8::MAX);
    let target = Target::start(TargetOptions { hosts, ..TargetOptions::default() }).await?;
    let settings = variables(&stub, profile);
    let mut function = Function::start(&Program::beside("worker"), &settings).await?;
    let payload = Bytes::from(payload(1024));
    let warm: Vec<_> = (1..=hosts).map(|host| target.url(host, "/hooks")).collect();
    deliver_all(&mut function, batch_to(&warm, &payload)?).await?;
    let mut state = 1_u64;
    let mut values = Vec::new();
    for _ in 0..effort.repeats * 2 {
        let urls: Vec<_> = (1..=hosts)
            .map(|host| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99_991);
                let (least, most) = SLEEPS_MILLIS;
                target.url(host, &format!("/slow/{}", least + (state >> 33) % (most - least)))
            })
            .collect();
        let event = batch_to(&urls, &payload)?;
        let _ = target.seen.take_slowest();
        let begun = Instant::now();
        deliver_all(&mut function, event).await?;
        values.push(target.seen.take_slowest().as_secs_f64() / begun.elapsed().as_secs_f64());
    }
    Ok(values)
}

async fn ceiling() -> Result<usize, BenchError> {
    let stub = Stub::start().await?;
    stub.with_table(Table::can);
    let target = Target::start(TargetOptions::default()).await?;
    let settings = variables(&stub, Profile::Lean);
    let mut function = Function::start(&Program::beside("worker"), &settings).await?;
    let urls = vec![target.url(1, "/slow/50"); BATCH];
    deliver_all(&mut function, batch_to(&urls, &Bytes::from(payload(1024)))?).await?;
    Ok(target.seen.take_in_flight_max())
}
