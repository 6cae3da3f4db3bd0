//! DynamoDB on loopback: dynoxide (an emulator on SQLite) behind a thin layer that notes who
//! called what. The layer passes requests on byte for byte; tables are made in-process, from the
//! same properties a template gives them.
//!
//! The emulator blocks its thread while SQLite works, so it has a runtime and a thread of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use dynoxide::Database;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::describe_time_to_live::DescribeTimeToLiveRequest;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use self::front::Front;
pub use self::table::{
    AttributeDefinition, KeyElement, Projection, SecondaryIndex, TableDescription, TimeToLive,
};
use super::http::{Server, bind};
use super::record::Recorder;

mod calls;
mod front;
mod table;

/// How often expired items are deleted. Far more eager than the service, which takes days: what
/// relies on the item being there after its time shows at once.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// How long the emulator's threads may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the table service failed.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// A port or a thread cannot be had.
    #[error("the table service cannot start: {0}")]
    Start(String),
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Open(String),
    /// The emulator refused the table.
    #[error("table {table:?} cannot be made: {reason}")]
    Table {
        /// The table's name.
        table: String,
        /// The emulator's reason.
        reason: String,
    },
    /// A table of that name is there with other keys or indexes.
    #[error("table {table:?} is kept with {kept}, but {wanted} is wanted: use a fresh data folder")]
    TableDiffers {
        /// The table's name.
        table: String,
        /// Keys and indexes it has.
        kept: String,
        /// Keys and indexes asked for.
        wanted: String,
    },
}

/// What the table service is started with.
pub struct DynamoDbOptions {
    /// Where it listens; see [`crate::services::bind`].
    pub listener: TcpListener,
    /// File the tables are kept in; in memory if absent.
    pub database_path: Option<PathBuf>,
    /// Where calls are noted.
    pub recorder: Recorder,
}

/// A running table service.
pub struct DynamoDbServer {
    server: Server,
    database: Database,
    /// Dropped to end the emulator and the sweep.
    stop_engine: oneshot::Sender<()>,
    stop_sweep: mpsc::Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl DynamoDbServer {
    /// Opens the database and serves.
    ///
    /// # Errors
    /// When the file cannot be opened, or a port or thread cannot be had.
    pub async fn start(options: DynamoDbOptions) -> Result<Self, DynamoDbError> {
        let database = open(options.database_path.as_deref())?;
        let inner = bind(0).await.map_err(|error| DynamoDbError::Start(error.to_string()))?;
        let inner_url = inner.local_addr().map(|address| format!("http://{address}/"));
        let inner_url = inner_url.map_err(|error| DynamoDbError::Start(error.to_string()))?;
        let (stop_engine, engine_stopped) = oneshot::channel();
        let engine = run_engine(inner, database.clone(), engine_stopped)?;
        let (stop_sweep, sweep_stopped) = mpsc::channel();
        let sweep = run_sweep(database.clone(), sweep_stopped)?;
        let front = Arc::new(Front::new(inner_url, options.recorder)?);
        let handler = service_fn(move |request| Arc::clone(&front).answer(request));
        let server = Server::start(options.listener, watch::channel(false).0, handler)
            .map_err(|error| DynamoDbError::Start(error.to_string()))?;
        Ok(Self { server, database, stop_engine, stop_sweep, threads: vec![engine, sweep] })
    }

    /// `http://127.0.0.1:<port>`: the value for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes the table, or finds it as described.
    ///
    /// # Errors
    /// When the description is refused, or a table of that name has other keys or indexes.
    pub fn create_table(&self, wanted: &TableDescription) -> Result<(), DynamoDbError> {
        let table = &wanted.table_name;
        let failed = |reason: String| DynamoDbError::Table { table: table.clone(), reason };
        let describe = DescribeTableRequest { table_name: table.clone() };
        if let Ok(found) = self.database.describe_table(describe) {
            let kept = serde_json::to_value(found.table).map_err(|e| failed(e.to_string()))?;
            wanted.check_same(&kept)?;
        } else {
            let request = serde_json::to_value(wanted).map_err(|e| failed(e.to_string()))?;
            let request: CreateTableRequest =
                serde_json::from_value(request).map_err(|e| failed(e.to_string()))?;
            self.database.create_table(request).map_err(|e| failed(e.to_string()))?;
        }
        self.set_time_to_live(wanted).map_err(failed)
    }

    /// Setting what is set already is refused by the service, so it is asked first.
    fn set_time_to_live(&self, wanted: &TableDescription) -> Result<(), String> {
        let Some(expiry) = &wanted.time_to_live_specification else { return Ok(()) };
        let table_name = wanted.table_name.clone();
        let describe = DescribeTimeToLiveRequest { table_name: table_name.clone() };
        let found = self.database.describe_time_to_live(describe).map_err(|e| e.to_string())?;
        let found = found.time_to_live_description;
        let is_enabled = found.time_to_live_status == "ENABLED";
        let is_same_attribute = found.attribute_name.as_ref() == Some(&expiry.attribute_name);
        if is_enabled == expiry.enabled && (!is_enabled || is_same_attribute) {
            return Ok(());
        }
        let request = UpdateTimeToLiveRequest {
            table_name,
            time_to_live_specification: TimeToLiveSpecification {
                attribute_name: expiry.attribute_name.clone(),
                enabled: expiry.enabled,
            },
        };
        self.database.update_time_to_live(request).map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Deletes expired items now; answers how many. Also done every few seconds by itself.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn sweep_expired(&self) -> Result<usize, DynamoDbError> {
        self.database.sweep_ttl().map_err(|error| DynamoDbError::Start(error.to_string()))
    }

    /// Lets running calls finish and closes the database.
    pub async fn shutdown(self) {
        self.server.stop().await;
        drop(self.stop_engine);
        drop(self.stop_sweep);
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().all(|thread| thread.join().is_ok())
        });
        match tokio::time::timeout(CLOSE_TIMEOUT, joined).await {
            Ok(Ok(true)) => {}
            Ok(_) => tracing::error!("a thread of the table service ended badly"),
            Err(_) => tracing::error!("the table service did not close in time"),
        }
    }
}

