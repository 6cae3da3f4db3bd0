//! What one message uses of each service: the units that are paid for. Counted where that can be done, else computed
//! from a setup (`model`). What a unit costs is not here.

use serde::{Deserialize, Serialize};

/// What one message uses, on average over many. Every number is for one message: a bulk of 25 makes 0.04 requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Units {
    /// Requests at the front door, in units of 512 KB.
    pub api_requests: f64,
    /// Bytes of requests at the front door.
    pub api_bytes: f64,
    /// Invocations of ingest.
    pub ingest_invocations: f64,
    /// Memory times duration of ingest, GB-seconds.
    pub ingest_gb_seconds: f64,
    /// Invocations of the worker.
    pub worker_invocations: f64,
    /// Memory times duration of the worker, GB-seconds.
    pub worker_gb_seconds: f64,
    /// Write units of the table: 1 for each KB begun of an item written.
    pub write_units: f64,
    /// Read units of the table: 1 for each 4 KB begun, read consistently.
    pub read_units: f64,
    /// What the table holds, for as long as it does, GB-months.
    pub table_gb_months: f64,
    /// Sends to the queue, in requests of 64 KB. A batch of ten small ones is one request.
    pub queue_sends: f64,
    /// Receives from the queue, in requests of 64 KB.
    pub queue_receives: f64,
    /// Deletes from the queue, in requests.
    pub queue_deletes: f64,
    /// Changes of visibility, in requests.
    pub queue_visibility: f64,
    /// PUTs to the bucket.
    pub object_puts: f64,
    /// GETs from the bucket.
    pub object_gets: f64,
    /// What the bucket holds, for as long as it does, GB-months.
    pub object_gb_months: f64,
    /// Bytes of log taken in, CloudWatch's 26 for each event included.
    pub log_bytes: f64,
    /// Calls of `PutMetricData`.
    pub metric_calls: f64,
    /// Bytes that leave for the target.
    pub egress_bytes: f64,
    /// Hours of one provisioned event poller.
    pub poller_hours: f64,
}
