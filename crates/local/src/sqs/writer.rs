//! The one thread that owns the store. Calls handed to it while it commits are done together in
//! the next transaction (group commit), each behind its own savepoint, and answered only after
//! that transaction is safe. It knows nothing of what the calls do.

use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::error::SqsError;
use super::limits;
use super::store::Store;

/// Does a call and answers what is to be said to its caller, once it is known whether the group
/// was committed.
type Call = Box<dyn FnOnce(Result<&Store, SqsError>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), SqsError>) + Send>;

/// Hands calls to the store's thread.
pub(super) struct Writer {
    calls: mpsc::Sender<Call>,
}

/// The running thread; joined when the server has stopped, so that the file is closed by then.
pub(super) type WriterThread = JoinHandle<()>;

impl Writer {
    /// Starts the thread. It ends when the writer is dropped and all calls are answered.
    pub(super) fn start(store: Store) -> Result<(Self, WriterThread), SqsError> {
        let (calls, waiting) = mpsc::channel(limits::WAITING_CALLS_MAX);
        let thread = std::thread::Builder::new()
            .name("sqs-store".to_owned())
            .spawn(move || serve(&store, waiting))
            .map_err(|error| SqsError::Store(error.to_string()))?;
        Ok((Self { calls }, thread))
    }

    /// Does `work` in the store; what it wrote is durable when this answers. An error of `work`
    /// takes back what `work` wrote and nothing else.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, SqsError>
    where
        T: Send + 'static,
        W: FnOnce(&Store) -> Result<T, SqsError> + Send + 'static,
    {
        let stopped = || SqsError::Store("the store's thread has ended".to_owned());
        let (sender, receiver) = oneshot::channel();
        let call: Call = Box::new(move |store| {
            let result = store.and_then(|store| behind_savepoint(store, work));
            Box::new(move |committed| {
                // A caller that has gone away needs no answer.
                let _ = sender.send(committed.and(result));
            })
        });
        self.calls.send(call).await.map_err(|_| stopped())?;
        receiver.await.map_err(|_| stopped())?
    }
}

fn behind_savepoint<T>(
    store: &Store,
    work: impl FnOnce(&Store) -> Result<T, SqsError>,
) -> Result<T, SqsError> {
    store.connection.execute_batch("SAVEPOINT call")?;
    let result = work(store);
    let end = match &result {
        Ok(_) => "RELEASE call",
        Err(_) => "ROLLBACK TO call; RELEASE call",
    };
    // A full disk can end the whole transaction; then there is no savepoint left to end, and the
    // group fails as one.
    if !store.connection.is_autocommit() {
        store.connection.execute_batch(end)?;
    }
    result
}

fn serve(store: &Store, mut waiting: mpsc::Receiver<Call>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut answers = Vec::new();
        let mut next = Some(first);
        let mut group = store.connection.execute_batch("BEGIN IMMEDIATE").map_err(SqsError::from);
        while let Some(call) = next.take() {
            answers.push(call(group.clone().map(|()| store)));
            if group.is_ok() && store.connection.is_autocommit() {
                group = Err(SqsError::Store("the transaction was given up".to_owned()));
            }
            if group.is_ok() && answers.len() < limits::COMMIT_GROUP_MAX {
                next = waiting.try_recv().ok();
            }
        }
        if group.is_ok() {
            group = store.connection.execute_batch("COMMIT").map_err(SqsError::from);
        }
        if let Err(error) = &group {
            tracing::error!(%error, calls = answers.len(), "the queue store could not commit");
            if !store.connection.is_autocommit()
                && let Err(error) = store.connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "the queue store could not roll back");
            }
        }
        for answer in answers {
            answer(group.clone());
        }
    }
}
