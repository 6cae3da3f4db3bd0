//! `relay`: send messages, look at them, and learn why a target is allowed or refused.

mod api;
mod check_target;
mod send;
mod show;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code when a target is refused.
const REFUSED: u8 = 3;

#[derive(Parser)]
#[command(name = "relay", version, about = "Send, show and explain messages of the webhook relay")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send a message. The body comes from --body, --body-file or standard input.
    Send(send::Arguments),
    /// Show a message: where it is, and every attempt.
    Show(show::Arguments),
    /// Say whether the relay would send to a URL, and why not. Makes no connection.
    ///
    /// Exits with 0 if it would, 3 if it would not, 2 for wrong usage.
    CheckTarget(check_target::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Send(arguments) => send::run(arguments).await,
        Command::Show(arguments) => show::run(arguments).await,
        Command::CheckTarget(arguments) => check_target::run(arguments).await,
    };
    done.unwrap_or_else(|failure| {
        eprintln!("relay: {failure}");
        failure.exit_code()
    })
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The arguments contradict each other or cannot be read.
    #[error("{0}")]
    Usage(String),
    /// A file or standard input cannot be read.
    #[error("{what} cannot be read: {reason}")]
    Input { what: String, reason: std::io::Error },
    /// The relay did not answer.
    #[error("{url} did not answer: {reason}")]
    Unreachable { url: String, reason: reqwest::Error },
    /// The relay refused.
    #[error("the relay answered {status}\n{answer}")]
    Answered { status: u16, answer: String },
    /// The host has no randomness.
    #[error("no random numbers: {0}")]
    Randomness(getrandom::Error),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Input { .. }
            | Self::Unreachable { .. }
            | Self::Answered { .. }
            | Self::Randomness(_) => ExitCode::FAILURE,
        }
    }
}
