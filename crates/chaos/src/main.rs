//! `relay-chaos`: reads the command line and does what it asks for.

use clap::Parser;
use relay_chaos::arguments::{Arguments, Command, IsolationArguments, RunArguments};
use relay_chaos::isolation::measure_all;
use relay_chaos::run::run;
use relay_local::launch::run_program;
use serde::Serialize;
use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// How long background work may hold up the end of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// Exit code of a run that came to no result.
const NO_RESULT: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return no_result(&error),
    };
    let code = runtime.block_on(async {
        match arguments.command {
            Command::Function { program } => run_program(program).await,
            Command::Run(arguments) => {
                log_to_standard_error(arguments.logs);
                report_of(&arguments).await
            }
            Command::Isolation(arguments) => {
                log_to_standard_error(false);
                isolation_of(&arguments).await
            }
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    code
}

async fn report_of(arguments: &RunArguments) -> ExitCode {
    match run(arguments, None).await {
        Ok(report) => show(&report, arguments.json, report.holds()),
        Err(error) => no_result(&error),
    }
}

async fn isolation_of(arguments: &IsolationArguments) -> ExitCode {
    match measure_all(arguments).await {
        Ok(found) => show(&found, arguments.json, found.holds() || !arguments.strict),
        Err(error) => no_result(&error),
    }
}

/// Prints a result, and makes of it the exit code.
fn show(result: &(impl Display + Serialize), as_json: bool, holds: bool) -> ExitCode {
    if as_json {
        match serde_json::to_string_pretty(result) {
            Ok(text) => println!("{text}"),
            Err(error) => return no_result(&error),
        }
    } else {
        println!("{result}");
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn no_result(error: &dyn Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
    ExitCode::from(NO_RESULT)
}

/// Killed processes and failed calls are what a run is for: they are worth a line only if asked for.
fn log_to_standard_error(everything: bool) {
    let filter = if everything { "warn,dynoxide=error" } else { "off" };
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter));
    builder.json().with_writer(std::io::stderr).init();
}
