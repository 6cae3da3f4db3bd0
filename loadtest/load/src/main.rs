//! `relay-load`: sends messages to the relay at a rate that its answers do not slow down, and says how long each took
//! from when it was due.
//!
//! It measures from outside: what the relay answered and what its targets received. It repeats nothing that went
//! wrong and knows nothing of how the relay works inside.

mod arguments;
mod client;
mod content;
mod generator;
mod html;
mod latency;
mod local;
mod machine;
mod marks;
mod plan;
mod plots;
mod receiver;
mod report;
mod run;
mod scenario;
mod schedule;
mod tally;
mod threshold;
mod watch;

use clap::Parser;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Command, RunArguments};
use relay_local::stack::Program;
use report::Report;
use scenario::Scenario;
use watch::say;

/// How long background work may hold up the end of a function's process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// Exit code of a run that came to no result.
const NO_RESULT: u8 = 2;

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    if let Command::Function { program } = command {
        return function(program);
    }
    let Some((name, arguments)) = command.scenario() else { return ExitCode::from(NO_RESULT) };
    let Some(scenario) = scenario::named(name) else { return ExitCode::from(NO_RESULT) };
    log_to_standard_error(arguments.relay.logs);
    match load(scenario, arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell(&*error);
            ExitCode::from(NO_RESULT)
        }
    }
}

/// Runs a scenario, and says whether all thresholds hold.
fn load(scenario: &Scenario, arguments: &RunArguments) -> Result<bool, Box<dyn Error>> {
    if machine::is_debug() {
        say(
            "warning: this is a debug build, and what it measures is one too: cargo run --release -p relay-load",
        );
    }
    say(&format!("{}: {}", scenario.name, scenario.about));
    let report = run::run(scenario, arguments)?;
    println!("{report}");
    if let Some(file) = &arguments.json {
        write(file, &serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(file) = &arguments.html {
        write(file, &page(&report)?)?;
    }
    Ok(report.holds)
}

fn page(report: &Report) -> Result<String, Box<dyn Error>> {
    Ok(html::page(report)?)
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Runs one of the relay's functions, as the local stack asks for it.
fn function(program: Program) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&error);
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(relay_local::launch::run_program(program));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    code
}

fn tell(error: &dyn Error) {
    say(&format!("error: {error}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        say(&format!("  caused by: {error}"));
        cause = error.source();
    }
}

/// What the relay's own parts have to say is of interest only if asked for.
fn log_to_standard_error(everything: bool) {
    let filter = if everything { "warn,dynoxide=error" } else { "off" };
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter));
    builder.json().with_writer(std::io::stderr).init();
}
