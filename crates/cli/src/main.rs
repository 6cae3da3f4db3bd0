//! `relay`: send messages, look at them, and learn why a target is allowed or refused.

mod api;
mod causes;
mod check_target;
mod send;
mod show;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code when a target is refused.
const REFUSED: u8 = 3;

#[derive(Parser)]
#[command(
    name = "relay",
    version,
    about = "Send, show and explain messages of the webhook relay",
    after_help = "`send` and `show` do not sign their requests: they speak to a relay on this machine, \
                  not to a deployed one whose routes want AWS_IAM. For that, sign them with another \
                  tool, such as curl --aws-sigv4."
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
    #[error("{place} did not answer: {}", causes::on_one_line(.reason))]
    Unreachable { place: String, reason: reqwest::Error },
    /// The relay, or the store of its uploads, refused.
    #[error("{place} answered {status}\n{answer}")]
    Answered { place: String, status: u16, answer: String },
    /// What stands before the relay's routes refused: the relay itself never answers with 403.
    #[error(
        "the relay answered 403\n{answer}\nhint: this command does not sign its requests; a deployed \
         relay whose routes want AWS_IAM takes only signed ones (curl --aws-sigv4 makes them)"
    )]
    Forbidden { answer: String },
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
            | Self::Forbidden { .. }
            | Self::Randomness(_) => ExitCode::FAILURE,
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
