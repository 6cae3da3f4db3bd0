//! The settings of both functions: one table says what each is, and two readers turn the environment
//! into typed values. The environment itself is read by the caller.

mod reader;
mod table;
mod typed;

pub use reader::{SettingError, SettingsErrors};
pub use table::{ALL, Setting, setting};
pub use typed::{Fairness, IngestSettings, Limits, Logging, Metrics, Secrets, WorkerSettings};
