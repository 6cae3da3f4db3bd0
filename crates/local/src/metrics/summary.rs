//! One line now and then for whoever looks at the terminal: what the relay did so far. Says nothing while nothing
//! happens.

use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use relay_core::metrics::{Metric, NAMESPACE};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::Meter;
use super::aws::AwsMetric;
use super::prometheus::QUANTILE_MINUTES;
use super::series::{AllSeries, Values, percentile};

/// How often there may be a line.
const EVERY: Duration = Duration::from_secs(10);

/// What the line is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Numbers {
    accepted: u64,
    refused: u64,
    delivered: u64,
    retries: u64,
    dead: u64,
    queue: u64,
    accept_p95: Option<u64>,
    end_to_end_p95: Option<u64>,
}

impl Numbers {
    fn of(all: &AllSeries, queue: &str, now_seconds: u64) -> Self {
        let sum = |metric: Metric| {
            all.named(NAMESPACE, metric.name()).map(|(_, series)| series.sum).sum::<u64>()
        };
        let p95 = |metric: Metric| {
            let since = now_seconds.saturating_sub(QUANTILE_MINUTES * 60);
            let mut values = Values::new();
            for (_, series) in all.named(NAMESPACE, metric.name()) {
                for (value, times) in series.recent(since) {
                    *values.entry(value).or_default() += times;
                }
            }
            percentile(&values, 95)
        };
        let in_queue = |metric: AwsMetric| {
            let row = metric.row();
            all.named(row.namespace, row.name)
                .filter(|(identity, _)| identity.dimensions.values().any(|name| name == queue))
                .map(|(_, series)| series.last)
                .sum::<u64>()
        };
        let refusals = Metric::ALL.iter().filter(|metric| metric.name().starts_with("Refused"));
        let waiting = [AwsMetric::SqsVisible, AwsMetric::SqsNotVisible, AwsMetric::SqsDelayed];
        Self {
            accepted: sum(Metric::Accepted),
            refused: refusals.map(|metric| sum(*metric)).sum(),
            delivered: sum(Metric::Delivered),
            retries: sum(Metric::Retries),
            dead: sum(Metric::Dead),
            queue: waiting.into_iter().map(in_queue).sum(),
            accept_p95: p95(Metric::AcceptMilliseconds),
            end_to_end_p95: p95(Metric::EndToEndMilliseconds),
        }
    }

    /// Whether anything happened since `before`. That percentiles forget is nothing that happens.
    fn differs(&self, before: &Self) -> bool {
        let counts =
            |it: &Self| [it.accepted, it.refused, it.delivered, it.retries, it.dead, it.queue];
        counts(self) != counts(before)
    }

    fn line(&self, before: &Self, up: Duration) -> String {
        let per_second = (self.accepted - before.accepted).div_ceil(EVERY.as_secs());
        let rate = if per_second > 0 { format!(" ({per_second}/s)") } else { String::new() };
        let refused = match self.refused {
            0 => String::new(),
            refused => format!("  refused {refused}"),
        };
        let percentile = |what: &str, value: Option<u64>| {
            value.map_or(String::new(), |value| format!("  p95 {what} {value} ms"))
        };
        format!(
            "{:>5}  accepted {}{rate}{refused}  delivered {}  retries {}  dead {}{}{}  queue {}",
            age(up),
            self.accepted,
            self.delivered,
            self.retries,
            self.dead,
            percentile("accept", self.accept_p95),
            percentile("end-to-end", self.end_to_end_p95),
            self.queue
        )
    }
}

fn age(up: Duration) -> String {
    match up.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// Writes lines to standard error until it is dropped.
pub(crate) struct Summary(JoinHandle<()>);

impl Summary {
    /// Begins, with nothing to say. `queue` is the one whose messages are told.
    pub(crate) fn start(meter: Meter, queue: String) -> Self {
        Self(tokio::spawn(async move {
            let started = Instant::now();
            let mut ticks = tokio::time::interval_at(started + EVERY, EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut told = Numbers::default();
            loop {
                ticks.tick().await;
                let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
                let numbers = Numbers::of(&meter.all(), &queue, now);
                if numbers.differs(&told) {
                    let line = numbers.line(&told, started.elapsed());
                    // Nobody may be looking any more.
                    let _ = writeln!(std::io::stderr(), "{line}");
                    told = numbers;
                }
            }
        }))
    }
}

impl Drop for Summary {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::series::Identity;

    #[test]
    fn a_line_says_what_happened() {
        let mut all = AllSeries::default();
        let mut add = |name: &str, values: &[u64]| {
            let identity = Identity::new(NAMESPACE, name, &[("FunctionName", "f")]);
            all.add(&identity, "Count", 600, values);
        };
        add("Accepted", &[100, 20]);
        add("Delivered", &[118]);
        add("Dead", &[1]);
        add("RefusedValidationError", &[1]);
        add("RefusedNotFound", &[2]);
        add("AcceptMilliseconds", &[5, 8]);
        for (queue, messages) in [("q", 2), ("other", 5)] {
            let name = "ApproximateNumberOfMessagesVisible";
            let identity = Identity::new("AWS/SQS", name, &[("QueueName", queue)]);
            all.add(&identity, "Count", 600, &[9, messages]);
        }
        let numbers = Numbers::of(&all, "q", 620);
        let before = Numbers { accepted: 100, ..Numbers::default() };
        assert_eq!(
            numbers.line(&before, Duration::from_secs(200)),
            "3 min  accepted 120 (2/s)  refused 3  delivered 118  retries 0  dead 1  p95 accept 8 ms  queue 2"
        );
        let later = Numbers::of(&all, "q", 6200);
        assert_eq!((later.accept_p95, later.differs(&numbers)), (None, false));
        assert!(numbers.differs(&before));
    }
}
