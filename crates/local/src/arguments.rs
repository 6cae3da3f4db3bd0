//! The command line of the local relay. Nothing is required: `cargo run` alone starts it.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

use crate::stack::Program;

/// The whole relay on one machine: HTTP API, functions, queue, table, bucket and a demo receiver.
///
/// Settings named in docs/SETTINGS.md may be set in the environment; they win over the template.
#[derive(Debug, Parser)]
#[command(name = "relay-local", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do instead of starting the relay.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to start it.
    #[command(flatten)]
    pub start: StartArguments,
}

/// How to start the relay.
#[derive(Debug, clap::Args)]
pub struct StartArguments {
    /// Port of the relay's HTTP API; 0 for any free one
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
    /// Port of the demo receiver; 0 for any free one
    #[arg(long, default_value_t = 3001)]
    pub receiver_port: u16,
    /// Folder that messages are kept in
    #[arg(long, default_value = ".relay")]
    pub data_dir: PathBuf,
    /// Keep nothing: use a temporary folder and remove it at the end
    #[arg(long, conflicts_with = "data_dir")]
    pub ephemeral: bool,
    /// Template to run instead of the project's own template.yaml
    #[arg(long)]
    pub template: Option<PathBuf>,
    /// Value for a parameter of the template, such as BatchWindowSeconds=0; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
}

/// What the executable can do beside starting the relay.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one of the functions; started by the relay itself
    #[command(hide = true)]
    Function {
        /// Which.
        program: Program,
    },
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("a parameter is given as NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_is_required() {
        let arguments = Arguments::try_parse_from(["relay-local"]).unwrap();
        assert!(arguments.command.is_none());
        assert_eq!((arguments.start.port, arguments.start.receiver_port), (3000, 3001));
        assert_eq!(arguments.start.data_dir, PathBuf::from(".relay"));
    }

    #[test]
    fn parameters_are_pairs() {
        let line = ["relay-local", "--parameter", "A=b=c", "--parameter", "D="];
        let arguments = Arguments::try_parse_from(line).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(arguments.start.parameters, [pair("A", "b=c"), pair("D", "")]);
        assert!(Arguments::try_parse_from(["relay-local", "--parameter", "A"]).is_err());
        assert!(
            Arguments::try_parse_from(["relay-local", "--ephemeral", "--data-dir", "x"]).is_err()
        );
    }

    #[test]
    fn functions_are_started_by_name() {
        let arguments = Arguments::try_parse_from(["relay-local", "function", "worker"]).unwrap();
        let Some(Command::Function { program }) = arguments.command else { panic!("no function") };
        assert_eq!(program, Program::Worker);
    }
}
