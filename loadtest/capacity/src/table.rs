//! The table on demand: so many partitions of 1,000 write units a second, each message on one of them by chance, as a
//! hash does it. A table that was never used has four; what it takes doubles each half hour, up to its quota.

use crate::limits::{Rate, float};
use crate::random::Random;

/// Write units a second of one partition.
const PARTITION_UNITS: f64 = 1000.0;
/// Write units that a partition has saved after a second's rest.
const BURST_UNITS: f64 = 1000.0;
/// How long a table takes to be ready for twice what it has had.
const DOUBLING_MICROS: u64 = 30 * 60 * 1_000_000;

/// The partitions of a table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    partitions: Vec<Rate>,
    quota: f64,
    units: f64,
    period_ends: u64,
    period_units: f64,
}

impl Table {
    /// Warm for `warm` write units a second, allowed `quota`.
    pub(crate) fn new(warm: f64, quota: f64) -> Self {
        let units = warm.min(quota);
        Self {
            partitions: split(units),
            quota,
            units,
            period_ends: DOUBLING_MICROS,
            period_units: 0.0,
        }
    }

    /// How long a message's write of `units` waits, on a partition by chance; nothing is taken if that is longer than
    /// `patience`.
    pub(crate) fn write(
        &mut self,
        now: u64,
        units: f64,
        patience: u64,
        random: &mut Random,
    ) -> Option<u64> {
        self.grow(now);
        let count = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        let partition = &mut self.partitions[random.below(count) as usize];
        let wait = partition.wait(now, units);
        if wait > patience {
            return None;
        }
        partition.take(now, units);
        self.period_units += units;
        Some(wait)
    }

    /// At the end of each half hour the table is made ready for twice what it took on average.
    fn grow(&mut self, now: u64) {
        if now < self.period_ends {
            return;
        }
        let taken = self.period_units / (float(DOUBLING_MICROS) / 1e6);
        let ready = (2.0 * taken).min(self.quota);
        if ready > self.units {
            self.units = ready;
            self.partitions = split(ready);
        }
        self.period_ends += DOUBLING_MICROS;
        self.period_units = 0.0;
    }
}

/// As few partitions as carry `units`, with equal shares.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, at least 1")]
fn split(units: f64) -> Vec<Rate> {
    let count = (units / PARTITION_UNITS).ceil().max(1.0);
    let share = (units / count).min(PARTITION_UNITS);
    vec![Rate::new(share, BURST_UNITS * share / PARTITION_UNITS); count as usize]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_table_takes_what_its_partitions_do() {
        let (mut table, mut random) = (Table::new(4000.0, 40_000.0), Random::new(1));
        // Ten seconds of 6,000 units a second: 4,000 a second and the burst of the first.
        let written = (0..60_000_u64)
            .filter(|write| table.write(write * 166, 1.0, 0, &mut random).is_some())
            .count();
        assert!((40_000..=44_100).contains(&written), "{written}");
    }

    #[test]
    fn a_table_doubles_in_half_an_hour_and_not_before() {
        let (mut table, mut random) = (Table::new(1000.0, 40_000.0), Random::new(1));
        let mut second = |at: u64| {
            (0..3000_u64)
                .filter(|write| {
                    table.write(at * 1_000_000 + write * 333, 1.0, 0, &mut random).is_some()
                })
                .count()
        };
        let before = (0..1800).map(&mut second).last().unwrap();
        assert!((950..=1050).contains(&before), "{before}");
        // Another layout of partitions begins with its burst.
        let after = (1800..1810).map(&mut second).last().unwrap();
        assert!((1950..=2050).contains(&after), "{after}");
    }
}
