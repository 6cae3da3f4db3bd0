//! Chance, from a seed: the same seed gives the same run. Times are drawn from a table of quantiles,
//! which is many times faster than drawing them from the distribution and cuts its tail at 1 in 32,768.

use relay_cost::Latency;

/// Quantiles in a table; a power of two, so that the top bits of a draw are the index.
const QUANTILES: u32 = 16_384;
const QUANTILE_BITS: u32 = QUANTILES.trailing_zeros();
/// Draws of the unit interval have 53 bits, what a float holds exactly.
const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;

/// A generator of pseudo-random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// At least 0, below 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * UNIT
    }

    /// Whether something of this chance happens.
    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.unit() < chance
    }

    /// Below `count`; 0 if that is 0.
    pub(crate) fn below(&mut self, count: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(count)) >> 32) as u32
    }

    /// Time to the next of events that come `rate` times a second without memory, microseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and far below 2^63"
    )]
    pub(crate) fn gap(&mut self, rate: f64) -> u64 {
        (-(1.0 - self.unit()).ln() / rate * 1e6) as u64
    }
}

/// Times to draw, microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    quantiles: Box<[u32]>,
}

impl Times {
    /// Of a distribution in milliseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what 32 bits hold: over an hour"
    )]
    pub(crate) fn new(latency: Latency) -> Self {
        let middle = |index: u32| (f64::from(index) + 0.5) / f64::from(QUANTILES);
        let micros =
            |index| (latency.quantile(middle(index)) * 1e3).clamp(0.0, f64::from(u32::MAX)) as u32;
        Self { quantiles: (0..QUANTILES).map(micros).collect() }
    }

    /// One time.
    pub(crate) fn draw(&self, random: &mut Random) -> u64 {
        let index = (random.bits() >> (64 - QUANTILE_BITS)) as usize;
        u64::from(self.quantiles[index])
    }

    /// The slowest of `count`.
    pub(crate) fn slowest(&self, count: u32, random: &mut Random) -> u64 {
        (0..count).map(|_| self.draw(random)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_drawn_has_the_mean_of_the_distribution() {
        let latency = Latency::new(80.0, 1000.0).unwrap();
        let (times, mut random) = (Times::new(latency), Random::new(7));
        let sum: u64 = (0..200_000).map(|_| times.draw(&mut random)).sum();
        let mean = f64::from(u32::try_from(sum / 200_000).unwrap()) / 1e3;
        assert!((mean / latency.mean() - 1.0).abs() < 0.02, "{mean}");
    }

    #[test]
    fn gaps_come_at_the_rate_and_the_same_seed_draws_the_same() {
        let (mut one, mut other) = (Random::new(3), Random::new(3));
        let sum: u64 = (0..100_000).map(|_| one.gap(1000.0)).sum();
        assert!((sum / 100_000).abs_diff(1000) < 20, "{sum}");
        let again: u64 = (0..100_000).map(|_| other.gap(1000.0)).sum();
        assert_eq!(sum, again);
        assert!((0..1000).all(|_| one.below(7) < 7) && one.below(0) == 0);
    }
}
