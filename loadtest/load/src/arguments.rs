//! The command line.

use clap::{Args, Parser, Subcommand};
use relay_local::stack::Program;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Sends messages at a rate that answers do not slow down, and measures from when each was due.
#[derive(Debug, Parser)]
#[command(name = "relay-load", version)]
pub(crate) struct Arguments {
    /// Which load.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The scenarios by name, as [`crate::scenario::ALL`] describes them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One rate, from beginning to end
    Steady(RunArguments),
    /// From a tenth of the rate to all of it
    Ramp(RunArguments),
    /// Ten times the rate for five seconds, twice
    Burst(RunArguments),
    /// A moderate rate for an hour
    Soak(RunArguments),
    /// Every fifth message repeats an id
    Duplicates(RunArguments),
    /// Bodies from 1 KiB to 300 KiB
    MixedSizes(RunArguments),
    /// Every tenth message goes to a target that takes a second
    SlowTarget(RunArguments),
    /// Every tenth message goes to a target that answers 503
    DeadTarget(RunArguments),
    /// 25 messages in each request
    Bulk(RunArguments),
    /// Run one of the functions; started by the program itself
    #[command(hide = true)]
    Function {
        /// Which.
        program: Program,
    },
}

/// What a scenario is changed by, and where it runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArguments {
    /// Highest rate, in messages a second; the profile is scaled to it [default: the scenario's]
    #[arg(long, value_parser = positive)]
    pub(crate) rate: Option<f64>,
    /// Length of the profile, in seconds; it is scaled to it [default: the scenario's]
    #[arg(long, value_parser = positive)]
    pub(crate) seconds: Option<f64>,
    /// What sizes, targets and repeats follow from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Messages in a request: above 1 by POST /v1/messages/bulk [default: the scenario's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) bulk: Option<u32>,
    /// What has to hold, as NAME=NUMBER, separated by commas; added to the scenario's, or in place of its own
    #[arg(long, value_name = "NAME=NUMBER,…")]
    pub(crate) threshold: Vec<String>,
    /// Requests under way at one time at most. What it holds back is counted, and late
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) in_flight: u32,
    /// How long to wait, after the last answer, for messages that were accepted and have not arrived, in seconds
    #[arg(long, default_value_t = 60)]
    pub(crate) settle_seconds: u64,
    #[command(flatten)]
    pub(crate) relay: RelayArguments,
    /// Write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report to this file: one page with plots, which needs no other file
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// No line each second
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Which relay is loaded.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RelayArguments {
    /// A deployed relay; without it, one is started on this machine for the run
    #[arg(long, requires = "reached")]
    pub(crate) url: Option<String>,
    /// Its API key, with the scope `send`; better given as RELAY_API_KEY, which others on this machine do not see. The
    /// relay on this machine makes its own
    #[arg(long, env = "RELAY_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Where its messages go. Only acceptance is measured, unless this leads to --receiver
    #[arg(long, value_name = "URL", requires = "url", group = "reached")]
    pub(crate) target: Option<String>,
    /// The same receiver under another host name, for scenarios with a slow or dead target
    #[arg(long, value_name = "URL", requires = "receiver")]
    pub(crate) other_target: Option<String>,
    /// Receive the messages here, and measure delivery; the target is this address unless --target says otherwise
    #[arg(long, value_name = "ADDRESS:PORT", requires = "url", group = "reached")]
    pub(crate) receiver: Option<SocketAddr>,
    /// The relay on this machine tracks lean (STATUS_TRACKING=lean)
    #[arg(long, conflicts_with = "url")]
    pub(crate) lean: bool,
    /// The relay on this machine keeps no bodies that fit the queue (RETAIN_BODIES=false)
    #[arg(long, conflicts_with = "url")]
    pub(crate) unretained: bool,
    /// A setting of the relay on this machine, which wins over all others
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "url")]
    pub(crate) setting: Vec<(String, String)>,
    /// A parameter of its template
    #[arg(long, value_name = "Name=Value", value_parser = pair, conflicts_with = "url")]
    pub(crate) parameter: Vec<(String, String)>,
    /// Show what the relay on this machine logs, on standard error
    #[arg(long, conflicts_with = "url")]
    pub(crate) logs: bool,
}

impl Default for RunArguments {
    fn default() -> Self {
        Self {
            rate: None,
            seconds: None,
            seed: 1,
            bulk: None,
            threshold: Vec::new(),
            in_flight: 512,
            settle_seconds: 60,
            relay: RelayArguments::default(),
            json: None,
            html: None,
            quiet: false,
        }
    }
}

impl Command {
    /// The scenario's name and its flags; none if it is no scenario.
    pub(crate) const fn scenario(&self) -> Option<(&'static str, &RunArguments)> {
        Some(match self {
            Self::Steady(arguments) => ("steady", arguments),
            Self::Ramp(arguments) => ("ramp", arguments),
            Self::Burst(arguments) => ("burst", arguments),
            Self::Soak(arguments) => ("soak", arguments),
            Self::Duplicates(arguments) => ("duplicates", arguments),
            Self::MixedSizes(arguments) => ("mixed-sizes", arguments),
            Self::SlowTarget(arguments) => ("slow-target", arguments),
            Self::DeadTarget(arguments) => ("dead-target", arguments),
            Self::Bulk(arguments) => ("bulk", arguments),
            Self::Function { .. } => return None,
        })
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        Ok(_) | Err(_) => Err("a number above 0 is needed".to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::scenario;
    use clap::CommandFactory;

    #[test]
    fn every_scenario_is_a_command() {
        for scenario in &scenario::ALL {
            let arguments =
                Arguments::try_parse_from(["relay-load", scenario.name, "--rate", "2.5"]);
            let command = arguments.unwrap().command;
            let (name, arguments) = command.scenario().unwrap();
            assert_eq!((name, arguments.rate), (scenario.name, Some(2.5)));
        }
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for wrong in [
            &["--url", "https://a.example"][..],
            &["--target", "https://a.example"],
            &["--url", "https://a.example", "--target", "https://b.example", "--lean"],
            &["--rate", "0"],
            &["--bulk", "101"],
            &["--setting", "nothing"],
        ] {
            let line = ["relay-load", "steady"].iter().chain(wrong);
            assert!(Arguments::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }
}
