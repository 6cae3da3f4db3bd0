//! What came of a run: counts that add up, a sample a second, times, and which limits were met, when.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest time that is told apart, microseconds: an hour. Longer ones count as this.
const TIME_MAX_MICROS: u64 = 3_600_000_000;
/// Digits that percentiles are exact to.
const DIGITS: u8 = 3;
/// Seconds in a row that a run has to keep up for, to count as ramped up.
const STEADY_SECONDS: usize = 10;
/// Share of the offered rate that counts as keeping up: arrivals scatter.
const KEEPS_UP: f64 = 0.95;
/// Age of the oldest waiting message, in seconds, up to which nothing is held up; batching windows come on top.
pub(crate) const FRESH_SECONDS: f64 = 1.0;
const SECOND_MICROS: u64 = 1_000_000;

/// A limit that a run may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Requests a second of the API: the stack's own throttle.
    StackApiRate,
    /// Requests a second of the API: the account's.
    AccountApiRate,
    /// Requests a second of ingest: ten for each unit of the account's concurrency.
    FunctionRate,
    /// Environments at work, for ingest.
    IngestConcurrency,
    /// New environments of ingest.
    IngestScaling,
    /// Write units of the table, its partitions' included.
    TableWrites,
    /// Invocations that the event source has under way.
    SourceConcurrency,
    /// Polls a second of the pollers.
    Polls,
    /// Bytes a second of the pollers.
    PollerBytes,
    /// Messages in flight.
    InFlight,
    /// Environments at work, for the worker.
    WorkerConcurrency,
    /// New environments of the worker.
    WorkerScaling,
    /// Calls a second to the logs; nothing waits for it, lines are late or lost.
    LogCalls,
}

impl Limit {
    /// All, in the order of the path of a message.
    pub const ALL: [Self; 13] = [
        Self::StackApiRate,
        Self::AccountApiRate,
        Self::FunctionRate,
        Self::IngestConcurrency,
        Self::IngestScaling,
        Self::TableWrites,
        Self::SourceConcurrency,
        Self::Polls,
        Self::PollerBytes,
        Self::InFlight,
        Self::WorkerConcurrency,
        Self::WorkerScaling,
        Self::LogCalls,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::StackApiRate => "ApiRequestsPerSecondMax, ApiBurstMax",
            Self::AccountApiRate => "API Gateway requests (account)",
            Self::FunctionRate => "Lambda requests (10 a unit of concurrency)",
            Self::IngestConcurrency => "Lambda concurrency, at ingest",
            Self::IngestScaling => "Lambda scaling, at ingest",
            Self::TableWrites => "DynamoDB writes",
            Self::SourceConcurrency => "event source concurrency",
            Self::Polls => "pollers (polls a second)",
            Self::PollerBytes => "pollers (bytes a second)",
            Self::InFlight => "SQS in flight",
            Self::WorkerConcurrency => "Lambda concurrency, at the worker",
            Self::WorkerScaling => "Lambda scaling, at the worker",
            Self::LogCalls => "CloudWatch PutLogEvents",
        }
    }
}

/// A limit that was met.
#[derive(Debug, Clone, Serialize)]
pub struct Met {
    /// Which.
    pub limit: Limit,
    /// In which second first.
    pub first_second: u32,
    /// In which second last.
    pub last_second: u32,
    /// In how many seconds.
    pub seconds: u32,
}

/// How things stood at the end of a second.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sample {
    /// Messages offered in it.
    pub offered: u64,
    /// Messages accepted in it.
    pub accepted: u64,
    /// Messages refused in it.
    pub refused: u64,
    /// Messages delivered in it.
    pub delivered: u64,
    /// Messages waiting to be received.
    pub visible: u64,
    /// Messages received and not deleted.
    pub in_flight: u64,
    /// Age of the oldest of those waiting, seconds.
    pub age_seconds: f64,
    /// Environments of ingest at work.
    pub ingest_busy: u32,
    /// Environments of the worker at work.
    pub worker_busy: u32,
    /// Pollers, or invocations that the event source may have.
    pub source_level: f64,
}

