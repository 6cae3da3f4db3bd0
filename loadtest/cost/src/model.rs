//! The units of one message, computed from a setup. What a benchmark counts takes the place of what is computed here;
//! times are modelled either way, because nothing that runs on one machine has the latency of AWS.

use crate::assumptions::Assumptions;
use crate::error::CostError;
use crate::latency::{Latency, slowest};
use crate::setup::{FrontDoor, Setup, Tracking};
use crate::units::Units;

/// What a write unit of the table pays for.
const WRITE_UNIT_BYTES: f64 = 1024.0;
/// What a request of the queue pays for.
const QUEUE_REQUEST_BYTES: f64 = 65_536.0;
/// What a request of the HTTP API pays for.
const API_REQUEST_BYTES: f64 = 524_288.0;
/// Items in one call of the queue, at most.
const QUEUE_BATCH_MAX: f64 = 10.0;
/// Bytes in one call of the queue, at most.
const QUEUE_BATCH_BYTES_MAX: f64 = 1_048_576.0;
/// Statements in one call of the table, at most.
const TABLE_BATCH_MAX: f64 = 25.0;
/// Writes of the naive profile.
const NAIVE_WRITES: f64 = 5.0;
const GIB: f64 = 1_073_741_824.0;
const MIB_PER_GIB: f64 = 1024.0;
const DAYS_PER_MONTH: f64 = 30.0;
const SECONDS_PER_HOUR: f64 = 3600.0;

/// Sizes and places that follow from a setup.
struct Shape<'a> {
    setup: &'a Setup,
    assume: &'a Assumptions,
    bulk: f64,
    batch: f64,
    body: f64,
    /// Attempts of a message on average.
    attempts: f64,
    table_call: Latency,
    queue_call: Latency,
    object_call: Latency,
    target: Latency,
}

/// The units of one message in `setup`.
///
/// # Errors
/// `CostError::Value` if a time among the assumptions cannot be.
pub fn units(setup: &Setup, assume: &Assumptions) -> Result<Units, CostError> {
    let shape = Shape {
        setup,
        assume,
        bulk: f64::from(setup.bulk.max(1)),
        batch: f64::from(setup.batch.max(1)),
        body: float(setup.body_bytes),
        attempts: 1.0 + assume.retry_share.value,
        table_call: Latency::new(assume.table_call_p50_ms.value, assume.table_call_p99_ms.value)?,
        queue_call: Latency::new(assume.queue_call_p50_ms.value, assume.queue_call_p99_ms.value)?,
        object_call: Latency::new(
            assume.object_call_p50_ms.value,
            assume.object_call_p99_ms.value,
        )?,
        target: Latency::new(assume.target_p50_ms.value, assume.target_p99_ms.value)?,
    };
    let mut units = Units::default();
    shape.front_door(&mut units);
    shape.ingest(&mut units);
    shape.worker(&mut units);
    shape.table(&mut units);
    shape.queue(&mut units);
    shape.bucket(&mut units);
    shape.logs(&mut units);
    Ok(units)
}

/// Sizes of bodies are far below 2^52, up to which every whole number is exact.
#[expect(clippy::cast_precision_loss, reason = "sizes of bodies are far below 2^52")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

