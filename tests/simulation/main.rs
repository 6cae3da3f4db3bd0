//! The whole relay in one thread on paused time: the real ingest router and the real worker over ports in memory,
//! in a world drawn from a seed in which everything goes wrong that can. docs/SIMULATION.md says how to run it and
//! how to replay a seed.
//!
//! No service, no socket and no clock of this machine is touched; what the adapters do with real services is for
//! the conformance suites and the end-to-end tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod batches;
mod bodies;
mod bulk;
mod clients;
mod dice;
mod hosts;
mod mortal;
mod operators;
mod plan;
mod ports;
mod scenarios;
mod scenarios_bulk;
mod scenarios_cancel;
mod scenarios_lean;
mod second_life;
mod seeds;
mod settings;
mod source;
mod targets;
mod watch;
mod weather;
mod world;
