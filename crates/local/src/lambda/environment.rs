//! One environment: a child process and its Runtime API, from start to the first call for work.
//!
//! What happens to it afterwards is in [`super::serving`].

use serde::Serialize;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::StartError;
use super::child::{self, Process};
use super::host::Pool;
use super::invocation::Invocation;
use super::runtime_api::{self, CALLS_MAX, Handout, RuntimeCall};
use super::settings::FunctionSettings;

/// Lambda's limit for the initialisation of an environment.
const INITIALISE_TIMEOUT: Duration = Duration::from_secs(10);

/// What an environment is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentState {
    /// Its process runs but has not asked for work yet.
    Starting,
    /// It waits for an invocation.
    Idle,
    /// It works on one.
    Busy,
}

/// One environment, as an operator or a test sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentStatus {
    /// Short name of the function.
    pub function: String,
    /// Process id.
    pub pid: u32,
    /// What it is doing.
    pub state: EnvironmentState,
    /// Invocations that it has taken.
    pub invocations: u64,
}

/// How the pool reaches an environment.
#[derive(Clone)]
pub(super) struct EnvironmentHandle {
    pub(super) number: u64,
    pub(super) invocations: mpsc::Sender<Invocation>,
}

/// A started environment that waits for its first invocation.
pub(super) struct Environment {
    pub(super) settings: Arc<FunctionSettings>,
    pub(super) pool: Arc<Pool>,
    pub(super) handle: EnvironmentHandle,
    pub(super) process: Process,
    pub(super) calls: mpsc::Receiver<RuntimeCall>,
    pub(super) invocations: mpsc::Receiver<Invocation>,
    pub(super) stopping: watch::Receiver<bool>,
    /// Where the next event goes; nothing while the function works.
    pub(super) next: Option<oneshot::Sender<Handout>>,
    _server: ServerTask,
}

/// The server of the Runtime API, which ends with its environment.
struct ServerTask(tokio::task::JoinHandle<()>);

impl Drop for ServerTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Environment {
    /// Starts the process and waits until it asks for work.
    ///
    /// # Errors
    /// When the process cannot be started, ends, or does not ask for work in time.
    pub(super) async fn start(pool: &Arc<Pool>, number: u64) -> Result<Self, StartError> {
        let settings = Arc::clone(&pool.settings);
        let function = settings.label.clone();
        let listen = |source| StartError::Listen { function: function.clone(), source };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (call_sender, mut calls) = mpsc::channel(CALLS_MAX);
        let router = runtime_api::router(call_sender);
        let server = ServerTask(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the runtime api stopped");
            }
        }));
        let mut process = child::start(&settings, number, address).map_err(|source| {
            let program = settings.program.clone();
            StartError::Spawn { function: function.clone(), program, source }
        })?;
        pool.note(number, &settings.label, process.pid);
        let started = Instant::now();
        let next = match first_next(&function, &mut process, &mut calls).await {
            Ok(next) => next,
            Err(error) => {
                process.end().await;
                pool.forget(number);
                return Err(error);
            }
        };
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(function, pid = process.pid, milliseconds, "cold start");
        let (invocation_sender, invocations) = mpsc::channel(1);
        let handle = EnvironmentHandle { number, invocations: invocation_sender };
        let stopping = pool.stopping.subscribe();
        let pool = Arc::clone(pool);
        Ok(Self {
            settings,
            pool,
            handle,
            process,
            calls,
            invocations,
            stopping,
            next: Some(next),
            _server: server,
        })
    }

    /// How the pool reaches it.
    pub(super) fn handle(&self) -> EnvironmentHandle {
        self.handle.clone()
    }
}

/// Waits for the call by which a function shows that it is initialised.
async fn first_next(
    function: &str,
    process: &mut Process,
    calls: &mut mpsc::Receiver<RuntimeCall>,
) -> Result<oneshot::Sender<Handout>, StartError> {
    let failed = |reason| StartError::Initialise { function: function.to_owned(), reason };
    let first = async {
        tokio::select! {
            biased;
            call = calls.recv() => match call {
                Some(RuntimeCall::Next(next)) => Ok(next),
                Some(RuntimeCall::CannotStart(reason)) => Err(failed(reason)),
                Some(RuntimeCall::Finished { .. }) | None => {
                    Err(failed("it answered before it was asked".to_owned()))
                }
            },
            status = process.child.wait() => Err(failed(describe_exit(status))),
        }
    };
    match tokio::time::timeout(INITIALISE_TIMEOUT, first).await {
        Ok(next) => next,
        Err(_) => Err(StartError::InitialiseTimeout {
            function: function.to_owned(),
            seconds: INITIALISE_TIMEOUT.as_secs(),
        }),
    }
}

/// How a process ended, in words.
pub(super) fn describe_exit(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("its process ended with {status}"),
        Err(error) => format!("its process cannot be watched: {error}"),
    }
}
