//! What is counted and measured: the one table of metrics, and the recorder that functions write into.
//!
//! A metric has one dimension, the function's name, and never a sender, a URL or an id: each value of a
//! dimension is a metric that is paid for, and those belong into the log. Outcome class, error code and
//! reason are part of a metric's name, so that one line says all that an invocation has to say.
//!
//! How metrics leave the process is not decided here.

mod recorder;
mod table;

pub use recorder::{Recorder, Samples};
pub use table::{Definition, Kind, Metric, Recording, Unit};

/// The CloudWatch namespace of all of them.
pub const NAMESPACE: &str = "WebhookRelay";
/// Their only dimension. Its value is the name that Lambda gives the function, so that several stacks in
/// one account stay apart.
pub const DIMENSION: &str = "FunctionName";
