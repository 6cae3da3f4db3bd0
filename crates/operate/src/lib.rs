//! Brings back what stopped: dead letters that go again, messages whose queue item was lost, and records
//! and dead-letter queue that disagree.
//!
//! Everything here works on any store and queue behind the ports of `relay-core`. It delivers nothing.

pub mod again;
pub mod dead;
mod merge;
mod pace;
mod patience;
mod reconcile;
pub mod recover;
pub mod run;
mod stop;

pub use again::{Gone, SetGoing, Stopped, can_go};
pub use dead::{DeadFilter, DeadLetters, Listed, RedriveOptions, Redriven};
pub use pace::Pace;
pub use reconcile::{Reconciler, ReconcilerPorts, Report};
pub use recover::{Recover, RecoverOptions, Recovered};
pub use stop::{Ended, Stop};
