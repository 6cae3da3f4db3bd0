//! Samples added up until they are sent, by minute, as distinct values and how often each came. Pure.
//!
//! Values of distributions are rounded to eight binary digits: exact below 256, and never off by more than 0.4 %.
//! That bounds how many distinct ones there can be, whatever is recorded. Sums stay exact.

use std::collections::BTreeMap;

use relay_core::metrics::{Kind, Metric, Samples};
use relay_core::time::Timestamp;

/// Distinct values in one datum, at most: CloudWatch's own limit.
pub(super) const VALUES_MAX: usize = 150;
/// Distinct values held, at most, all metrics and minutes together: about 10 MB. A busy minute has some hundred; only
/// while CloudWatch does not answer do they pile up, and then the oldest minute goes first.
const HELD_MAX: usize = 100_000;
/// CloudWatch keeps values by the minute.
const MINUTE_SECONDS: u64 = 60;
/// Significant binary digits that are kept of a value.
const DIGITS: u32 = 8;

/// What is known of one metric within one minute, or a part of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Datum {
    /// When the minute began, in seconds since the epoch.
    pub(super) minute: u64,
    /// What it is about.
    pub(super) metric: Metric,
    /// Distinct values with how often each came; at most [`VALUES_MAX`], at least one.
    pub(super) values: Vec<(u64, u64)>,
}

/// What is waiting to be sent.
#[derive(Debug, Default)]
pub(super) struct Aggregate {
    minutes: BTreeMap<u64, BTreeMap<Metric, BTreeMap<u64, u64>>>,
    held: usize,
}

impl Aggregate {
    /// Adds samples taken at `now`. Returns how many values had to be given up for it.
    pub(super) fn add(&mut self, samples: &Samples, now: Timestamp) -> u64 {
        let minute = now.as_seconds() / MINUTE_SECONDS * MINUTE_SECONDS;
        for (metric, values) in samples.iter() {
            values.iter().for_each(|value| self.add_value(minute, metric, *value, 1));
        }
        self.make_room()
    }

    /// Takes everything out, in pieces that can be sent.
    pub(super) fn take(&mut self) -> Vec<Datum> {
        self.held = 0;
        let mut data = Vec::new();
        for (minute, metrics) in std::mem::take(&mut self.minutes) {
            for (metric, values) in metrics {
                let values: Vec<(u64, u64)> = values.into_iter().collect();
                let pieces = values.chunks(VALUES_MAX);
                data.extend(pieces.map(|piece| Datum { minute, metric, values: piece.to_vec() }));
            }
        }
        data
    }

    /// Takes back what could not be sent. Returns how many values had to be given up for it.
    pub(super) fn put_back(&mut self, data: &[Datum]) -> u64 {
        for Datum { minute, metric, values } in data {
            values.iter().for_each(|(value, times)| {
                self.add_value(*minute, *metric, *value, *times);
            });
        }
        self.make_room()
    }

    fn add_value(&mut self, minute: u64, metric: Metric, value: u64, times: u64) {
        let values = self.minutes.entry(minute).or_default().entry(metric).or_default();
        let before = values.len();
        match metric.definition().kind {
            Kind::Counter => {
                let (sum, _) = values.pop_first().unwrap_or_default();
                values.insert(sum.saturating_add(value.saturating_mul(times)), 1);
            }
            Kind::Distribution => *values.entry(rounded(value)).or_default() += times,
        }
        self.held += values.len() - before;
    }

    /// Drops the oldest minutes while there is too much. The newest stays: rounding bounds it.
    fn make_room(&mut self) -> u64 {
        let mut dropped = 0;
        while self.held > HELD_MAX && self.minutes.len() > 1 {
            let Some((_, metrics)) = self.minutes.pop_first() else { break };
            self.held -= metrics.values().map(BTreeMap::len).sum::<usize>();
            dropped += metrics.values().flat_map(BTreeMap::values).sum::<u64>();
        }
        dropped
    }
}