/// Where every message is at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Came.
    pub offered: u64,
    /// Not accepted: the client was told.
    pub refused: u64,
    /// Being accepted.
    pub accepting: u64,
    /// On the way into the queue, or waiting in it, hidden for a retry or in a worker's hands.
    pub queued: u64,
    /// Delivered.
    pub delivered: u64,
    /// Given up.
    pub dead: u64,
    /// Invocations of the worker.
    pub invocations: u64,
    /// Items that those were given.
    pub received: u64,
}

/// Percentiles of a time, milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// Of twenty, one takes longer.
    pub p95: f64,
    /// Of a hundred, one takes longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Times of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Histories(Histogram<u64>);

impl Histories {
    /// Empty.
    ///
    /// # Errors
    /// Never with the bounds above; the histogram's own check.
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        Histogram::new_with_bounds(1, TIME_MAX_MICROS, DIGITS).map(Self)
    }

    /// Adds `count` of `micros`.
    pub(crate) fn add(&mut self, micros: u64, count: u64) {
        self.0.saturating_record_n(micros, count);
    }

    /// What they come to.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of an hour at most")]
    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |share| self.0.value_at_quantile(share) as f64 / 1e3;
        Percentiles { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: self.0.max() as f64 / 1e3 }
    }
}

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Age of the oldest waiting message up to which nothing is held up, seconds.
    pub fresh_seconds: f64,
    /// Where every message is.
    pub counts: Counts,
    /// One for each second.
    pub samples: Vec<Sample>,
    /// Limits met, the first first.
    pub met: Vec<Met>,
    /// From a request to its answer, of accepted ones.
    pub accept: Percentiles,
    /// From a request to the delivery, of all delivered.
    pub end_to_end: Percentiles,
    /// The same of what came in the last third of the run.
    pub end_to_end_late: Percentiles,
}

impl Outcome {
    /// The second from which the run keeps up: what is offered is delivered and nothing waits, for ten seconds on end.
    #[expect(clippy::cast_precision_loss, reason = "counts of a second")]
    pub fn ramped_second(&self) -> Option<usize> {
        let keeps_up = |window: &[Sample]| {
            let sum = |count: fn(&Sample) -> u64| window.iter().map(count).sum::<u64>() as f64;
            let fresh = window.iter().all(|sample| sample.age_seconds <= self.fresh_seconds);
            let offered = sum(|sample| sample.offered);
            fresh && offered > 0.0 && sum(|sample| sample.delivered) >= KEEPS_UP * offered
        };
        self.samples.windows(STEADY_SECONDS).position(keeps_up)
    }

    /// Whether the run kept up at its end: which is whether a preset holds.
    pub fn holds(&self) -> bool {
        let end = self.samples.len().saturating_sub(STEADY_SECONDS);
        let tail = Self { samples: self.samples[end..].to_vec(), ..self.clone() };
        tail.ramped_second().is_some() && self.refused_late() == 0
    }

    /// Messages refused in the last third of the run.
    pub fn refused_late(&self) -> u64 {
        let late = self.samples.len() * 2 / 3;
        self.samples[late..].iter().map(|sample| sample.refused).sum()
    }

    /// The greatest of something over all seconds.
    pub fn greatest(&self, of: fn(&Sample) -> f64) -> f64 {
        self.samples.iter().map(of).fold(0.0, f64::max)
    }

    /// The mean of something over the last third of the run.
    pub fn late_mean(&self, of: fn(&Sample) -> f64) -> f64 {
        let late = &self.samples[self.samples.len() * 2 / 3..];
        let count = u32::try_from(late.len()).unwrap_or(u32::MAX).max(1);
        late.iter().map(of).sum::<f64>() / f64::from(count)
    }
}

/// Notes limits as they are met, each once a second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Vec<Met>);

impl Notes {
    /// `limit` was met.
    pub(crate) fn note(&mut self, now: u64, limit: Limit) {
        let second = u32::try_from(now / SECOND_MICROS).unwrap_or(u32::MAX);
        match self.0.iter_mut().find(|met| met.limit == limit) {
            Some(met) if met.last_second == second => {}
            Some(met) => {
                met.last_second = second;
                met.seconds += 1;
            }
            None => {
                self.0.push(Met { limit, first_second: second, last_second: second, seconds: 1 })
            }
        }
    }

    /// In the order they were first met.
    pub(crate) fn into_list(self) -> Vec<Met> {
        self.0
    }
}
