//! `relay`: send messages, look at them, stop them, bring them back, and learn why a target is allowed or refused.

mod again;
mod api;
mod cancel;
mod causes;
mod check_target;
mod dead;
mod deployment;
mod destination;
mod document;
mod environment_file;
mod filter;
mod interrupt;
mod keys;
mod logs;
mod patience;
mod recover;
mod send;
mod show;
mod smoke;
mod terminal;
mod work;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use relay_core::ports::PortError;

use crate::terminal::{not_written, note};

/// Exit code for wrong usage, which is clap's own too.
const USAGE: u8 = 2;
/// Exit code when a target or a message is refused: it is not one for which this can be done.
const REFUSED: u8 = 3;
/// Exit code when the work was gone through, and something did not answer for some messages.
const SOME_FAILED: u8 = 4;
/// Exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(
    name = "relay",
    version,
    about = "Send, show, explain, stop and bring back messages of the webhook relay",
    after_help = "`send`, `show`, `cancel`, `smoke` and `destination` speak to the relay's API and bring an API key: \
                  --api-key, RELAY_API_KEY, or the one in --env-file .relay/env. They do not sign their requests. \
                  `dead`, `redrive`, `resend`, `recover` and `keys` speak to the table and the queue, with your AWS \
                  keys or with --env-file .relay/env.\n\nExit codes: 0 done, \
                  1 not done, 2 wrong usage, 3 refused, 4 some failed (run it again), 130 interrupted."
)]
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
    /// Cancel messages that are not delivered yet: they are not sent, and nothing sets them going again.
    ///
    /// Takes what is PENDING, QUEUED or RETRYING; with lean status tracking only what has been tried. The key needs
    /// the scope operate. Safe to interrupt and to repeat. Exits with 0 if all are cancelled, 3 if some are not and
    /// cannot be.
    Cancel(cancel::Arguments),
    /// Try a deployed relay from outside: that it accepts, refuses and delivers what it should.
    ///
    /// Exits with 0 if all of it holds, 1 if not.
    Smoke(smoke::Arguments),
    /// Say whether the relay would send to a URL, and why not. Makes no connection.
    ///
    /// Exits with 0 if it would, 3 if it would not, 2 for wrong usage.
    CheckTarget(check_target::Arguments),
    /// Show how the circuit breakers of a host stand, and why.
    Destination(destination::Arguments),
    /// List dead letters, or show a message as the table has it.
    #[command(subcommand)]
    Dead(dead::Command),
    /// Set dead letters going again, by id or by a filter. Safe to interrupt and to repeat.
    Redrive(again::RedriveArguments),
    /// Send messages once more that were delivered or given up.
    Resend(again::ResendArguments),
    /// Show what a relay on this machine logged about one message, by any of its ids, in order of time.
    Logs(logs::Arguments),
    /// Make API keys and look after them, with AWS credentials instead of a key.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Send messages to the queue again whose queue item is lost. Reads the whole table. Safe to
    /// interrupt and to repeat.
    Recover(recover::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Send(arguments) => send::run(arguments).await,
        Command::Show(arguments) => show::run(arguments).await,
        Command::Cancel(arguments) => cancel::run(arguments).await,
        Command::Smoke(arguments) => smoke::run(arguments).await,
        Command::CheckTarget(arguments) => check_target::run(arguments).await,
        Command::Destination(arguments) => destination::run(arguments).await,
        Command::Dead(command) => dead::run(command).await,
        Command::Redrive(arguments) => again::redrive(arguments).await,
        Command::Resend(arguments) => again::resend(arguments).await,
        Command::Logs(arguments) => logs::run(&arguments),
        Command::Keys(command) => keys::run(command).await,
        Command::Recover(arguments) => recover::run(arguments).await,
    };
    let code = done.unwrap_or_else(|failure| {
        note(&failure.to_string());
        failure.exit_code()
    });
    if let Some(reason) = not_written() {
        note(&format!("standard output cannot be written: {reason}"));
        return ExitCode::FAILURE;
    }
    code
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
    #[error("{place} did not answer: {}", causes::on_one_line(.reason))]
    Unreachable { place: String, reason: reqwest::Error },
    /// The relay, or the store of its uploads, refused.
    #[error("{place} answered {status}\n{answer}")]
    Answered { place: String, status: u16, answer: String },
    /// The relay does not take the key, or not for this.
    #[error("the relay answered {status}\n{answer}\nhint: {hint}")]
    NotLetIn { status: u16, answer: String, hint: &'static str },
    /// The host has no randomness.
    #[error("no random numbers: {0}")]
    Randomness(getrandom::Error),
    /// The table or the queue did not answer.
    #[error("{0}")]
    Port(#[from] PortError),
    /// Others change the same key all the time.
    #[error("the key changes faster than it can be written; run it again")]
    Contended,
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(USAGE),
            Self::Input { .. }
            | Self::Unreachable { .. }
            | Self::Answered { .. }
            | Self::NotLetIn { .. }
            | Self::Randomness(_)
            | Self::Contended
            | Self::Port(_) => ExitCode::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn a_whole_message_excludes_the_flags_it_replaces() {
        let parse = |flags: &[&str]| {
            Arguments::try_parse_from([&["relay", "send", "--message", "-"], flags].concat())
        };
        assert!(parse(&[]).is_ok(), "defaults are no conflict");
        for flag in [
            ["--method", "POST"],
            ["--sender-id", "cli"],
            ["--message-id", "m"],
            ["--target-url", "https://a.example/"],
            ["--header", "A: b"],
            ["--body", "1"],
            ["--body-file", "-"],
        ] {
            let kind = parse(&flag).err().map(|error| error.kind());
            assert_eq!(kind, Some(ErrorKind::ArgumentConflict), "{flag:?}");
        }
    }
}
