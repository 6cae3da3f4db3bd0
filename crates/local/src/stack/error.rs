//! Why the stack does not start, in words for the person who typed `cargo run`.

use std::io;
use std::path::PathBuf;

use relay_core::access::MalformedMasters;
use relay_core::ports::PortError;

use crate::event_source::MappingError;
use crate::gateway::BadRoute;
use crate::lambda::StartError;
use crate::services::dynamodb::DynamoDbError;
use crate::services::s3::S3Error;
use crate::services::secrets_manager::SecretsError;
use crate::sqs::SqsError;
use crate::template::TemplateError;

/// Why the stack does not start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The template is missing, not YAML, or says what cannot be honoured.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Another stack runs on the same data.
    #[error(
        "another relay is running on the data folder {folder}; stop it, or choose another with --data-dir or --ephemeral"
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The data folder cannot be used.
    #[error("the data folder {folder} cannot be used")]
    DataFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A port cannot be had.
    #[error("port {port} for the {what} cannot be opened; choose another with {flag}")]
    Port {
        /// Who wanted it.
        what: &'static str,
        /// Which.
        port: u16,
        /// How to choose another.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A service of the stack gets no loopback port.
    #[error("no loopback port for {what}")]
    Loopback {
        /// The service.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The table service failed.
    #[error(transparent)]
    DynamoDb(#[from] DynamoDbError),
    /// What an earlier run left of the tables cannot be read.
    #[error(
        "the table data in {path} cannot be used; move it away or choose another folder with --data-dir"
    )]
    TableData {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: DynamoDbError,
    },
    /// What an earlier run left of the queues cannot be read.
    #[error(
        "the queue data in {path} cannot be used; move it away or choose another folder with --data-dir"
    )]
    QueueData {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: SqsError,
    },
    /// The object service failed.
    #[error(transparent)]
    S3(#[from] S3Error),
    /// The secrets service failed.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The file of the ready-made key holds none.
    #[error("{file} holds no API key; remove it, and a new one is made")]
    KeyFile {
        /// The file.
        file: PathBuf,
    },
    /// The master secret that an earlier run drew, or that was put in its place, is none.
    #[error("the master secret {id} cannot be used")]
    MasterSecret {
        /// Its ARN.
        id: String,
        /// Why.
        source: MalformedMasters,
    },
    /// The ready-made key cannot be written to the table.
    #[error("the ready-made API key cannot be written to the table")]
    KeyRecord(#[source] PortError),
    /// Somebody else wrote a key of that id at the same moment.
    #[error("the table changed while the ready-made API key was written")]
    KeyTaken,
    /// The queue service failed.
    #[error("sqs: {0}")]
    Sqs(String),
    /// The template's table is not of the form the table service takes.
    #[error("the table {table} cannot be made: {reason}")]
    Table {
        /// The table.
        table: String,
        /// Which part is wrong.
        reason: String,
    },
    /// A function names a program that is not part of this one.
    #[error(
        "the function {function} runs the program {program}, which this executable does not contain"
    )]
    UnknownProgram {
        /// Logical id of the function.
        function: String,
        /// `BuildProperties.Binary` of its metadata.
        program: String,
    },
    /// A worker that crashed would come back to its message before the message may be claimed again.
    #[error(
        "DELIVERY_LEASE_SECONDS is {lease_seconds}; expected less than the timeout of {function}, which is {timeout_seconds} s"
    )]
    LeaseTooLong {
        /// Logical id of the worker function.
        function: String,
        /// How long a worker holds a message for one attempt.
        lease_seconds: u64,
        /// The function's timeout in the template.
        timeout_seconds: u64,
    },
    /// A function would send its metrics to AWS.
    #[error(
        "METRICS is cloudwatch, which {function} would look for at AWS; expected emf or off on one machine"
    )]
    MetricsAtAws {
        /// Logical id of the function.
        function: String,
    },
    /// This executable cannot be found again, to run functions from.
    #[error("the running executable cannot be found")]
    Executable(#[source] io::Error),
    /// A function did not start.
    #[error(transparent)]
    Function(#[from] StartError),
    /// An event source did not start.
    #[error("the event source of {function} cannot start")]
    EventSource {
        /// Logical id of the function.
        function: String,
        /// Why.
        source: MappingError,
    },
    /// An event source names a function or queue that does not run.
    #[error("an event source names {0}, which does not run")]
    Unconnected(String),
    /// A schedule names a function that does not run.
    #[error("a schedule names {0}, which does not run")]
    Unscheduled(String),
    /// A route of the template cannot be served.
    #[error(transparent)]
    Route(#[from] BadRoute),
}
