//! Faults that more than one test puts on traffic.

use relay_core::metrics::Metric;
use relay_tests::cloudwatch::Minute;

use super::traffic::{
    DEAD_LETTERS, INGEST, QUEUE, Traffic, WORKER, api, lambda, queue, relay, table,
};

pub(super) fn throttle_writes(traffic: &mut Traffic, minute: Minute) {
    traffic.set(&table("WriteThrottleEvents"), minute, 40.0);
}

pub(super) fn refuse(traffic: &mut Traffic, minute: Minute) {
    traffic.relay(Metric::RefusedSystemError, INGEST, minute, 5.0);
    traffic.set(&api("5xx"), minute, 5.0);
}

pub(super) fn slow_accepts(traffic: &mut Traffic, minute: Minute) {
    let mut waits = vec![30.0; 90];
    // In a single minute of five they are fewer than one in twenty.
    waits.extend([400.0; 10]);
    traffic.waits(minute, &waits);
}

pub(super) fn turn_away(traffic: &mut Traffic, minute: Minute) {
    traffic.set(&api("4xx"), minute, 60.0);
}

/// Every destination's breaker is open.
pub(super) fn defer_all(traffic: &mut Traffic, minute: Minute) {
    traffic.silence(&relay(Metric::Delivered, WORKER), minute);
    traffic.relay(Metric::Deferrals, WORKER, minute, 100.0);
}

pub(super) fn crash_worker(traffic: &mut Traffic, minute: Minute) {
    traffic.set(&lambda("Errors", WORKER), minute, 2.0);
}

pub(super) fn stall(traffic: &mut Traffic, minute: Minute) {
    traffic.set(&queue("ApproximateNumberOfMessagesVisible", QUEUE), minute, 500.0);
    traffic.set(&queue("NumberOfMessagesReceived", QUEUE), minute, 0.0);
    for name in ["Invocations", "Errors"] {
        traffic.silence(&lambda(name, WORKER), minute);
    }
    for metric in [Metric::Delivered, Metric::QueueWaitMilliseconds, Metric::BatchSize] {
        traffic.silence(&relay(metric, WORKER), minute);
    }
}

/// A dead target: its attempts end in dead letters, which stay.
pub(super) fn lose_target(traffic: &mut Traffic, minute: Minute) {
    traffic.relay(Metric::AttemptsTimedOut, WORKER, minute, 90.0);
    traffic.relay(Metric::Dead, WORKER, minute, 30.0);
    traffic.relay(Metric::DeadAttemptsExhausted, WORKER, minute, 30.0);
    traffic.relay(Metric::BreakersOpened, WORKER, minute, 1.0);
    let letters = queue("NumberOfMessagesSent", DEAD_LETTERS);
    traffic.set(&letters, minute, 30.0);
}
