//! The settings of the functions: one table says what each is, and a reader for each function turns the
//! environment into typed values. The environment itself is read by the caller.

mod access;
mod breaker;
mod reader;
mod reconciler;
mod table;
mod typed;

pub use access::Access;
pub use reader::{SettingError, SettingsErrors};
pub use reconciler::ReconcilerSettings;
pub use table::{ALL, Setting, setting};
pub use typed::{Fairness, IngestSettings, Limits, Logging, Metrics, Tracking, WorkerSettings};
