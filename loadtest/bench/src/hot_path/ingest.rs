//! Accepting: from Lambda's event to its answer, over the adapters that ship.

use std::sync::Arc;

use relay_aws::{
    Clients, DynamoBreakers, DynamoBuckets, DynamoKeys, DynamoReplays, DynamoSigningSecrets,
    DynamoStore, S3Payloads, SecretsManagerVault, SqsQueue,
};
use relay_core::destination::DestinationPolicy;
use relay_core::settings::IngestSettings;
use relay_ingest::event::{Answer, Event};
use relay_ingest::{Ports, router};
use tower::ServiceExt;

use super::canned::Canned;
use super::{Arguments, Case, Counted, Fixed, PAYLOAD_BYTES, count, lookup};
use crate::error::BenchError;
use crate::events;
use crate::measures::FAR_TARGET;

pub(super) async fn run(arguments: &Arguments) -> Result<Counted, BenchError> {
    let is_lean = arguments.case != Case::IngestSingleFull;
    let settings = IngestSettings::read(&|name| lookup(name, is_lean))
        .map_err(|error| BenchError::Unexpected(error.to_string()))?;
    let canned = Canned::default();
    let ports = ports(&canned.clients().await, &settings);
    let destinations = DestinationPolicy::new(settings.destination_allow.clone(), None);
    let router = router(ports, &settings, destinations, Arc::default());
    let payload = events::payload(PAYLOAD_BYTES);
    let rounds = arguments.rounds;
    count(&canned, rounds, |number| {
        let (router, payload) = (router.clone(), payload.clone());
        async move {
            let event = event(arguments.case, number, &payload);
            let event: Event = serde_json::from_slice(&event)
                .map_err(|error| BenchError::Unexpected(error.to_string()))?;
            let response = match router.oneshot(event.into_request()).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let is_good = matches!(response.status().as_u16(), 202 | 207);
            let answer = serde_json::to_vec(&Answer::of(response).await).unwrap_or_default();
            let is_whole = !answer.windows(9).any(|part| part == b"problem\\\"");
            if is_good && is_whole { Ok(()) } else { Err(BenchError::wrong("ingest", &answer)) }
        }
    })
    .await
}

fn event(case: Case, number: usize, payload: &str) -> bytes::Bytes {
    let id = |part: usize| format!("order-{number:06}-{part:03}");
    match case {
        Case::IngestBulkLean => {
            let ids: Vec<_> = (0..case.messages()).map(id).collect();
            events::bulk(&ids, FAR_TARGET, payload)
        }
        Case::IngestSingleFull | Case::IngestSingleLean | Case::WorkerFull | Case::WorkerLean => {
            events::single(&id(0), FAR_TARGET, payload)
        }
    }
}

fn ports(clients: &Clients, settings: &IngestSettings) -> Ports {
    let table = settings.table.as_str();
    Ports {
        store: Arc::new(DynamoStore::new(clients, table)),
        queue: Arc::new(SqsQueue::new(
            clients,
            settings.queue_url.as_str(),
            None,
            settings.fairness,
        )),
        payloads: Arc::new(S3Payloads::new(clients, settings.bucket.as_str())),
        breakers: Arc::new(DynamoBreakers::new(clients, table)),
        keys: Arc::new(DynamoKeys::new(clients, table)),
        signing_secrets: Arc::new(DynamoSigningSecrets::new(clients, table)),
        buckets: Arc::new(DynamoBuckets::new(clients, table)),
        replays: Arc::new(DynamoReplays::new(clients, table)),
        vault: Arc::new(SecretsManagerVault::new(clients, settings.master_secret_id.as_str())),
        ambient: Arc::new(Fixed::default()),
    }
}
