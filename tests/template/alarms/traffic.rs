//! What a relay that works reports, minute by minute, for faults to be put on top.

use relay_core::metrics::{DIMENSION, Metric, NAMESPACE};
use relay_tests::cloudwatch::{MetricName, Minute, Series};

pub(super) const INGEST: &str = "IngestFunction";
pub(super) const WORKER: &str = "WorkerFunction";
pub(super) const RECONCILER: &str = "ReconcilerFunction";
pub(super) const QUEUE: &str = "DeliveryQueue";
pub(super) const DEAD_LETTERS: &str = "DeadLetterQueue";

/// The reconciler's schedule, by default.
const RECONCILER_MINUTES: Minute = 5;

/// Values of metrics that change minute by minute.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    pub(super) series: Series,
}

pub(super) fn relay(metric: Metric, function: &str) -> MetricName {
    MetricName::new(NAMESPACE, metric.name(), &[(DIMENSION, function)])
}

pub(super) fn lambda(name: &str, function: &str) -> MetricName {
    MetricName::new("AWS/Lambda", name, &[("FunctionName", function)])
}

pub(super) fn queue(name: &str, queue: &str) -> MetricName {
    MetricName::new("AWS/SQS", name, &[("QueueName", queue)])
}

pub(super) fn api(name: &str) -> MetricName {
    MetricName::new("AWS/ApiGateway", name, &[("ApiId", "HttpApi")])
}

pub(super) fn table(name: &str) -> MetricName {
    MetricName::new("AWS/DynamoDB", name, &[("TableName", "MessagesTable")])
}

/// A hundred requests a minute, all of which end well.
pub(super) fn healthy(minutes: Minute) -> Traffic {
    let mut traffic = idle(minutes);
    for minute in 0..minutes {
        traffic.ingest(minute, 100.0);
        traffic.worker(minute, 97.0);
    }
    traffic
}

/// Nobody sends anything: the queues are empty and the reconciler runs by the clock.
pub(super) fn idle(minutes: Minute) -> Traffic {
    let mut traffic = Traffic::default();
    for minute in 0..minutes {
        traffic.queues(minute, 0.0);
        if minute % RECONCILER_MINUTES == 0 {
            traffic.set(&lambda("Invocations", RECONCILER), minute, 1.0);
            traffic.set(&lambda("Errors", RECONCILER), minute, 0.0);
        }
    }
    traffic
}

impl Traffic {
    /// One value in place of what is there.
    pub(super) fn set(&mut self, metric: &MetricName, minute: Minute, value: f64) {
        self.series.set(metric, minute, &[value]);
    }

    /// One value of a metric of the relay.
    pub(super) fn relay(&mut self, metric: Metric, function: &str, minute: Minute, value: f64) {
        self.set(&relay(metric, function), minute, value);
    }

    /// Many values of a metric of the relay.
    pub(super) fn many(&mut self, metric: Metric, function: &str, minute: Minute, values: &[f64]) {
        self.series.set(&relay(metric, function), minute, values);
    }

    /// Nothing where something was.
    pub(super) fn silence(&mut self, metric: &MetricName, minute: Minute) {
        self.series.set(metric, minute, &[]);
    }

    /// So many requests, answered well.
    pub(super) fn ingest(&mut self, minute: Minute, requests: f64) {
        self.set(&api("Count"), minute, requests);
        self.set(&api("5xx"), minute, 0.0);
        self.set(&api("4xx"), minute, 0.0);
        self.set(&lambda("Invocations", INGEST), minute, requests);
        self.set(&lambda("Errors", INGEST), minute, 0.0);
        self.set(&lambda("Throttles", INGEST), minute, 0.0);
        self.set(&lambda("ConcurrentExecutions", INGEST), minute, 3.0);
        self.relay(Metric::Requests, INGEST, minute, requests);
        self.relay(Metric::Accepted, INGEST, minute, requests);
        let quick: Vec<f64> = (0..requests as u32).map(|post| f64::from(12 + post % 40)).collect();
        self.many(Metric::AcceptMilliseconds, INGEST, minute, &quick);
        self.waits(minute, &quick);
        self.set(&table("ConsumedWriteCapacityUnits"), minute, 3.0 * requests);
    }

    /// What clients wait for their answers, in milliseconds.
    pub(super) fn waits(&mut self, minute: Minute, milliseconds: &[f64]) {
        self.series.set(&api("Latency"), minute, milliseconds);
    }

    /// A function writes nothing of what it counts.
    pub(super) fn lose_metrics(&mut self, function: &str, minute: Minute) {
        for metric in Metric::ALL {
            self.silence(&relay(*metric, function), minute);
        }
    }

    /// So many messages, delivered.
    pub(super) fn worker(&mut self, minute: Minute, messages: f64) {
        self.set(&lambda("Invocations", WORKER), minute, 20.0);
        self.set(&lambda("Errors", WORKER), minute, 0.0);
        self.set(&lambda("Throttles", WORKER), minute, 0.0);
        self.set(&lambda("ConcurrentExecutions", WORKER), minute, 4.0);
        self.relay(Metric::Delivered, WORKER, minute, messages);
        self.relay(Metric::AttemptsDelivered, WORKER, minute, messages);
        self.many(Metric::BatchSize, WORKER, minute, &[5.0; 20]);
        self.many(Metric::QueueWaitMilliseconds, WORKER, minute, &[800.0; 50]);
        self.set(&queue("NumberOfMessagesReceived", QUEUE), minute, messages);
        self.set(&queue("ApproximateNumberOfMessagesNotVisible", QUEUE), minute, 12.0);
    }

    /// So many messages wait, and no letter is dead.
    pub(super) fn queues(&mut self, minute: Minute, waiting: f64) {
        self.set(&queue("ApproximateNumberOfMessagesVisible", QUEUE), minute, waiting);
        self.set(&queue("ApproximateNumberOfMessagesNotVisible", QUEUE), minute, 0.0);
        self.set(&queue("ApproximateAgeOfOldestMessage", QUEUE), minute, 0.0);
        self.set(&queue("NumberOfMessagesReceived", QUEUE), minute, 0.0);
        self.letters(minute, 0.0);
    }

    /// So many dead letters lie there.
    pub(super) fn letters(&mut self, minute: Minute, letters: f64) {
        self.set(&queue("ApproximateNumberOfMessagesVisible", DEAD_LETTERS), minute, letters);
    }
}
