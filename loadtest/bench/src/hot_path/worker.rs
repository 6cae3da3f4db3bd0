//! Delivering: from Lambda's event to its answer, over the adapters that ship and a target that answers at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_aws::{
    Clients, DynamoBreakers, DynamoSigningSecrets, DynamoStore, S3Payloads, SecretsManagerVault,
    SqsQueue,
};
use relay_core::outcome::Outcome;
use relay_core::ports::{Request, Sender};
use relay_core::settings::WorkerSettings;
use relay_core::time::Timestamp;
use relay_worker::{Ports, Rules, Worker, items_of};

use super::canned::Canned;
use super::{Arguments, Case, Counted, Fixed, NOW, PAYLOAD_BYTES, count, lookup};
use crate::error::BenchError;
use crate::events::{self, Content};
use crate::measures::FAR_TARGET;

/// When every invocation ends: long after it began.
const INVOCATION: Duration = Duration::from_secs(120);

/// A target that takes everything.
struct Taking;

#[async_trait]
impl Sender for Taking {
    async fn send(&self, _request: Request, started_at: Timestamp) -> Outcome {
        let answer = String::from("ok");
        Outcome { result: Ok(200), retry_after: None, answer, started_at, duration_millis: 80 }
    }
}

pub(super) async fn run(arguments: &Arguments) -> Result<Counted, BenchError> {
    let is_lean = arguments.case == Case::WorkerLean;
    let wrong = |error: &dyn std::fmt::Display| BenchError::Unexpected(error.to_string());
    let settings =
        WorkerSettings::read(&|name| lookup(name, is_lean)).map_err(|error| wrong(&error))?;
    let canned = Canned::default();
    let worker = Worker::new(ports(&canned.clients().await, &settings), rules(&settings));
    let worker = worker.logging_success_of(settings.logging.success_percent);
    let content = Content::Inline(events::payload(PAYLOAD_BYTES).into());
    count(&canned, arguments.rounds, |number| {
        let event = event(arguments.case, number, &content);
        let worker = &worker;
        async move {
            let event = serde_json::from_slice(&event?).map_err(|error| wrong(&error))?;
            let items = items_of(event).map_err(|error| wrong(&error))?;
            let answer = worker.deliver_batch(&items, NOW.plus(INVOCATION)).await;
            let failed = answer.failed().count();
            let answer = serde_json::to_vec(&answer).unwrap_or_default();
            if failed == 0 { Ok(()) } else { Err(BenchError::wrong("worker", &answer)) }
        }
    })
    .await
}

fn event(case: Case, number: usize, content: &Content) -> Result<bytes::Bytes, BenchError> {
    let id = |part| format!("order-{number:06}-{part:03}");
    let envelope = |part| events::envelope_at(&id(part), FAR_TARGET, content, NOW);
    let envelopes: Result<Vec<_>, _> = (0..case.messages()).map(envelope).collect();
    Ok(events::batch_at(&envelopes?, NOW))
}

fn ports(clients: &Clients, settings: &WorkerSettings) -> Ports {
    let table = settings.table.as_str();
    let dead = Some(settings.dead_letter_queue_url.clone());
    Ports {
        store: Arc::new(DynamoStore::new(clients, table)),
        queue: Arc::new(SqsQueue::new(
            clients,
            settings.queue_url.as_str(),
            dead,
            settings.fairness,
        )),
        payloads: Arc::new(S3Payloads::new(clients, settings.bucket.as_str())),
        sender: Arc::new(Taking),
        breakers: Arc::new(DynamoBreakers::new(clients, table)),
        signing_secrets: Arc::new(DynamoSigningSecrets::new(clients, table)),
        vault: Arc::new(SecretsManagerVault::new(clients, settings.master_secret_id.as_str())),
        ambient: Arc::new(Fixed::default()),
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