/// The nearest number with [`DIGITS`] significant binary digits.
fn rounded(value: u64) -> u64 {
    let dropped = (u64::BITS - value.leading_zeros()).saturating_sub(DIGITS);
    if dropped == 0 {
        return value;
    }
    let half = 1 << (dropped - 1);
    value.saturating_add(half) >> dropped << dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const NOON: Timestamp = Timestamp::from_millis(1_790_000_099_999);
    const MINUTE: u64 = 1_790_000_040;

    fn samples(values: impl IntoIterator<Item = (Metric, u64)>) -> Samples {
        let mut samples = Samples::default();
        values.into_iter().for_each(|(metric, value)| samples.add(metric, value));
        samples
    }

    #[test]
    fn sums_are_added_up_and_values_are_counted_by_minute() {
        use Metric::{AttemptMilliseconds, Delivered};
        let mut aggregate = Aggregate::default();
        let first =
            samples([(Delivered, 1000), (AttemptMilliseconds, 7), (AttemptMilliseconds, 7)]);
        let second = samples([(Delivered, 1), (AttemptMilliseconds, 9)]);
        assert_eq!(aggregate.add(&first, NOON), 0);
        assert_eq!(aggregate.add(&second, NOON), 0);
        let later = NOON.plus(std::time::Duration::from_millis(1));
        assert_eq!(aggregate.add(&samples([(Delivered, 5)]), later), 0);
        let expected = [
            Datum { minute: MINUTE, metric: AttemptMilliseconds, values: vec![(7, 2), (9, 1)] },
            Datum { minute: MINUTE, metric: Delivered, values: vec![(1001, 1)] },
            Datum { minute: MINUTE + 60, metric: Delivered, values: vec![(5, 1)] },
        ];
        let taken = aggregate.take();
        assert_eq!(taken, expected);
        assert!(aggregate.take().is_empty());
        // What comes back is added to what came meanwhile.
        aggregate.add(&second, NOON);
        assert_eq!(aggregate.put_back(&taken), 0);
        let again = aggregate.take();
        assert_eq!(again[0].values, [(7, 2), (9, 2)]);
        assert_eq!(again[1].values, [(1002, 1)]);
    }

    #[test]
    fn a_value_is_never_off_by_more_than_said() {
        let mut distinct = BTreeSet::new();
        for power in 0..u64::BITS {
            for step in 0..1000 {
                let value = (1_u64 << power).saturating_add((1_u64 << power) / 1000 * step);
                let near = rounded(value);
                distinct.insert(near);
                assert!(near.abs_diff(value) as f64 <= value as f64 * 0.004, "{value} {near}");
                assert!(value >= 256 || near == value);
            }
        }
        // Half of the numbers of eight digits begin with 1: 128 for each power of two.
        assert!(distinct.len() <= 256 + 56 * 128, "{}", distinct.len());
        assert_eq!(
            [rounded(255), rounded(256), rounded(1001), rounded(1002)],
            [255, 256, 1000, 1004]
        );
    }

    #[test]
    fn many_values_are_cut_to_what_one_datum_takes() {
        let mut aggregate = Aggregate::default();
        let many = samples((0..200).map(|value| (Metric::AcceptMilliseconds, value)));
        aggregate.add(&many, NOON);
        let lengths: Vec<usize> = aggregate.take().iter().map(|datum| datum.values.len()).collect();
        assert_eq!(lengths, [150, 50]);
    }

    #[test]
    fn what_cannot_be_sent_does_not_grow_for_ever_and_the_oldest_goes_first() {
        let mut aggregate = Aggregate::default();
        let minute = samples((0..256).map(|value| (Metric::AcceptMilliseconds, value)));
        let minutes = (HELD_MAX / 256 + 10) as u64;
        let mut dropped = 0;
        for number in 0..minutes {
            dropped += aggregate.add(&minute, Timestamp::from_millis(number * 60_000));
        }
        assert!(aggregate.held <= HELD_MAX);
        assert!(dropped > 0 && dropped % 256 == 0, "{dropped}");
        let left = aggregate.take();
        assert_eq!(left.first().map(|datum| datum.minute), Some(dropped / 256 * 60));
        let counted: u64 =
            left.iter().flat_map(|datum| &datum.values).map(|(_, times)| times).sum();
        assert_eq!(counted + dropped, minutes * 256);
    }
}
