//! Time and chance from the host: its clock and its random source.

use std::time::{SystemTime, UNIX_EPOCH};

use relay_core::ports::Ambient;
use relay_core::time::{Timestamp, whole_millis};

/// The host's clock and random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemAmbient;

impl Ambient for SystemAmbient {
    fn now(&self) -> Timestamp {
        // A clock before 1970 is broken; the epoch makes everything due, which hurts least.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(whole_millis(since))
    }

    fn unit(&self) -> f64 {
        let [a, b, c, d, e, f, g, _, ..] = self.bits();
        // As many bits as an f64 holds exactly, so that every value is equally likely.
        let bits = u64::from_be_bytes([0, a, b, c, d, e, f, g]) >> 3;
        bits as f64 / (1_u64 << 53) as f64
    }

    fn bits(&self) -> [u8; 16] {
        let mut bits = [0; 16];
        #[expect(
            clippy::expect_used,
            reason = "without randomness, names could be guessed and two holds could be one: stopping is the only safe answer"
        )]
        getrandom::fill(&mut bits).expect("the host's random source must answer");
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_in_its_range_and_differs() {
        let drawn: Vec<f64> = (0..1000).map(|_| SystemAmbient.unit()).collect();
        assert!(drawn.iter().all(|unit| (0.0..1.0).contains(unit)));
        let mean = drawn.iter().sum::<f64>() / 1000.0;
        // Six standard deviations of the mean of 1000 uniform numbers.
        assert!((mean - 0.5).abs() < 0.055, "{mean}");
        assert_ne!(SystemAmbient.bits(), SystemAmbient.bits());
    }

    #[test]
    fn the_clock_is_past_the_day_this_was_written() {
        assert!(SystemAmbient.now() > Timestamp::from_millis(1_790_000_000_000));
    }
}
