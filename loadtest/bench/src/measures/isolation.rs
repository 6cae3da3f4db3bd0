//! Measure 12: what a silent target costs everybody else, by the program that measures it on the whole local stack.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use super::Effort;
use crate::error::BenchError;
use crate::function::Program;
use crate::report::{Bar, Row};

/// How much of the traffic is silent, in percent, with what is to be left of the throughput and how much the p95 may
/// grow.
const SHARES: [(u32, f64, Option<f64>); 2] = [(1, 0.90, Some(1.5)), (5, 0.80, None)];

/// Throughput and p95 beside a silent target.
pub async fn measure(effort: Effort) -> Vec<Row> {
    let mut rows = Vec::new();
    for (percent, throughput_min, p95_max) in SHARES {
        let what = |of: &str| format!("healthy {of}, {percent} % silent / undisturbed");
        let throughput = Row::new(12, what("throughput"), "1.0", Bar::AtLeast(throughput_min));
        let p95 = Row::new(12, what("p95"), "1.0", p95_max.map_or(Bar::None, Bar::AtMost));
        let bare = Row::new(12, what("throughput, protection off"), "1.0", Bar::None);
        match run(percent, effort).await {
            Ok(found) => {
                let [protected, unprotected] =
                    ["protected", "unprotected"].map(|phase| found.ratios(phase));
                rows.push(
                    throughput.counted(protected.0).noting("10 % more or less from run to run"),
                );
                rows.push(p95.counted(protected.1));
                rows.push(
                    bare.counted(unprotected.0).noting(format!("its p95 {:.1}x", unprotected.1)),
                );
            }
            Err(error) => rows.extend([throughput, p95].map(|row| row.noting(error.to_string()))),
        }
    }
    rows
}

struct Found(Value);

impl Found {
    /// Throughput and p95 of a phase over those of the undisturbed one.
    fn ratios(&self, phase: &str) -> (f64, f64) {
        let of = |phase: &str, field: &str| {
            let measures = self.0["measures"].as_array().into_iter().flatten();
            let mut found = measures.filter(|one| one["phase"] == phase);
            found.next().and_then(|one| one[field].as_f64()).unwrap_or(f64::NAN)
        };
        let ratio = |field| of(phase, field) / of("undisturbed", field);
        (ratio("per_second"), ratio("p95_ms"))
    }
}

async fn run(percent: u32, effort: Effort) -> Result<Found, BenchError> {
    let program = chaos().await?;
    let mut command = Command::new(&program.path);
    command.args(["isolation", "--json", "--silent-percent", &percent.to_string()]);
    if effort.is_quick {
        command.args(["--seconds", "40", "--warm-up-seconds", "20"]);
    }
    let start = |source| BenchError::Start { program: program.path.clone(), source };
    let output = command.kill_on_drop(true).output().await.map_err(start)?;
    let found = serde_json::from_slice(&output.stdout);
    found.map(Found).map_err(|_| BenchError::wrong("relay-chaos", &output.stderr))
}

/// The program, built beside this one if it is not there.
async fn chaos() -> Result<Program, BenchError> {
    let program = Program::beside("relay-chaos");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(["build", "--release", "-p", "relay-chaos", "--target-dir"]);
    let release = program.path.parent();
    command.arg(release.and_then(Path::parent).unwrap_or(Path::new("target")));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).kill_on_drop(true);
    let start = |source| BenchError::Start { program: (&cargo).into(), source };
    let status = command.status().await.map_err(start)?;
    if status.success() { Ok(program) } else { Err(BenchError::Build(status.to_string())) }
}