fn open(path: Option<&Path>) -> Result<Database, DynamoDbError> {
    let opened = match path {
        Some(path) => Database::new(&path.to_string_lossy()),
        None => Database::memory(),
    };
    let database = opened.map_err(|error| DynamoDbError::Open(error.to_string()))?;
    // The one public way to `synchronous = NORMAL`: with a write-ahead log it loses nothing when
    // the process dies, and spares a flush to disk for every write.
    database.disable_bulk_loading().map_err(|error| DynamoDbError::Open(error.to_string()))?;
    Ok(database)
}

fn run_engine(
    listener: TcpListener,
    database: Database,
    stopped: oneshot::Receiver<()>,
) -> Result<JoinHandle<()>, DynamoDbError> {
    let failed = |error: std::io::Error| DynamoDbError::Start(error.to_string());
    let listener = listener.into_std().map_err(failed)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let run = move || {
        let served = runtime.block_on(async {
            let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
            let ended = async {
                // Either outcome is the end: a message, or the sender dropped.
                let _ = stopped.await;
            };
            dynoxide::server::serve_with_shutdown(listener, database, ended).await
        });
        if let Err(error) = served {
            tracing::error!(%error, "the table engine ended badly");
        }
    };
    std::thread::Builder::new().name("dynamodb".to_owned()).spawn(run).map_err(failed)
}

fn run_sweep(
    database: Database,
    stopped: mpsc::Receiver<()>,
) -> Result<JoinHandle<()>, DynamoDbError> {
    let run = move || {
        while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(SWEEP_INTERVAL) {
            match database.sweep_ttl() {
                Ok(0) => {}
                Ok(items) => tracing::debug!(items, "expired items deleted"),
                Err(error) => tracing::warn!(%error, "expired items could not be deleted"),
            }
        }
    };
    let spawned = std::thread::Builder::new().name("dynamodb-ttl".to_owned()).spawn(run);
    spawned.map_err(|error| DynamoDbError::Start(error.to_string()))
}
