//! What the model takes for granted: `assumptions.json`, each value with its unit and where it comes from. A value
//! without a source does not parse, and one that the model does not use does not either.

use serde::{Deserialize, Serialize};

use crate::error::CostError;

const FILE: &str = "assumptions.json";
const TEXT: &str = include_str!("../assumptions.json");

/// One value that is taken for granted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumption {
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// Measured, computed, read or assumed: how, where and when.
    pub source: String,
}

/// Everything that is taken for granted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "each field's meaning and unit stand in the file, beside its value"
)]
pub struct Assumptions {
    pub target_p50_ms: Assumption,
    pub target_p99_ms: Assumption,
    pub worker_overhead_ms: Assumption,
    pub retry_share: Assumption,
    pub table_call_p50_ms: Assumption,
    pub table_call_p99_ms: Assumption,
    pub table_batch_factor: Assumption,
    pub queue_call_p50_ms: Assumption,
    pub queue_call_p99_ms: Assumption,
    pub object_call_p50_ms: Assumption,
    pub object_call_p99_ms: Assumption,
    pub ingest_overhead_ms: Assumption,
    pub message_item_bytes: Assumption,
    pub pointer_bytes: Assumption,
    pub state_item_bytes: Assumption,
    pub item_storage_overhead_bytes: Assumption,
    pub envelope_bytes: Assumption,
    pub receive_fill: Assumption,
    pub request_line_bytes: Assumption,
    pub attempt_line_bytes: Assumption,
    pub access_line_bytes: Assumption,
    pub ingest_metrics_bytes: Assumption,
    pub ingest_metrics_value_bytes: Assumption,
    pub worker_metrics_bytes: Assumption,
    pub worker_metrics_value_bytes: Assumption,
    pub platform_lines_bytes: Assumption,
    pub egress_overhead_bytes: Assumption,
    pub poller_messages_per_second: Assumption,
    pub poller_bytes_per_second: Assumption,
    pub poller_utilisation: Assumption,
    pub retention_days: Assumption,
    pub object_retention_days: Assumption,
    pub request_overhead_bytes: Assumption,
    pub active_metrics: Assumption,
    pub alarm_metrics: Assumption,
    pub composite_alarms: Assumption,
    pub connection_messages: Assumption,
    pub naive_log_bytes: Assumption,
    pub naive_ingest_ms: Assumption,
}

impl Assumptions {
    /// The ones this crate comes with.
    ///
    /// # Errors
    /// `CostError` if the file is not what it has to be, or a value is negative.
    pub fn load() -> Result<Self, CostError> {
        let read: Self =
            serde_json::from_str(TEXT).map_err(|source| CostError::File { file: FILE, source })?;
        for (name, assumption) in read.named() {
            if !assumption.value.is_finite() || assumption.value < 0.0 {
                let expected = "a number of at least 0";
                return Err(CostError::Value {
                    name: name.to_owned(),
                    expected,
                    value: assumption.value,
                });
            }
        }
        Ok(read)
    }

    /// All with their names, in the order of the file.
    pub fn named(&self) -> Vec<(&'static str, &Assumption)> {
        vec![
            ("target_p50_ms", &self.target_p50_ms),
            ("target_p99_ms", &self.target_p99_ms),
            ("worker_overhead_ms", &self.worker_overhead_ms),
            ("retry_share", &self.retry_share),
            ("table_call_p50_ms", &self.table_call_p50_ms),
            ("table_call_p99_ms", &self.table_call_p99_ms),
            ("table_batch_factor", &self.table_batch_factor),
            ("queue_call_p50_ms", &self.queue_call_p50_ms),
            ("queue_call_p99_ms", &self.queue_call_p99_ms),
            ("object_call_p50_ms", &self.object_call_p50_ms),
            ("object_call_p99_ms", &self.object_call_p99_ms),
            ("ingest_overhead_ms", &self.ingest_overhead_ms),
            ("message_item_bytes", &self.message_item_bytes),
            ("pointer_bytes", &self.pointer_bytes),
            ("state_item_bytes", &self.state_item_bytes),
            ("item_storage_overhead_bytes", &self.item_storage_overhead_bytes),
            ("envelope_bytes", &self.envelope_bytes),
            ("receive_fill", &self.receive_fill),
            ("request_line_bytes", &self.request_line_bytes),
            ("attempt_line_bytes", &self.attempt_line_bytes),
            ("access_line_bytes", &self.access_line_bytes),
            ("ingest_metrics_bytes", &self.ingest_metrics_bytes),
            ("ingest_metrics_value_bytes", &self.ingest_metrics_value_bytes),
            ("worker_metrics_bytes", &self.worker_metrics_bytes),
            ("worker_metrics_value_bytes", &self.worker_metrics_value_bytes),
            ("platform_lines_bytes", &self.platform_lines_bytes),
            ("egress_overhead_bytes", &self.egress_overhead_bytes),
            ("poller_messages_per_second", &self.poller_messages_per_second),
            ("poller_bytes_per_second", &self.poller_bytes_per_second),
            ("poller_utilisation", &self.poller_utilisation),
            ("retention_days", &self.retention_days),
            ("object_retention_days", &self.object_retention_days),
            ("request_overhead_bytes", &self.request_overhead_bytes),
            ("active_metrics", &self.active_metrics),
            ("alarm_metrics", &self.alarm_metrics),
            ("composite_alarms", &self.composite_alarms),
            ("connection_messages", &self.connection_messages),
            ("naive_log_bytes", &self.naive_log_bytes),
            ("naive_ingest_ms", &self.naive_ingest_ms),
        ]
    }
}
