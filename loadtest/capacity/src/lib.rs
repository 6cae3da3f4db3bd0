//! A discrete-event model of the deployed relay: how long it takes to reach a rate, what waits meanwhile, which quota
//! breaks first, and which settings hold.
//!
//! It runs from a seed: the same system gives the same outcome, wherever logarithms round alike. What it deliberately
//! does not do: it calls nothing, measures nothing and knows no bodies, keys or destinations; every time and limit in
//! it is an argument (`System`), documented by AWS, assumed or measured elsewhere. docs/PERFORMANCE.md lists what it
//! leaves out.

mod accept;
mod agenda;
mod deliver;
mod environments;
mod ladder;
mod limits;
mod matrix;
mod outcome;
mod plot;
mod presets;
mod random;
mod simulation;
mod source;
mod system;
mod table;

pub use ladder::{Rung, ladder};
pub use matrix::{MatrixError, matrix};
pub use outcome::{Counts, Limit, Met, Outcome, Percentiles, Sample};
pub use plot::{PlotError, plot};
pub use presets::Way;
pub use simulation::{SimulationError, simulate};
pub use system::{Milliseconds, Quotas, Stack, System, Timings, Traffic};