impl Shape<'_> {
    fn is_naive(&self) -> bool {
        self.setup.tracking == Tracking::Naive
    }

    /// Whether the body rides in the queue.
    fn rides(&self) -> bool {
        self.body + self.assume.envelope_bytes.value <= float(self.setup.queue_inline_bytes_max)
    }

    /// Whether the body is kept in the table.
    fn is_in_table(&self) -> bool {
        self.setup.retained
            && (self.is_naive()
                || (self.rides() && self.setup.body_bytes <= self.setup.table_inline_bytes_max))
    }

    /// Whether the body is kept in the bucket.
    fn is_in_bucket(&self) -> bool {
        !self.is_naive() && (!self.rides() || (self.setup.retained && !self.is_in_table()))
    }

    fn record_bytes(&self) -> f64 {
        let rest = if self.is_in_table() { self.body } else { self.assume.pointer_bytes.value };
        self.assume.message_item_bytes.value + rest
    }

    fn item_bytes(&self) -> f64 {
        let rest = if self.rides() { self.body } else { self.assume.pointer_bytes.value };
        self.assume.envelope_bytes.value + rest
    }

    fn front_door(&self, units: &mut Units) {
        let bytes = self.bulk * (self.body + self.assume.request_overhead_bytes.value);
        units.api_bytes = bytes / self.bulk;
        units.api_requests = match self.setup.front_door {
            FrontDoor::HttpApi => (bytes / API_REQUEST_BYTES).ceil(),
            FrontDoor::RestApi | FrontDoor::FunctionUrl | FrontDoor::LoadBalancer => 1.0,
        } / self.bulk;
    }

    fn ingest(&self, units: &mut Units) {
        let gigabytes = f64::from(self.setup.ingest_memory_megabytes) / MIB_PER_GIB;
        let milliseconds =
            if self.is_naive() { self.assume.naive_ingest_ms.value } else { self.accept_ms() };
        units.ingest_invocations = 1.0 / self.bulk;
        units.ingest_gb_seconds = gigabytes * milliseconds / 1000.0 / self.bulk;
    }

    /// How long ingest takes for one request.
    fn accept_ms(&self) -> f64 {
        let table_calls = whole((self.bulk / TABLE_BATCH_MAX).ceil());
        let single = if self.setup.bulk > 1 { self.assume.table_batch_factor.value } else { 1.0 };
        let table = self.table_call.slowest_of(table_calls) * single;
        let sends = whole((self.bulk / self.sent_together()).ceil());
        let puts = if self.is_in_bucket() { self.setup.bulk.max(1) } else { 0 };
        let out = if self.rides() {
            slowest(&[(self.queue_call, sends), (self.object_call, puts)])
        } else {
            self.object_call.slowest_of(puts) + self.queue_call.slowest_of(sends)
        };
        let marks = match self.setup.tracking {
            Tracking::Full => table,
            Tracking::Lean | Tracking::Naive => 0.0,
        };
        self.assume.ingest_overhead_ms.value + table + out + marks
    }

    fn worker(&self, units: &mut Units) {
        let gigabytes = f64::from(self.setup.worker_memory_megabytes) / MIB_PER_GIB;
        let side_by_side = self.setup.concurrency.clamp(1, self.setup.batch.max(1));
        let waves = (self.batch / f64::from(side_by_side)).ceil();
        let call = self.table_call.mean();
        let (per_wave, once) = match self.setup.tracking {
            // Claim before, settle after.
            Tracking::Full | Tracking::Naive => (2.0 * call, 0.0),
            // One joint settlement.
            Tracking::Lean => (0.0, call * self.assume.table_batch_factor.value),
        };
        let fetch = if self.rides() { 0.0 } else { self.object_call.slowest_of(side_by_side) };
        let milliseconds = self.assume.worker_overhead_ms.value
            + waves * (self.target.slowest_of(side_by_side) + per_wave + fetch)
            + once;
        units.worker_invocations = self.attempts / self.batch;
        units.worker_gb_seconds = gigabytes * milliseconds / 1000.0 * units.worker_invocations;
    }

    fn table(&self, units: &mut Units) {
        let assume = self.assume;
        let record = (self.record_bytes() / WRITE_UNIT_BYTES).ceil();
        let state = (assume.state_item_bytes.value / WRITE_UNIT_BYTES).ceil();
        let again = 2.0 * state * assume.retry_share.value;
        units.write_units = match self.setup.tracking {
            Tracking::Full => record + 3.0 * state + again,
            Tracking::Lean => record + state + again,
            // One item, written whole each time.
            Tracking::Naive => NAIVE_WRITES * record,
        };
        let items = if self.is_naive() {
            self.record_bytes() + assume.item_storage_overhead_bytes.value
        } else {
            let overhead = 2.0 * assume.item_storage_overhead_bytes.value;
            self.record_bytes() + assume.state_item_bytes.value + overhead
        };
        units.table_gb_months = items / GIB * assume.retention_days.value / DAYS_PER_MONTH;
    }

    /// Items that one call of the queue takes.
    fn sent_together(&self) -> f64 {
        (QUEUE_BATCH_BYTES_MAX / self.item_bytes()).floor().clamp(1.0, QUEUE_BATCH_MAX)
    }

    /// Requests of 64 KB an item, when `items` are moved in calls as full as may be.
    fn moved(&self, items: f64) -> f64 {
        let together = self.sent_together().min(items);
        (together * self.item_bytes() / QUEUE_REQUEST_BYTES).ceil() / together
    }

    fn queue(&self, units: &mut Units) {
        units.queue_sends = self.moved(self.bulk);
        let received = self.batch * self.assume.receive_fill.value;
        units.queue_receives = self.attempts * self.moved(received.max(1.0));
        units.queue_deletes = 1.0 / received.clamp(1.0, QUEUE_BATCH_MAX);
        units.queue_visibility = self.assume.retry_share.value;
        if self.setup.provisioned_pollers {
            let by_bytes = self.assume.poller_bytes_per_second.value / self.item_bytes();
            let rate = self.assume.poller_messages_per_second.value.min(by_bytes);
            let carried = rate * self.assume.poller_utilisation.value;
            units.poller_hours = self.attempts / carried / SECONDS_PER_HOUR;
        }
        units.egress_bytes = self.attempts * (self.body + self.assume.egress_overhead_bytes.value);
    }

    fn bucket(&self, units: &mut Units) {
        if self.is_in_bucket() {
            let months = self.assume.object_retention_days.value / DAYS_PER_MONTH;
            units.object_puts = 1.0;
            units.object_gb_months = self.body / GIB * months;
        }
        if !self.rides() {
            units.object_gets = self.attempts;
        }
    }

    fn logs(&self, units: &mut Units) {
        let (setup, assume) = (self.setup, self.assume);
        if self.is_naive() {
            units.log_bytes = assume.naive_log_bytes.value;
            units.metric_calls = units.ingest_invocations + units.worker_invocations;
            return;
        }
        let logged = setup.log_success_percent / 100.0;
        let platform = if setup.platform_lines { assume.platform_lines_bytes.value } else { 0.0 };
        let metrics = |line: f64, value: f64, messages: f64| {
            if setup.metrics { line + value * messages } else { 0.0 }
        };
        let request = assume.access_line_bytes.value
            + platform
            + metrics(
                assume.ingest_metrics_bytes.value,
                assume.ingest_metrics_value_bytes.value,
                self.bulk,
            );
        let invocation = platform
            + metrics(
                assume.worker_metrics_bytes.value,
                assume.worker_metrics_value_bytes.value,
                self.batch,
            );
        // A failed attempt, and the delivery after it, are always written.
        let attempts = assume.attempt_line_bytes.value * (logged + 2.0 * assume.retry_share.value);
        units.log_bytes = request * units.ingest_invocations
            + assume.request_line_bytes.value * logged
            + invocation * units.worker_invocations
            + attempts;
    }
}

/// Counts of calls are small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of calls: whole, positive and small"
)]
fn whole(count: f64) -> u32 {
    count as u32
}
