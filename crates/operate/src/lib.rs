//! Brings back what stopped: dead letters that go again, messages whose queue item was lost, and records
//! and dead-letter queue that disagree.
//!
//! Everything here works on any store and queue behind the ports of `relay-core`. It delivers nothing.

pub mod again;
pub mod dead;
mod merge;
mod pace;
mod reconcile;
pub mod recover;
pub mod run;

pub use again::{Gone, SetGoing, Stopped};
pub use dead::{DeadFilter, DeadLetters, RedriveOptions, RedriveTotals, Redriven};
pub use reconcile::{Reconciler, ReconcilerPorts, Report};
pub use recover::{Recover, RecoverOptions, RecoverTotals, Recovered};
