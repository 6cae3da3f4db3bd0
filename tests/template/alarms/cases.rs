//! For each alarm the faults that have to set it off, by what they do to one minute of healthy traffic.

use relay_core::metrics::Metric;
use relay_tests::cloudwatch::{MetricName, Minute};

use super::faults::{
    crash_worker, defer_all, refuse, slow_accepts, stall, throttle_writes, turn_away,
};
use super::traffic::{
    INGEST, QUEUE, RECONCILER, Traffic, WORKER, api, lambda, queue, relay, table,
};

/// A fault, and the alarm that is for it.
pub(super) struct Case {
    pub(super) alarm: &'static str,
    pub(super) fault: &'static str,
    pub(super) put: fn(&mut Traffic, Minute),
}

/// In which of ten minutes there is a dead letter.
const LETTER_MINUTE: Minute = 7;

/// Faults that have to fire if they last, and must not if they last a minute.
pub(super) const CASES: &[Case] = &[
    Case { alarm: "TableThrottlesAlarm", fault: "writes are throttled", put: throttle_writes },
    Case {
        alarm: "TableThrottlesAlarm",
        fault: "reads are throttled",
        put: |traffic, minute| {
            traffic.set(&table("ReadThrottleEvents"), minute, 10.0);
        },
    },
    Case {
        alarm: "TableThrottlesAlarm",
        fault: "the index is throttled",
        put: |traffic, minute| {
            let dimensions = [("TableName", "MessagesTable"), ("GlobalSecondaryIndexName", "dead")];
            let index = MetricName::new("AWS/DynamoDB", "WriteThrottleEvents", &dimensions);
            traffic.set(&index, minute, 10.0);
        },
    },
    Case {
        alarm: "SetbacksAlarm",
        fault: "one item in ten is handed back",
        put: |traffic, minute| {
            traffic.relay(Metric::Setbacks, WORKER, minute, 10.0);
        },
    },
    Case {
        alarm: "IngestThrottlesAlarm",
        fault: "some requests find no room",
        put: |traffic, minute| {
            traffic.set(&lambda("Throttles", INGEST), minute, 5.0);
        },
    },
    Case {
        alarm: "IngestThrottlesAlarm",
        fault: "no request finds room",
        put: |traffic, minute| {
            traffic.set(&lambda("Throttles", INGEST), minute, 100.0);
            traffic.silence(&lambda("Invocations", INGEST), minute);
        },
    },
    Case {
        alarm: "WorkerThrottlesAlarm",
        fault: "some batches find no room",
        put: |traffic, minute| {
            traffic.set(&lambda("Throttles", WORKER), minute, 4.0);
        },
    },
    Case {
        alarm: "WorkerThrottlesAlarm",
        fault: "no batch finds room",
        put: |traffic, minute| {
            traffic.set(&lambda("Throttles", WORKER), minute, 4.0);
            traffic.silence(&lambda("Invocations", WORKER), minute);
        },
    },
    Case { alarm: "IngestErrorsAlarm", fault: "SYSTEM_ERROR is answered", put: refuse },
    Case {
        alarm: "IngestErrorsAlarm",
        fault: "the function crashes",
        put: |traffic, minute| {
            traffic.set(&lambda("Errors", INGEST), minute, 5.0);
        },
    },
    Case {
        alarm: "IngestErrorsAlarm",
        fault: "the only request a minute fails",
        put: |traffic, minute| {
            traffic.ingest(minute, 1.0);
            traffic.set(&lambda("Errors", INGEST), minute, 1.0);
        },
    },
    Case {
        alarm: "ApiErrorsAlarm",
        fault: "nothing reaches the function",
        put: |traffic, minute| {
            traffic.set(&api("5xx"), minute, 100.0);
            traffic.silence(&lambda("Invocations", INGEST), minute);
        },
    },
    Case { alarm: "AcceptLatencyAlarm", fault: "one request in ten is slow", put: slow_accepts },
    Case { alarm: "GatewayRefusalsAlarm", fault: "there are too many at once", put: turn_away },
    Case {
        alarm: "GatewayRefusalsAlarm",
        fault: "the relay refuses many others itself",
        put: |traffic, minute| {
            traffic.relay(Metric::RefusedUnauthenticated, INGEST, minute, 90.0);
            traffic.set(&api("4xx"), minute, 150.0);
        },
    },
    Case { alarm: "DeliveringAlarm", fault: "everything is put off", put: defer_all },
    Case {
        alarm: "DeliveringAlarm",
        fault: "every attempt fails",
        put: |traffic, minute| {
            traffic.silence(&relay(Metric::Delivered, WORKER), minute);
            traffic.relay(Metric::Retries, WORKER, minute, 100.0);
        },
    },
    Case {
        alarm: "DeliveringAlarm",
        fault: "next to nothing finds room",
        put: |traffic, minute| {
            traffic.relay(Metric::Delivered, WORKER, minute, 5.0);
            traffic.relay(Metric::Unstarted, WORKER, minute, 200.0);
        },
    },
    Case {
        alarm: "SuccessRateAlarm",
        fault: "two in a hundred are given up",
        put: |traffic, minute| {
            traffic.relay(Metric::Dead, WORKER, minute, 2.0);
        },
    },
    Case {
        alarm: "SuccessRateAlarm",
        fault: "nothing is delivered any more",
        put: |traffic, minute| {
            traffic.silence(&relay(Metric::Delivered, WORKER), minute);
            traffic.relay(Metric::Dead, WORKER, minute, 2.0);
        },
    },
    Case {
        alarm: "SuccessRateAlarm",
        fault: "the queue gives messages up",
        put: |traffic, minute| {
            traffic.relay(Metric::Dead, RECONCILER, minute, 2.0);
        },
    },
    Case { alarm: "WorkerErrorsAlarm", fault: "the worker crashes", put: crash_worker },
    Case {
        alarm: "QueueWaitAlarm",
        fault: "messages wait five minutes",
        put: |traffic, minute| {
            traffic.many(Metric::QueueWaitMilliseconds, WORKER, minute, &[300_000.0; 50]);
        },
    },
    Case { alarm: "QueueStalledAlarm", fault: "nobody receives", put: stall },
    Case {
        alarm: "QueueStalledAlarm",
        fault: "what receives may not invoke",
        put: |traffic, minute| {
            stall(traffic, minute);
            traffic.set(&queue("NumberOfMessagesReceived", QUEUE), minute, 300.0);
        },
    },
    Case {
        alarm: "UnreadableAlarm",
        fault: "a newer version wrote it",
        put: |traffic, minute| {
            traffic.relay(Metric::Unreadable, WORKER, minute, 1.0);
        },
    },
    Case {
        alarm: "QueueAgeAlarm",
        fault: "a message that nobody receives outlives its deadline",
        put: |traffic, minute| {
            let hours = 75.0;
            traffic.set(&queue("ApproximateAgeOfOldestMessage", QUEUE), minute, hours * 3600.0);
        },
    },
    Case {
        alarm: "QueueInFlightAlarm",
        fault: "the queue hides too many",
        put: |traffic, minute| {
            traffic.set(&queue("ApproximateNumberOfMessagesNotVisible", QUEUE), minute, 80_001.0);
        },
    },
    Case {
        alarm: "BreakerStormAlarm",
        fault: "many destinations fail",
        put: |traffic, minute| {
            traffic.relay(Metric::BreakersOpened, WORKER, minute, 12.0);
        },
    },
    Case {
        alarm: "DeadLettersAlarm",
        fault: "a message is given up now and then",
        put: |traffic, minute| {
            let is_due = minute % 10 == LETTER_MINUTE;
            traffic.relay(Metric::Dead, WORKER, minute, if is_due { 1.0 } else { 0.0 });
        },
    },
    Case {
        alarm: "DeadLettersAlarm",
        fault: "the queue gives one up now and then",
        put: |traffic, minute| {
            let is_due = minute % 10 == LETTER_MINUTE;
            traffic.relay(Metric::Dead, RECONCILER, minute, if is_due { 1.0 } else { 0.0 });
        },
    },
    Case {
        alarm: "ReconcilerAlarm",
        fault: "there is always something to repair",
        put: |traffic, minute| {
            traffic.relay(Metric::ReconcilerRepairs, RECONCILER, minute, 1.0);
        },
    },
    Case {
        alarm: "ReconcilerAlarm",
        fault: "a repair fails each time",
        put: |traffic, minute| {
            traffic.relay(Metric::ReconcilerFailures, RECONCILER, minute, 1.0);
        },
    },
    Case {
        alarm: "ReconcilerAlarm",
        fault: "its runs fail",
        put: |traffic, minute| {
            traffic.set(&lambda("Errors", RECONCILER), minute, 1.0);
        },
    },
    Case {
        alarm: "ReconcilerMissingAlarm",
        fault: "it does not run",
        put: |traffic, minute| {
            traffic.silence(&lambda("Invocations", RECONCILER), minute);
            traffic.silence(&lambda("Errors", RECONCILER), minute);
        },
    },
    Case {
        alarm: "ConcurrencyAlarm",
        fault: "the worker runs at its limit",
        put: |traffic, minute| {
            traffic.set(&lambda("ConcurrentExecutions", WORKER), minute, 10.0);
        },
    },
    Case {
        alarm: "UnsharedLimitsAlarm",
        fault: "the table is slow",
        put: |traffic, minute| {
            traffic.relay(Metric::UnsharedLimits, INGEST, minute, 1.0);
        },
    },
    Case {
        alarm: "MetricsMissingAlarm",
        fault: "the worker's log group is gone",
        put: |traffic, minute| {
            traffic.lose_metrics(WORKER, minute);
        },
    },
    Case {
        alarm: "MetricsMissingAlarm",
        fault: "ingest may not write its log",
        put: |traffic, minute| {
            traffic.lose_metrics(INGEST, minute);
        },
    },
];
