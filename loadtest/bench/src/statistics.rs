//! What several measurements of the same thing come to.

use serde::Serialize;

/// The median of some measurements, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Half of them are no larger.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Sample {
    /// Of these values; all NaN of none.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        let (middle, last) = (sorted.len() / 2, sorted.len().saturating_sub(1));
        let median = if sorted.len().is_multiple_of(2) && !sorted.is_empty() {
            f64::midpoint(at(middle - 1), at(middle))
        } else {
            at(middle)
        };
        Self { median, min: at(0), max: at(last) }
    }

    /// Of something that is counted exactly.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self { median: value, min: value, max: value }
    }
}

/// Each value of `these` over the value of `those` that was measured beside it.
#[must_use]
pub fn ratios(these: &[f64], those: &[f64]) -> Vec<f64> {
    these.iter().zip(those).map(|(this, that)| this / that).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(Sample::of(&[3.0, 1.0, 2.0]), Sample { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Sample::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!(Sample::of(&[]).median.is_nan());
    }
}
