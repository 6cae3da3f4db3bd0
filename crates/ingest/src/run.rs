//! Puts the function together: settings, adapters, router, Lambda runtime. The only file of this crate
//! that knows which services stand behind the ports.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use relay_aws::{
    Clients, DynamoBreakers, DynamoBuckets, DynamoKeys, DynamoReplays, DynamoSigningSecrets,
    DynamoStore, Emitter, S3Payloads, SecretsManagerVault, SqsQueue, SystemAmbient,
};
use relay_core::destination::DestinationPolicy;
use relay_core::ports::Vault;
use relay_core::settings::{IngestSettings, SettingsErrors};
use tower::ServiceExt;
use tracing::Instrument;

use crate::accept::Ports;
use crate::event::{Answer, Event, HostTrace};
use crate::router::router;

/// Why the function did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsErrors),
    /// The Lambda runtime ended.
    #[error("the lambda runtime ended: {0}")]
    Runtime(String),
}

/// How long reading the master secrets may hold up a start.
const VAULT_WARM_WITHIN: Duration = Duration::from_secs(2);

/// Runs the function until the Lambda runtime ends it.
///
/// # Errors
/// When the settings cannot be used, or the runtime fails.
pub async fn run() -> Result<(), StartError> {
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = IngestSettings::read(&lookup)?;
    relay_aws::log_to_stdout(&settings.logging);
    let clients = Clients::from_env().await;
    let ports = Ports {
        store: Arc::new(DynamoStore::new(&clients, settings.table.as_str())),
        queue: Arc::new(SqsQueue::new(
            &clients,
            settings.queue_url.as_str(),
            None,
            settings.fairness,
        )),
        payloads: Arc::new(S3Payloads::new(&clients, settings.bucket.as_str())),
        breakers: Arc::new(DynamoBreakers::new(&clients, settings.table.as_str())),
        keys: Arc::new(DynamoKeys::new(&clients, settings.table.as_str())),
        signing_secrets: Arc::new(DynamoSigningSecrets::new(&clients, settings.table.as_str())),
        buckets: Arc::new(DynamoBuckets::new(&clients, settings.table.as_str())),
        replays: Arc::new(DynamoReplays::new(&clients, settings.table.as_str())),
        vault: Arc::new(SecretsManagerVault::new(&clients, settings.master_secret_id.as_str())),
        ambient: Arc::new(SystemAmbient),
    };
    let connections = relay_aws::warm(&*ports.store, &*ports.queue, &*ports.payloads);
    futures::join!(connections, warm_vault(&*ports.vault));
    let runtime_api = lookup("AWS_LAMBDA_RUNTIME_API");
    let destinations =
        DestinationPolicy::new(settings.destination_allow.clone(), runtime_api.as_deref());
    let recorder = Arc::default();
    let metrics = settings.logging.metrics;
    let emitter = &Emitter::new(metrics, &clients, Arc::clone(&recorder), "ingest");
    let router = router(ports, &settings, destinations, recorder);
    let handle = service_fn(move |event: LambdaEvent<Event>| {
        let router = router.clone();
        async move {
            let LambdaEvent { payload, context } = event;
            let span = relay_aws::invocation_span(&context.request_id);
            let answering = async {
                let mut request = payload.into_request();
                if let Some(trace) = context.xray_trace_id {
                    request.extensions_mut().insert(HostTrace(trace));
                }
                let response = match router.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                Answer::of(response).await
            };
            Ok::<Answer, Infallible>(emitter.invocation(answering.instrument(span)).await)
        }
    });
    let ended = emitter.serving(lambda_runtime::run(handle)).await;
    ended.unwrap_or(Ok(())).map_err(|error| StartError::Runtime(error.to_string()))
}

/// Reads the master secrets, so that the first signed request does not wait for them. They are read again when they are
/// needed, so a vault that does not answer now keeps nobody from starting.
async fn warm_vault(vault: &dyn Vault) {
    match tokio::time::timeout(VAULT_WARM_WITHIN, vault.masters(None)).await {
        Ok(Ok(_masters)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the master secrets could not be read"),
        Err(_elapsed) => tracing::warn!("the master secrets were not read in time"),
    }
}
