//! The command line.

use clap::{Parser, Subcommand};
use relay_local::stack::Program;

/// Breaks the relay on purpose, on this machine, and counts what came of every message.
#[derive(Debug, Parser)]
#[command(name = "relay-chaos", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sends messages while services fail and processes are killed; exit code 1 if a promise breaks
    Run(RunArguments),
    /// Measures what a target that never answers costs the others, with protection and without
    Isolation(IsolationArguments),
    /// Run one of the functions; started by the program itself
    #[command(hide = true)]
    Function {
        /// Which.
        program: Program,
    },
}

/// How much is sent and how much is broken.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArguments {
    /// Messages to send
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub messages: u64,
    /// Calls of DynamoDB, SQS and S3 that fail or lose their answer, in percent; a quarter as many more
    /// are slow
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(0..=75))]
    pub faults: u8,
    /// A worker process is killed every so many milliseconds, and an ingest process every third time; 0
    /// kills none
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    pub kill_every_ms: u64,
    /// What all chance follows from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Clients that send at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub concurrency: u16,
    /// Messages in one request; 1 sends each on its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub bulk: u16,
    /// Lean status tracking: messages may arrive twice, and none may get lost
    #[arg(long)]
    pub lean: bool,
    /// Bodies that fit the queue are kept nowhere else
    #[arg(long)]
    pub unretained: bool,
    /// How long to wait, once nothing fails any more, for the last message, in seconds
    #[arg(long, default_value_t = 180)]
    pub settle_seconds: u64,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Show what the functions log, on standard error
    #[arg(long)]
    pub logs: bool,
}

/// What is measured. Every phase runs on a relay of its own, one after the other.
#[derive(Debug, Clone, clap::Args)]
pub struct IsolationArguments {
    /// Messages a second to the target that answers
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// How long they are sent, in seconds
    #[arg(long, default_value_t = 75, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// How much of that is left out of the comparison at its beginning, in seconds: the time that a
    /// breaker takes to notice
    #[arg(long, default_value_t = 35, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub warm_up_seconds: u32,
    /// Of a hundred messages, so many more go to the target that never answers
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub silent_percent: u32,
    /// How long the target that answers takes, in milliseconds
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub target_ms: u32,
    /// Invocations of the worker at one time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub invocations: u32,
    /// How long to wait for the last message of a phase, in seconds
    #[arg(long, default_value_t = 300)]
    pub settle_seconds: u64,
    /// Exit with 1 if the protected phase stays below 0.9 of the throughput or above 1.5 of the p95 of
    /// the undisturbed one
    #[arg(long)]
    pub strict: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}
