//! Brings the worker up on the Lambda runtime: settings, adapters, then one invocation after another.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join3;
use lambda_runtime::{LambdaEvent, service_fn};
use relay_aws::{
    Clients, DynamoBreakers, DynamoSigningSecrets, DynamoStore, Emitter, S3Payloads,
    SecretsManagerVault, SqsQueue, SystemAmbient,
};
use relay_core::destination::DestinationPolicy;
use relay_core::ports::Vault;
use relay_core::settings::{SettingsErrors, WorkerSettings};
use relay_core::time::Timestamp;
use tracing::Instrument;

use crate::sender::{HttpSender, SenderError, SystemLookup};
use crate::{BatchAnswer, Ports, Rules, SqsEvent, Worker, items_of};

/// How long the start waits for the master secrets. Lambda gives all of it 10 s.
const VAULT_WARM_WITHIN: Duration = Duration::from_secs(3);

/// Why the worker did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsErrors),
    /// Nothing can be sent from this host.
    #[error(transparent)]
    Sender(#[from] SenderError),
    /// The Lambda runtime ended.
    #[error("the Lambda runtime ended: {0}")]
    Runtime(String),
}

/// Reads the settings from the environment, opens connections and serves invocations until the process
/// is ended.
///
/// # Errors
/// When the settings or this host are unusable, or the runtime ends.
pub async fn run() -> Result<(), StartError> {
    let settings = WorkerSettings::read(&|name| std::env::var(name).ok())?;
    relay_aws::log_to_stdout(&settings.logging);
    let clients = Clients::from_env().await;
    let worker = &build(&clients, &settings).await?;
    let recorder = Arc::clone(&worker.recorder);
    let emitter = &Emitter::new(settings.logging.metrics, &clients, recorder, "worker");
    let handle = service_fn(move |event: LambdaEvent<SqsEvent>| {
        let span = relay_aws::invocation_span(&event.context.request_id);
        emitter.invocation(invoke(worker, event).instrument(span))
    });
    let ended = emitter.serving(lambda_runtime::run(handle)).await;
    ended.unwrap_or(Ok(())).map_err(|error| StartError::Runtime(error.to_string()))
}

async fn invoke(
    worker: &Worker,
    event: LambdaEvent<SqsEvent>,
) -> Result<BatchAnswer, lambda_runtime::Error> {
    let items = items_of(event.payload)?;
    let ends = Timestamp::from_millis(event.context.deadline);
    Ok(worker.deliver_batch(&items, ends).await)
}

async fn build(clients: &Clients, settings: &WorkerSettings) -> Result<Worker, StartError> {
    let runtime_api = std::env::var("AWS_LAMBDA_RUNTIME_API").ok();
    let policy = DestinationPolicy::new(settings.destination_allow.clone(), runtime_api.as_deref());
    let store = DynamoStore::new(clients, settings.table.clone());
    let queue = SqsQueue::new(
        clients,
        settings.queue_url.clone(),
        Some(settings.dead_letter_queue_url.clone()),
        settings.fairness,
    );
    let payloads = S3Payloads::new(clients, settings.bucket.clone());
    let vault = SecretsManagerVault::new(clients, settings.master_secret_id.clone());
    let connect_timeout = settings.connect_timeout;
    // Reading the host's root certificates takes about as long as the services take to answer.
    let sender = async { HttpSender::new(policy, Arc::new(SystemLookup), connect_timeout) };
    let connections = relay_aws::warm(&store, &queue, &payloads);
    let (_, _, sender) = join3(connections, warm_vault(&vault), sender).await;
    let ports = Ports {
        store: Arc::new(store),
        queue: Arc::new(queue),
        payloads: Arc::new(payloads),
        sender: Arc::new(sender?),
        breakers: Arc::new(DynamoBreakers::new(clients, settings.table.clone())),
        signing_secrets: Arc::new(DynamoSigningSecrets::new(clients, settings.table.clone())),
        vault: Arc::new(vault),
        ambient: Arc::new(SystemAmbient),
    };
    let worker = Worker::new(ports, rules(settings));
    Ok(worker.logging_success_of(settings.logging.success_percent))
}

/// Reads the master secrets, so that the first signed delivery does not wait for them. They are read again when they
/// are needed, so a vault that does not answer now keeps nobody from starting.
async fn warm_vault(vault: &dyn Vault) {
    match tokio::time::timeout(VAULT_WARM_WITHIN, vault.masters(None)).await {
        Ok(Ok(_masters)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the master secrets could not be read"),
        Err(_elapsed) => tracing::warn!("the master secrets were not read in time"),
    }
}

fn rules(settings: &WorkerSettings) -> Rules {
    Rules {
        retry: settings.retry.clone(),
        timeout: settings.timeout,
        bytes_per_second_min: settings.bytes_per_second_min,
        lease: settings.lease,
        concurrency: settings.concurrency,
        concurrency_per_destination: settings.concurrency_per_destination,
        breaker: settings.breaker,
        deadline: settings.deadline,
        visibility_max: settings.visibility_max,
        tracking: settings.tracking,
    }
}
