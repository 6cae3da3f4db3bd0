//! Measures the relay against the bare limit: twelve numbers for each message, beside what is the least that anybody
//! could do, in one run and on one machine.
//!
//! Services are canned and everything is on loopback: no number here says how fast AWS is.

#![expect(
    unreachable_pub,
    reason = "`pub` says what a module offers to the others, in a program too"
)]

mod allocations;
mod arguments;
mod bare;
mod error;
mod events;
mod function;
mod hot_path;
mod measures;
mod parts;
mod rebuild;
mod report;
mod runtime_api;
mod settings;
mod statistics;
mod stub;
mod target;
mod usage;

use std::error::Error;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::arguments::{Arguments, MeasureArguments};
use crate::error::BenchError;
use crate::measures::Effort;
use crate::report::{Report, Row};

/// The exit code when there is no result.
const NO_RESULT: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  caused by: {error}");
                cause = error.source();
            }
            ExitCode::from(NO_RESULT)
        }
    }
}

fn start(arguments: Arguments) -> Result<ExitCode, BenchError> {
    if matches!(arguments.part, Some(parts::Part::Cost)) {
        rebuild::replace_if_needed()?;
        let counted = MeasureArguments { only: vec![3], ..arguments.measure.clone() };
        one_thread()?.block_on(measure(&counted))?;
    }
    let Some(part) = arguments.part else {
        rebuild::replace_if_needed()?;
        return one_thread()?.block_on(measure(&arguments.measure));
    };
    // As `main` of the functions has it; and whoever is compared with them is not to have another runtime than they.
    one_thread()?.block_on(parts::run(part)).map(|()| ExitCode::SUCCESS)
}

fn one_thread() -> Result<tokio::runtime::Runtime, BenchError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(BenchError::Loopback)
}

async fn measure(arguments: &MeasureArguments) -> Result<ExitCode, BenchError> {
    let effort = arguments.effort();
    let mut rows = Vec::new();
    for number in 1..=12 {
        if arguments.wants(number) {
            eprintln!("measure {number}: {}", NAMES[usize::from(number) - 1]);
            rows.extend(of(number, effort).await);
        }
    }
    if arguments.wants(0) {
        eprintln!("the guard: nothing lost, nothing accepted twice");
        rows.extend(measures::guard::measure(effort).await);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        architecture: std::env::consts::ARCH,
        measured_at_millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        allocator: "system",
        rows,
    };
    println!("{report}");
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).unwrap_or_default();
        let written = std::fs::write(path, text + "\n");
        written.map_err(|source| BenchError::File { path: path.clone(), source })?;
    }
    let is_missed = arguments.strict && !report.holds();
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What the measures are called while they run.
const NAMES: [&str; 12] = [
    "calls for each accepted message",
    "calls for each delivery",
    "modelled dollars a million",
    "bytes on the wire",
    "processor time of accepting",
    "deliveries for each second of processor time",
    "connections for each delivery",
    "allocations",
    "cold start",
    "peak memory",
    "concurrency of a batch",
    "isolation from a silent target",
];

async fn of(number: u8, effort: Effort) -> Vec<Row> {
    match number {
        1 => measures::calls::of_ingest(effort).await,
        2 => measures::calls::of_worker(effort).await,
        3 => measures::cost::measure(effort).await,
        4 => measures::amplification::measure(effort).await,
        5 => measures::ingest_cpu::measure(effort).await,
        6 => measures::deliveries::measure(effort).await,
        7 => measures::handshakes::measure(effort).await,
        8 => measures::allocations::measure(effort).await,
        9 => measures::cold_start::measure(effort).await,
        10 => measures::memory::measure(effort).await,
        11 => measures::concurrency::measure(effort).await,
        _ => measures::isolation::measure(effort).await,
    }
}
