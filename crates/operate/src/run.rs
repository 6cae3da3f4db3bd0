//! Brings the reconciler up on the Lambda runtime: settings, adapters, then one run per invocation.

use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use relay_aws::{
    Clients, DynamoLedger, DynamoStore, Emitter, S3Payloads, SqsLetters, SqsQueue, SystemAmbient,
};
use relay_core::metrics::Recorder;
use relay_core::settings::{ReconcilerSettings, SettingsErrors};
use relay_core::time::Timestamp;
use serde::de::IgnoredAny;
use tracing::Instrument;

use crate::{Reconciler, ReconcilerPorts, Report};

/// Why the reconciler did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsErrors),
    /// The Lambda runtime ended.
    #[error("the Lambda runtime ended: {0}")]
    Runtime(String),
}

/// A run that left something undone because a service did not answer. The next one tries again; that it
/// counts as a failed invocation is how anybody hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("something of what was to be done failed, and the log says why: {report:?}")]
pub struct Incomplete {
    /// What was done, and how much was not.
    pub report: Report,
}

/// Reads the settings from the environment and serves invocations until the process is ended.
///
/// # Errors
/// When the settings are unusable, or the runtime ends.
pub async fn run() -> Result<(), StartError> {
    let settings = ReconcilerSettings::read(&|name| std::env::var(name).ok())?;
    relay_aws::log_to_stdout(&settings.logging);
    let clients = Clients::from_env().await;
    let reconciler = &build(&clients, &settings);
    let recorder = &Arc::<Recorder>::default();
    let metrics = settings.logging.metrics;
    let emitter = &Emitter::new(metrics, &clients, Arc::clone(recorder), "reconciler");
    // What the schedule sends says nothing that a run needs.
    let handle = service_fn(move |event: LambdaEvent<IgnoredAny>| {
        let span = relay_aws::invocation_span(&event.context.request_id);
        let running = async move {
            let ends = Timestamp::from_millis(event.context.deadline);
            let report = reconciler.run(ends).await;
            report.count(recorder);
            told(report).map_err(lambda_runtime::Error::from)
        };
        emitter.invocation(running.instrument(span))
    });
    let ended = emitter.serving(lambda_runtime::run(handle)).await;
    ended.unwrap_or(Ok(())).map_err(|error| StartError::Runtime(error.to_string()))
}

/// The answer to the invocation, which is logged.
fn told(report: Report) -> Result<Report, Incomplete> {
    tracing::info!(
        entries_seen = report.entries_seen,
        buried = report.buried,
        sent = report.sent,
        left = report.left,
        letters_seen = report.letters_seen,
        letters_judged = report.letters_judged,
        noted = report.noted,
        given_up = report.given_up,
        replaced = report.replaced,
        removed = report.removed,
        unreadable = report.unreadable,
        failed = report.failed,
        unfinished = report.unfinished,
        "records and dead letters compared"
    );
    if report.failed > 0 { Err(Incomplete { report }) } else { Ok(report) }
}

fn build(clients: &Clients, settings: &ReconcilerSettings) -> Reconciler {
    let queue = SqsQueue::new(
        clients,
        settings.queue_url.clone(),
        Some(settings.dead_letter_queue_url.clone()),
        settings.fairness,
    );
    Reconciler::new(ReconcilerPorts {
        store: Arc::new(DynamoStore::new(clients, settings.table.clone())),
        ledger: Arc::new(DynamoLedger::new(clients, settings.table.clone())),
        queue: Arc::new(queue),
        letters: Arc::new(SqsLetters::new(clients, settings.dead_letter_queue_url.clone())),
        payloads: Arc::new(S3Payloads::new(clients, settings.bucket.clone())),
        ambient: Arc::new(SystemAmbient),
    })
}
