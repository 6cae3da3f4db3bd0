//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::measures::Effort;
use crate::parts::Part;

/// Measures the relay against the bare limit.
#[derive(Debug, Parser)]
#[command(name = "relay-bench", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// A part of the program; without one everything is measured
    #[command(subcommand)]
    pub part: Option<Part>,
    /// How to measure.
    #[command(flatten)]
    pub measure: MeasureArguments,
}

/// How to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct MeasureArguments {
    /// Only these measures, by number from 1 to 12; 0 is the guard against losses
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(0..=12))]
    pub only: Vec<u8>,
    /// Fewer and shorter measurements, for a first look
    #[arg(long)]
    pub quick: bool,
    /// Write everything that was measured to this file, as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Exit with 1 if a bar is missed
    #[arg(long)]
    pub strict: bool,
}

impl MeasureArguments {
    /// Whether this measure is wanted.
    #[must_use]
    pub fn wants(&self, number: u8) -> bool {
        self.only.is_empty() || self.only.contains(&number)
    }

    /// How thoroughly to measure.
    #[must_use]
    pub const fn effort(&self) -> Effort {
        if self.quick {
            Effort { repeats: 3, starts: 10, messages: 200, is_quick: true }
        } else {
            Effort { repeats: 9, starts: 50, messages: 1000, is_quick: false }
        }
    }
}
