//! `relay-local`: reads the command line and starts what it asks for.

use clap::Parser;
use relay_local::arguments::{Arguments, Command};
use relay_local::lambda::OutputStyle;
use relay_local::launch::{output_style, run_program, run_stack};
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// How long background work may hold up the end of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut builder = match arguments.command {
        // As its own program would run when deployed.
        Some(Command::Function { .. }) => tokio::runtime::Builder::new_current_thread(),
        None => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match arguments.command {
            Some(Command::Function { program }) => run_program(program).await,
            None => {
                log_to_standard_error();
                run_stack(arguments.start).await
            }
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    code
}

/// Standard output is kept for the one line that programs wait for.
fn log_to_standard_error() {
    // Dynoxide warns of every condition that does not hold, which is how a duplicate is recognised.
    let filter = EnvFilter::new("warn,relay_local=info,dynoxide=error");
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match output_style() {
        OutputStyle::Terminal => builder.with_target(false).compact().init(),
        OutputStyle::Json | OutputStyle::Hidden => builder.json().init(),
    }
}
