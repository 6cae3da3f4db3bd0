//! Where the functions write down what happens, until it leaves the process. Recording costs a lock and
//! never fails.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::table::{Kind, Metric};

/// Values of one distribution kept at a time. An invocation has some hundred at most; the limit is for whoever
/// records and never takes.
const VALUES_MAX: usize = 10_000;

/// What was recorded, by metric: the sum of a counter, the single values of a distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples(BTreeMap<Metric, Vec<u64>>);

impl Samples {
    /// Adds one value.
    pub fn add(&mut self, metric: Metric, value: u64) {
        let values = self.0.entry(metric).or_default();
        match (metric.definition().kind, values.as_mut_slice()) {
            (Kind::Counter, [sum, ..]) => *sum = sum.saturating_add(value),
            (Kind::Distribution, kept) if kept.len() >= VALUES_MAX => {}
            (Kind::Counter | Kind::Distribution, _) => values.push(value),
        }
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every metric that has values, with them; a counter has one. Never an empty list.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, &[u64])> {
        self.0.iter().map(|(metric, values)| (*metric, values.as_slice()))
    }

    /// The sum of a metric's values; 0 if it has none.
    pub fn sum(&self, metric: Metric) -> u64 {
        self.0.get(&metric).map_or(0, |values| values.iter().sum())
    }
}

/// Takes down what happens. Shared by everything that runs in one process.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Samples>);

impl Recorder {
    /// Counts one.
    pub fn count(&self, metric: Metric) {
        self.add(metric, 1);
    }

    /// Adds to a counter, or records one value of a distribution.
    pub fn add(&self, metric: Metric, value: u64) {
        self.lock().add(metric, value);
    }

    /// What was recorded since this was asked last.
    pub fn take(&self) -> Samples {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_added_up_and_distributions_are_kept_apart() {
        let recorder = Recorder::default();
        recorder.count(Metric::Accepted);
        recorder.add(Metric::Accepted, 2);
        recorder.add(Metric::AcceptMilliseconds, 7);
        recorder.add(Metric::AcceptMilliseconds, 7);
        let samples = recorder.take();
        let all: Vec<_> = samples.iter().collect();
        assert_eq!(
            all,
            [(Metric::Accepted, [3].as_slice()), (Metric::AcceptMilliseconds, [7, 7].as_slice())]
        );
        assert_eq!((samples.sum(Metric::Accepted), samples.sum(Metric::Dead)), (3, 0));
        assert!(recorder.take().is_empty());
    }

    #[test]
    fn what_nobody_takes_does_not_grow_for_ever() {
        let recorder = Recorder::default();
        for _ in 0..=VALUES_MAX {
            recorder.count(Metric::BatchSize);
        }
        assert_eq!(recorder.take().sum(Metric::BatchSize), VALUES_MAX as u64);
    }
}
