//! Runs Lambda functions as child processes behind the Lambda Runtime API, by Lambda's rules: one
//! invocation at a time per environment, cold starts on demand up to a maximum, a deadline that kills,
//! a crash that fails its invocation and costs only its environment.
//!
//! Not simulated: the freeze between invocations, memory limits, extensions, and the reclaiming of idle
//! environments (they are kept until the stack stops).

mod child;
mod environment;
mod host;
mod identifier;
mod invocation;
mod log_file;
mod measured;
mod output;
mod runtime_api;
mod serving;
mod settings;

pub use environment::{EnvironmentState, EnvironmentStatus};
pub use host::FunctionHost;
pub use identifier::unique_id;
pub use invocation::{EVENT_BYTES_MAX, InvokeError, RESPONSE_BYTES_MAX};
pub use log_file::LogFile;
pub use output::OutputStyle;
pub use settings::FunctionSettings;

/// Why a function cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No loopback port for its Runtime API.
    #[error("no loopback port for the runtime api of {function}")]
    Listen {
        /// The function.
        function: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its program cannot be run.
    #[error("the program {program} of {function} cannot be run")]
    Spawn {
        /// The function.
        function: String,
        /// The program that was to run.
        program: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended, or said why it cannot run, before it asked for its first event.
    #[error("{function} did not initialise: {reason}")]
    Initialise {
        /// The function.
        function: String,
        /// What it said or how it ended.
        reason: String,
    },
    /// It did not ask for its first event in time.
    #[error("{function} did not ask for work within {seconds} s")]
    InitialiseTimeout {
        /// The function.
        function: String,
        /// The limit.
        seconds: u64,
    },
}
