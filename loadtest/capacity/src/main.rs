//! Runs the model of the deployed relay: one run, or all that docs/PERFORMANCE.md shows. It chooses nothing: systems
//! are in `presets`, single values are set by name.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use relay_capacity::{
    MatrixError, Outcome, PlotError, SimulationError, System, Way, matrix, plot, simulate,
};

/// A discrete-event model of the deployed relay: how it ramps, what breaks first.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One run.
    Run(Run),
    /// All runs of docs/PERFORMANCE.md: tables on standard output, pictures into a folder.
    Report {
        /// The folder.
        #[arg(long, default_value = "docs/performance")]
        out: PathBuf,
    },
}

#[derive(clap::Args)]
struct Run {
    /// Messages a second.
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// What to begin with.
    #[arg(long, value_enum, default_value_t = Preset::Production)]
    preset: Preset,
    /// Bulk of 25, lean tracking, bodies not retained, in place of one POST a message.
    #[arg(long)]
    bulk: bool,
    /// A value to set, such as stack.batch=10 or quotas.concurrency=5000; --json shows all names. May be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Divide traffic and limits by this; counts are then of the small system.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Write everything as JSON: the system and what came of it.
    #[arg(long)]
    json: bool,
    /// Draw the run into this file.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// What a run begins with.
#[derive(Clone, Copy, ValueEnum)]
enum Preset {
    /// samconfig's preset, an account with default quotas, a new table.
    Production,
    /// The quotas and parameters that carry the rate.
    Holding,
    /// One machine, the template's defaults.
    Local,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Run(#[from] SimulationError),
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    #[error(transparent)]
    Plot(#[from] PlotError),
    #[error("no preset carries {0} messages a second")]
    TooHigh(f64),
    #[error("{0} is not NAME=VALUE with a name that --json shows and a value of its kind")]
    Set(String),
    #[error("not writable as JSON")]
    Json(#[from] serde_json::Error),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(run) => one(&run),
        Command::Report { out } => matrix(&out).map_err(Failure::from),
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn one(run: &Run) -> Result<String, Failure> {
    let way = if run.bulk { Way::Bulk } else { Way::Single };
    let mut system = match run.preset {
        Preset::Production => System::default_quotas(run.rate, way),
        Preset::Holding => System::holding(run.rate, way).ok_or(Failure::TooHigh(run.rate))?,
        Preset::Local => System::local(run.rate, way),
    };
    for assignment in &run.set {
        system = system.with(assignment).ok_or_else(|| Failure::Set(assignment.clone()))?;
    }
    let outcome = simulate(&system.scaled(run.scale), run.scale)?;
    if let Some(file) = &run.plot {
        plot(&outcome, run.scale, &format!("{} messages a second", run.rate), file)?;
    }
    if run.json {
        let everything = serde_json::json!({ "system": system, "outcome": outcome });
        return Ok(serde_json::to_string_pretty(&everything)?);
    }
    Ok(told(&outcome))
}

fn told(outcome: &Outcome) -> String {
    let counts = &outcome.counts;
    let ramped = outcome
        .ramped_second()
        .map_or("never".to_owned(), |second| format!("from second {second}"));
    let met: Vec<String> = outcome
        .met
        .iter()
        .map(|met| {
            format!(
                "\n  {} in seconds {} to {}",
                met.limit.words(),
                met.first_second,
                met.last_second
            )
        })
        .collect();
    let times = |name: &str, of: relay_capacity::Percentiles| {
        format!(
            "{name:<22} p50 {:.0} ms, p95 {:.0} ms, p99 {:.0} ms, longest {:.0} ms",
            of.p50, of.p95, of.p99, of.max
        )
    };
    [
        format!(
            "offered {}, refused {}, delivered {}, dead {}, queued {}, being accepted {}",
            counts.offered,
            counts.refused,
            counts.delivered,
            counts.dead,
            counts.queued,
            counts.accepting
        ),
        format!("invocations of the worker {}, items {}", counts.invocations, counts.received),
        format!(
            "keeps up {ramped}; oldest waiting message at most {:.1} s",
            outcome.greatest(|sample| sample.age_seconds)
        ),
        format!(
            "at work lately: ingest {:.1}, worker {:.1}",
            outcome.late_mean(|sample| f64::from(sample.ingest_busy)),
            outcome.late_mean(|sample| f64::from(sample.worker_busy))
        ),
        times("accept", outcome.accept),
        times("end to end", outcome.end_to_end),
        times("end to end, last third", outcome.end_to_end_late),
        format!("limits met:{}", if met.is_empty() { " none".to_owned() } else { met.concat() }),
    ]
    .join("\n")
}
