//! Everything a run depends on: the traffic, the stack's parameters, the account's quotas and how long calls take.
//! The defaults are AWS's documented ones and the assumptions of `relay-cost`.

use serde::{Deserialize, Serialize};

/// What clients send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Messages a second, open: they come whatever became of those before.
    pub rate: f64,
    /// Messages in one request.
    pub bulk: u32,
    /// From nothing to the rate, in a straight line, seconds. 0 starts with the whole rate.
    pub ramp_seconds: u32,
    /// How long, seconds.
    pub duration_seconds: u32,
    /// Size of a body, bytes.
    pub body_bytes: f64,
    /// Share of attempts that fail and are repeated.
    pub failure_share: f64,
    /// Share of attempts that take the whole timeout and are repeated.
    pub timeout_share: f64,
}

/// How a time is distributed: log-normal, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Milliseconds {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
}

/// The stack: parameters of the template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// `STATUS_TRACKING=lean`.
    pub lean: bool,
    /// Write units of the record (1 up to 1 KB).
    pub record_units: f64,
    /// `ApiRequestsPerSecondMax`; requests, as the API's own throttle counts them.
    pub api_rate: f64,
    /// `ApiBurstMax`.
    pub api_burst: f64,
    /// `BatchSize`.
    pub batch: u32,
    /// `BatchWindowSeconds`.
    pub window_seconds: f64,
    /// `MaximumConcurrency`; without provisioned pollers.
    pub maximum_concurrency: u32,
    /// `ProvisionedPollersMin`.
    pub pollers_min: u32,
    /// `ProvisionedPollersMax`; 0 is the standard event source.
    pub pollers_max: u32,
    /// `DELIVERY_CONCURRENCY`.
    pub delivery_concurrency: u32,
    /// `RETRY_ATTEMPTS_MAX`.
    pub attempts_max: u8,
    /// `RETRY_BASE_SECONDS`.
    pub retry_base_seconds: f64,
    /// `RETRY_FACTOR`.
    pub retry_factor: f64,
    /// `DELIVERY_TIMEOUT_SECONDS`.
    pub timeout_seconds: f64,
    /// `IngestProvisionedConcurrency`: environments warm from the beginning.
    pub ingest_warm: u32,
    /// `WorkerProvisionedConcurrency`.
    pub worker_warm: u32,
}

/// What the account may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// API Gateway: requests a second of the account.
    pub api_rate: f64,
    /// API Gateway: burst of the account.
    pub api_burst: f64,
    /// Lambda: environments at work at one time, all functions together.
    pub concurrency: u32,
    /// Lambda: requests a second for each unit of concurrency.
    pub requests_per_concurrency: f64,
    /// Lambda: new environments a second of one function.
    pub scaling_per_second: f64,
    /// Lambda: new environments of one function at once, after rest.
    pub scaling_at_once: f64,
    /// Lambda: environments of ingest alone, at most.
    pub ingest_environments_max: u32,
    /// Lambda: environments of the worker alone, at most.
    pub worker_environments_max: u32,
    /// How long a request waits for an environment before it is refused, seconds; Lambda's own answer is at once.
    pub environment_wait_seconds: f64,
    /// DynamoDB: write units a second the table is warm for.
    pub table_warm: f64,
    /// DynamoDB: write units a second the table may.
    pub table_quota: f64,
    /// SQS: messages received and not yet deleted.
    pub in_flight: f64,
    /// CloudWatch Logs: calls a second of the account.
    pub log_calls: f64,
}

/// How long things take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timings {
    /// From the client's side of the API to the function and back.
    pub front: Milliseconds,
    /// A function's own part of a request or a batch.
    pub overhead: Milliseconds,
    /// Beginning of a new environment.
    pub cold_start: Milliseconds,
    /// A write of the table.
    pub table: Milliseconds,
    /// 25 writes in one call take so many times a single one.
    pub table_batch_factor: f64,
    /// A send to the queue.
    pub send: Milliseconds,
    /// From a send to the worker's handler, when pollers wait.
    pub hop: Milliseconds,
    /// An attempt.
    pub target: Milliseconds,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// What clients send.
    pub traffic: Traffic,
    /// The stack.
    pub stack: Stack,
    /// The account.
    pub quotas: Quotas,
    /// How long things take.
    pub timings: Timings,
    /// What the run is drawn from.
    pub seed: u64,
}

impl System {
    /// The same in small: traffic and every limit divided by `factor`, times as they are. Counts of the result are to
    /// be multiplied by it.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let mut scaled = self.clone();
        let counts = |count: &mut u32| {
            if *count != u32::MAX {
                *count = divided(*count, factor);
            }
        };
        scaled.traffic.rate /= factor;
        let (stack, quotas) = (&mut scaled.stack, &mut scaled.quotas);
        [
            &mut stack.maximum_concurrency,
            &mut stack.pollers_min,
            &mut stack.pollers_max,
            &mut stack.ingest_warm,
        ]
        .into_iter()
        .chain([&mut stack.worker_warm, &mut quotas.concurrency])
        .chain([&mut quotas.ingest_environments_max, &mut quotas.worker_environments_max])
        .for_each(counts);
        let rates = [
            &mut stack.api_rate,
            &mut stack.api_burst,
            &mut quotas.api_rate,
            &mut quotas.api_burst,
            &mut quotas.scaling_per_second,
            &mut quotas.scaling_at_once,
            &mut quotas.table_warm,
            &mut quotas.table_quota,
            &mut quotas.in_flight,
            &mut quotas.log_calls,
        ];
        rates.into_iter().for_each(|rate| *rate /= factor);
        scaled
    }
}

/// A limit in small: 0 stays 0, which means that there is none, and nothing else becomes 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "smaller than what it was"
)]
fn divided(count: u32, factor: f64) -> u32 {
    if count == 0 { 0 } else { (f64::from(count) / factor).round().max(1.0) as u32 }
}
