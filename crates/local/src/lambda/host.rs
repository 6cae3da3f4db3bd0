//! The environments of one function: which are idle, when a new one is started, who waits.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use super::StartError;
use super::environment::{Environment, EnvironmentHandle, EnvironmentState, EnvironmentStatus};
use super::identifier::unique_id;
use super::invocation::{EVENT_BYTES_MAX, Invocation, InvokeError};
use super::measured::Measured;
use super::settings::FunctionSettings;

/// How long an invocation waits for an environment. Lambda would refuse at once, but has a thousand
/// environments where one machine has a few; a short wait stands for the difference.
const CAPACITY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the processes may take to end once they were killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What the environments of one function share.
pub(super) struct Pool {
    pub(super) settings: Arc<FunctionSettings>,
    pub(super) stopping: watch::Sender<bool>,
    idle: Mutex<Vec<EnvironmentHandle>>,
    statuses: Mutex<BTreeMap<u64, EnvironmentStatus>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn note(&self, number: u64, function: &str, pid: u32) {
        let status = EnvironmentStatus {
            function: function.to_owned(),
            pid,
            state: EnvironmentState::Starting,
            invocations: 0,
        };
        lock(&self.statuses).insert(number, status);
    }

    pub(super) fn set_busy(&self, number: u64) {
        if let Some(status) = lock(&self.statuses).get_mut(&number) {
            status.state = EnvironmentState::Busy;
            status.invocations += 1;
        }
    }

    pub(super) fn make_idle(&self, handle: EnvironmentHandle) {
        if let Some(status) = lock(&self.statuses).get_mut(&handle.number) {
            status.state = EnvironmentState::Idle;
        }
        lock(&self.idle).push(handle);
    }

    pub(super) fn forget(&self, number: u64) {
        lock(&self.idle).retain(|handle| handle.number != number);
        lock(&self.statuses).remove(&number);
    }
}

/// Invokes one function; starts and ends its environments.
pub struct FunctionHost {
    pool: Arc<Pool>,
    capacity: Arc<Semaphore>,
    next_number: AtomicU64,
    under_way: AtomicU64,
    tasks: Mutex<JoinSet<()>>,
}

impl FunctionHost {
    /// Starts a first environment, so that a function which cannot run is found out now.
    ///
    /// # Errors
    /// When that environment does not initialise.
    pub async fn start(settings: FunctionSettings) -> Result<Self, StartError> {
        let capacity = Arc::new(Semaphore::new(settings.maximum_environments));
        let pool = Arc::new(Pool {
            settings: Arc::new(settings),
            stopping: watch::Sender::new(false),
            idle: Mutex::default(),
            statuses: Mutex::default(),
        });
        let host = Self {
            pool,
            capacity,
            next_number: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            tasks: Mutex::new(JoinSet::new()),
        };
        let first = host.cold_start().await?;
        host.pool.make_idle(first);
        Ok(host)
    }

    /// Invokes the function and waits for its answer.
    ///
    /// # Errors
    /// By the rules of [`InvokeError`]. Up to `ColdStart` the function has seen nothing of the event.
    pub async fn invoke(&self, event: Bytes) -> Result<Bytes, InvokeError> {
        let mut measured = Measured::new(&self.pool.settings, &self.under_way);
        let result = self.pass_on(event, &mut measured).await;
        measured.ended(&result);
        result
    }

    async fn pass_on(
        &self,
        event: Bytes,
        measured: &mut Measured<'_>,
    ) -> Result<Bytes, InvokeError> {
        if event.len() > EVENT_BYTES_MAX {
            return Err(InvokeError::EventTooLarge { bytes: event.len() });
        }
        let waiting = Arc::clone(&self.capacity).acquire_owned();
        let permit = match tokio::time::timeout(CAPACITY_TIMEOUT, waiting).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_closed)) => return Err(InvokeError::Stopping),
            Err(_elapsed) => {
                return Err(InvokeError::Throttled {
                    environments: self.pool.settings.maximum_environments,
                    waited: CAPACITY_TIMEOUT,
                });
            }
        };
        let (answer, answered) = oneshot::channel();
        let request_id = unique_id();
        let mut invocation = Invocation { request_id, event, answer, permit };
        // Each turn takes an idle environment out of a finite number; at the latest a new one serves.
        loop {
            let popped = lock(&self.pool.idle).pop();
            let environment = match popped {
                Some(environment) => environment,
                None => self
                    .cold_start()
                    .await
                    .map_err(|error| InvokeError::ColdStart(error.to_string()))?,
            };
            match environment.invocations.send(invocation).await {
                Ok(()) => {
                    measured.began();
                    break;
                }
                Err(returned) => invocation = returned.0,
            }
        }
        let lost = || "it ended before it took the event".to_owned();
        answered.await.unwrap_or_else(|_| Err(InvokeError::Crashed { how: lost() }))
    }

    /// The environments that exist.
    #[must_use]
    pub fn environments(&self) -> Vec<EnvironmentStatus> {
        lock(&self.pool.statuses).values().cloned().collect()
    }

    /// The function's own timeout.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.pool.settings.timeout
    }

    /// Ends every environment, at once and in the middle of whatever it does.
    pub async fn stop(&self) {
        self.capacity.close();
        self.pool.stopping.send_replace(true);
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::error!(
                function = self.pool.settings.label,
                "environments did not end in time"
            );
        }
    }

    async fn cold_start(&self) -> Result<EnvironmentHandle, StartError> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let environment = Environment::start(&self.pool, number).await?;
        let handle = environment.handle();
        let mut tasks = lock(&self.tasks);
        // Ended environments are taken out here, so that the set does not grow with every crash.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(environment.run());
        Ok(handle)
    }
}
