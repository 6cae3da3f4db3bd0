//! Latencies: histograms of microseconds, of the whole run and of the stretch since they were last looked at.
//!
//! A histogram takes the same space for a second as for a week, and is exact to one in a thousand.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest latency that is told apart from longer ones: an hour.
const MICROSECONDS_MAX: u64 = 3_600_000_000;
/// Significant digits that are kept.
const DIGITS: u8 = 3;
/// The percentiles that a curve is drawn through: each step halves what is left out.
const CURVE: [f64; 14] =
    [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9, 99.99, 100.0];

/// One kind of latency.
#[derive(Debug)]
pub(crate) struct Latency(Mutex<Both>);

#[derive(Debug)]
struct Both {
    whole: Histogram<u64>,
    recent: Histogram<u64>,
}

/// What a histogram says, in milliseconds; all of it none if nothing was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// How many were measured.
    pub(crate) count: u64,
    pub(crate) min: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p90: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
    pub(crate) max: Option<f64>,
    /// Percentiles and their values.
    pub(crate) curve: Vec<(f64, f64)>,
}

impl Latency {
    /// Nothing measured yet. None only if a histogram of these limits were impossible, which it is not.
    pub(crate) fn new() -> Option<Self> {
        let histogram = Histogram::new_with_bounds(1, MICROSECONDS_MAX, DIGITS).ok()?;
        Some(Self(Mutex::new(Both { whole: histogram.clone(), recent: histogram })))
    }

    /// Adds `count` messages that took this long.
    pub(crate) fn add(&self, latency: Duration, count: u64) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        let mut both = self.lock();
        both.whole.saturating_record(microseconds);
        both.recent.saturating_record(microseconds);
        if count > 1 {
            let (value, more) = (microseconds.min(MICROSECONDS_MAX), count - 1);
            // The value is within the bounds, so it is always recorded.
            let _ = (both.whole.record_n(value, more), both.recent.record_n(value, more));
        }
    }

    /// The 99th percentile so far, in milliseconds.
    pub(crate) fn p99(&self) -> Option<f64> {
        let both = self.lock();
        (!both.whole.is_empty()).then(|| milliseconds(both.whole.value_at_quantile(0.99)))
    }

    /// The 50th and the 99th percentile since this was last asked, in milliseconds.
    pub(crate) fn take_recent(&self) -> Option<(f64, f64)> {
        let mut both = self.lock();
        let at = |quantile| milliseconds(both.recent.value_at_quantile(quantile));
        let found = (!both.recent.is_empty()).then(|| (at(0.5), at(0.99)));
        both.recent.reset();
        found
    }

    /// All of it.
    pub(crate) fn summary(&self) -> Summary {
        let both = self.lock();
        let whole = &both.whole;
        if whole.is_empty() {
            return Summary::default();
        }
        let at = |percent: f64| milliseconds(whole.value_at_percentile(percent));
        Summary {
            count: whole.len(),
            min: Some(milliseconds(whole.min())),
            mean: Some(whole.mean() / 1000.0),
            p50: Some(at(50.0)),
            p90: Some(at(90.0)),
            p95: Some(at(95.0)),
            p99: Some(at(99.0)),
            p999: Some(at(99.9)),
            max: Some(milliseconds(whole.max())),
            curve: CURVE.iter().map(|percent| (*percent, at(*percent))).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_thousandth() {
        let latency = Latency::new().unwrap();
        assert_eq!(latency.summary(), Summary::default());
        for milliseconds in 1..=1000 {
            latency.add(Duration::from_millis(milliseconds), 1);
        }
        let summary = latency.summary();
        for (found, expected) in [(summary.p50, 500.0), (summary.p99, 990.0), (summary.max, 1000.0)]
        {
            assert!((found.unwrap() - expected).abs() <= expected / 1000.0, "{found:?} {expected}");
        }
        assert_eq!(summary.count, 1000);
        assert!(summary.curve.is_sorted_by(|one, next| one.1 <= next.1));
    }

    #[test]
    fn the_recent_ones_are_forgotten_and_the_whole_is_not() {
        let latency = Latency::new().unwrap();
        latency.add(Duration::from_millis(10), 25);
        assert!((latency.take_recent().unwrap().0 - 10.0).abs() < 0.02);
        assert_eq!(latency.take_recent(), None);
        latency.add(Duration::from_secs(1_000_000), 1);
        assert_eq!(latency.summary().count, 26);
        assert!((latency.p99().unwrap() / 3_600_000.0 - 1.0).abs() < 0.001, "an hour is the most");
    }
}
