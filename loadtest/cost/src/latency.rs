//! How long calls take: log-normal, given by the median and the 99th percentile, and how long the slowest of several
//! takes. Nothing is drawn here; means are integrals.

use crate::error::CostError;

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;
/// Steps of the integral over the logarithm; twice as many change no digit that is shown.
const STEPS: u32 = 4000;
/// How many standard deviations on each side of the median the integral covers: beyond lies less than 1e-15.
const DEVIATIONS: f64 = 8.0;

/// Halvings of an interval of sixteen deviations: what is left is below the distribution function's own error.
const BISECTIONS: u32 = 40;

/// A log-normal distribution of a time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Logarithm of the median.
    pub mu: f64,
    /// Standard deviation of the logarithm.
    pub sigma: f64,
}

impl Latency {
    /// The distribution with this median and 99th percentile, milliseconds.
    ///
    /// # Errors
    /// `CostError::Value` unless 0 < p50 <= p99.
    pub fn new(p50: f64, p99: f64) -> Result<Self, CostError> {
        if !(p50 > 0.0 && p50.is_finite()) {
            let (name, expected) = ("a median".to_owned(), "above 0 ms");
            return Err(CostError::Value { name, expected, value: p50 });
        }
        if !(p99 >= p50 && p99.is_finite()) {
            let (name, expected) = ("a 99th percentile".to_owned(), "at least the median");
            return Err(CostError::Value { name, expected, value: p99 });
        }
        Ok(Self { mu: p50.ln(), sigma: (p99 / p50).ln() / Z99 })
    }

    /// The mean, milliseconds.
    pub fn mean(self) -> f64 {
        (self.mu + self.sigma * self.sigma / 2.0).exp()
    }

    /// The mean of the slowest of `count`, milliseconds; 0 for none.
    pub fn slowest_of(self, count: u32) -> f64 {
        slowest(&[(self, count)])
    }

    /// The time below which `share` of all calls are (above 0, below 1), milliseconds. By bisection.
    pub fn quantile(self, share: f64) -> f64 {
        let (mut low, mut high) = (-DEVIATIONS, DEVIATIONS);
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            if normal(middle) < share { low = middle } else { high = middle }
        }
        (self.mu + self.sigma * f64::midpoint(low, high)).exp()
    }

    fn below(self, milliseconds: f64) -> f64 {
        if self.sigma == 0.0 {
            return f64::from(u8::from(milliseconds.ln() >= self.mu));
        }
        normal((milliseconds.ln() - self.mu) / self.sigma)
    }
}

/// The mean of the slowest of several calls side by side, milliseconds: the integral of the chance that one of them is
/// still under way.
pub fn slowest(calls: &[(Latency, u32)]) -> f64 {
    let calls: Vec<(Latency, u32)> =
        calls.iter().copied().filter(|(_, count)| *count > 0).collect();
    let edge = |sign: f64, pick: fn(f64, f64) -> f64| {
        calls.iter().map(|(latency, _)| latency.mu + sign * DEVIATIONS * latency.sigma).reduce(pick)
    };
    let (Some(low), Some(high)) = (edge(-1.0, f64::min), edge(1.0, f64::max)) else { return 0.0 };
    let step = (high - low) / f64::from(STEPS);
    let open = |log: f64| {
        let done: f64 = calls
            .iter()
            .map(|(latency, count)| latency.below(log.exp()).powf(f64::from(*count)))
            .product();
        (1.0 - done) * log.exp()
    };
    // All are under way before `low`. Midpoints, in the logarithm.
    let area: f64 =
        (0..STEPS).map(|index| open(low + step * (f64::from(index) + 0.5)) * step).sum();
    low.exp() + area
}

/// The standard normal distribution function, exact to 1e-7 (Abramowitz and Stegun, 26.2.17).
fn normal(deviations: f64) -> f64 {
    const FACTORS: [f64; 5] =
        [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let turned = 1.0 / (1.0 + 0.231_641_9 * deviations.abs());
    let sum = FACTORS.iter().rev().fold(0.0, |sum, factor| (sum + factor) * turned);
    let density = (-deviations * deviations / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let tail = density * sum;
    if deviations >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[track_caller]
    fn near(now: f64, expected: f64, share: f64) {
        assert!((now / expected - 1.0).abs() <= share, "{now} is not {expected} within {share}");
    }

    #[test]
    fn the_slowest_of_several_is_known_from_a_published_table() {
        let target = Latency::new(80.0, 1000.0).unwrap();
        near(target.mean(), 144.2, 0.002);
        near(target.slowest_of(1), target.mean(), 0.002);
        for (count, expected) in [(5, 376.0), (10, 532.0), (50, 1060.0), (100, 1375.0)] {
            near(target.slowest_of(count), expected, 0.005);
        }
    }

    #[test]
    fn quantiles_are_where_they_were_put() {
        let target = Latency::new(80.0, 1000.0).unwrap();
        near(target.quantile(0.5), 80.0, 0.001);
        near(target.quantile(0.99), 1000.0, 0.001);
    }

    #[test]
    fn two_kinds_of_calls_are_slower_than_either() {
        let (quick, slow) = (Latency::new(5.0, 20.0).unwrap(), Latency::new(25.0, 120.0).unwrap());
        let both = slowest(&[(quick, 2), (slow, 1)]);
        assert!(both > slow.mean() && both < slow.mean() + quick.slowest_of(2));
        assert!(slowest(&[]).abs() < f64::EPSILON);
        near(Latency::new(7.0, 7.0).unwrap().slowest_of(9), 7.0, 0.001);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(Latency::new(0.0, 5.0).is_err());
        assert!(Latency::new(5.0, 4.0).is_err());
        assert!(Latency::new(5.0, f64::NAN).is_err());
    }
}
