//! The parts of this program that it starts itself, each as a process of its own.

use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Subcommand, ValueEnum};

use crate::allocations;
use crate::bare;
use crate::error::BenchError;
use crate::function::{ALLOCATED, STARTED};
use crate::hot_path;

/// A function of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Accepts messages.
    Ingest,
    /// Delivers them.
    Worker,
}

/// What can be started.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// What a million messages cost: measure 3 with counted units, then every setup with computed ones
    Cost,
    /// A function that says on request what it has allocated
    #[command(hide = true)]
    Function {
        /// Which.
        name: Name,
    },
    /// Says when it was started, and becomes the program
    #[command(hide = true)]
    Launch {
        /// The control group to join before.
        #[arg(long)]
        group: Option<PathBuf>,
        /// The program and what it is told.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// The SDK alone, in a loop
    #[command(hide = true)]
    BareSdk {
        /// The calls to make.
        calls: PathBuf,
    },
    /// The SDK alone, in a function
    #[command(hide = true)]
    BareFunction {
        /// The calls to make.
        calls: PathBuf,
    },
    /// The HTTP client alone, in a loop
    #[command(hide = true)]
    BareHyper {
        /// Where to.
        url: String,
        /// Bytes of the body.
        bytes: usize,
        /// The certificate to trust.
        authority: Option<PathBuf>,
    },
    /// The calls of the relay that this one replaces
    #[command(hide = true)]
    Naive {
        /// Bytes of the body.
        bytes: usize,
    },
    /// Runs one case of the hot path over canned answers, in one thread and without sockets
    HotPath(hot_path::Arguments),
}

/// Runs a part to its end.
///
/// # Errors
/// When it fails.
pub async fn run(part: Part) -> Result<(), BenchError> {
    match part {
        Part::Cost => {
            let said = |error: relay_cost::CostError| BenchError::Unexpected(error.to_string());
            let profiles = relay_cost::defaults().map_err(said)?;
            println!("{}", relay_cost::report(&profiles).map_err(said)?);
            Ok(())
        }
        Part::Function { name } => {
            std::thread::spawn(report_on_request);
            let ended = |error: &dyn std::fmt::Display| BenchError::Unexpected(error.to_string());
            match name {
                Name::Ingest => relay_ingest::run().await.map_err(|error| ended(&error)),
                Name::Worker => relay_worker::run::run().await.map_err(|error| ended(&error)),
            }
        }
        Part::Launch { group, command } => Err(launch(group.as_deref(), &command)),
        Part::BareSdk { calls } => bare::sdk::run_loop(&calls).await,
        Part::BareFunction { calls } => {
            std::thread::spawn(report_on_request);
            bare::sdk::run_function(&calls).await
        }
        Part::BareHyper { url, bytes, authority } => {
            let payload = crate::events::payload(bytes);
            bare::hyper::run_loop(&url, &payload, authority.as_deref()).await
        }
        Part::Naive { bytes } => bare::naive::run_loop(&crate::events::payload(bytes)).await,
        Part::HotPath(arguments) => hot_path::run(&arguments).await,
    }
}

/// A line on standard error for each that comes on standard input.
fn report_on_request() {
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            return;
        }
        let (count, bytes) = allocations::so_far();
        // In one piece, so that no other line gets into it.
        let _ = std::io::stderr().write_all(format!("{ALLOCATED}{count} {bytes}\n").as_bytes());
    }
}

/// Returns only when it fails.
fn launch(group: Option<&Path>, command: &[String]) -> BenchError {
    if let Some(group) = group {
        let path = group.join("cgroup.procs");
        if let Err(source) = std::fs::write(&path, std::process::id().to_string()) {
            return BenchError::File { path, source };
        }
    }
    let Some((program, arguments)) = command.split_first() else {
        return BenchError::Unexpected("nothing to launch".to_owned());
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    eprintln!("{STARTED}{}", now.as_nanos());
    let source = std::process::Command::new(program).args(arguments).exec();
    BenchError::Start { program: program.into(), source }
}
