//! Series of values: by minute, as distinct values and how often each came, and in total.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use serde_json::{Value as Json, json};

/// How many minutes of values are kept. CloudWatch keeps them for 15 days; a laptop need not.
pub const MINUTES_MAX: usize = 180;
/// Series kept at most, for a function that makes up names; the relay has about a hundred.
const SERIES_MAX: usize = 1000;
/// Distinct values of one series in one minute. A further one is counted as the nearest below it, or as the
/// smallest if there is none below.
const VALUES_MAX: usize = 10_000;
const MINUTE_SECONDS: u64 = 60;

/// Which series it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: BTreeMap<String, String>,
}

impl Identity {
    pub(super) fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions.iter().map(owned).collect(),
        }
    }
}

/// Distinct values and how often each came.
pub(super) type Values = BTreeMap<u64, u64>;

/// The values of one metric with one set of dimensions.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) unit: &'static str,
    /// By the minute's beginning, in seconds since the epoch. Only the newest minutes.
    pub(super) minutes: BTreeMap<u64, Values>,
    /// How many values there were since the start.
    pub(super) count: u64,
    /// What they add up to.
    pub(super) sum: u64,
    /// The last one.
    pub(super) last: u64,
}

impl Series {
    fn add(&mut self, at_seconds: u64, value: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.last = value;
        let minute = at_seconds / MINUTE_SECONDS * MINUTE_SECONDS;
        let values = self.minutes.entry(minute).or_default();
        let near = match values.len() < VALUES_MAX {
            true => value,
            false => {
                let below = values.range(..=value).next_back();
                below.or_else(|| values.first_key_value()).map_or(value, |(near, _)| *near)
            }
        };
        *values.entry(near).or_default() += 1;
        while self.minutes.len() > MINUTES_MAX {
            self.minutes.pop_first();
        }
    }

    /// Distinct values of the minutes after `since_seconds`.
    pub(super) fn recent(&self, since_seconds: u64) -> Values {
        let mut all = Values::new();
        let minutes = self.minutes.range((Excluded(since_seconds), Unbounded));
        for (value, times) in minutes.flat_map(|(_, values)| values) {
            *all.entry(*value).or_default() += times;
        }
        all
    }
}

/// The smallest value that at least `percent` of all are not above; nothing if there are none.
pub(super) fn percentile(values: &Values, percent: u64) -> Option<u64> {
    let all: u64 = values.values().sum();
    let rank = (all * percent).div_ceil(100).max(1);
    let mut seen = 0;
    let reached = |(value, times): (&u64, &u64)| {
        seen += times;
        (seen >= rank).then_some(*value)
    };
    values.iter().find_map(reached)
}

/// All series.
#[derive(Debug, Default)]
pub(super) struct AllSeries(BTreeMap<Identity, Series>);

impl AllSeries {
    pub(super) fn add(
        &mut self,
        identity: &Identity,
        unit: &'static str,
        at_seconds: u64,
        values: &[u64],
    ) {
        if values.is_empty() {
            return;
        }
        if !self.0.contains_key(identity) {
            if self.0.len() >= SERIES_MAX {
                tracing::warn!(name = identity.name, "more than {SERIES_MAX} metrics: not noted");
                return;
            }
            let minutes = BTreeMap::new();
            let series = Series { unit, minutes, count: 0, sum: 0, last: 0 };
            self.0.insert(identity.clone(), series);
        }
        if let Some(series) = self.0.get_mut(identity) {
            values.iter().for_each(|value| series.add(at_seconds, *value));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Identity, &Series)> {
        self.0.iter()
    }

    /// The series of this name, with whatever dimensions.
    pub(super) fn named(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Iterator<Item = (&Identity, &Series)> {
        self.iter()
            .filter(move |(identity, _)| identity.namespace == namespace && identity.name == name)
    }

    pub(super) fn to_json(&self) -> Json {
        let minute = |(start, values): (&u64, &Values)| {
            let (values, counts): (Vec<u64>, Vec<u64>) = values.iter().unzip();
            json!({ "minute": start, "values": values, "counts": counts })
        };
        let series = self.iter().map(|(identity, series)| {
            json!({
                "namespace": identity.namespace,
                "name": identity.name,
                "dimensions": identity.dimensions,
                "unit": series.unit,
                "minutes": series.minutes.iter().map(minute).collect::<Vec<_>>(),
            })
        });
        series.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_came() {
        let values = Values::from([(1, 90), (10, 9), (700, 1)]);
        let found = [0, 50, 90, 91, 95, 99, 100].map(|percent| percentile(&values, percent));
        assert_eq!(found, [1, 1, 1, 10, 10, 10, 700].map(Some));
        assert_eq!(percentile(&Values::new(), 50), None);
    }

    #[test]
    fn old_minutes_and_too_many_values_do_not_pile_up() {
        let mut all = AllSeries::default();
        let identity = Identity::new("A", "B", &[("C", "D")]);
        for minute in 0..=MINUTES_MAX as u64 {
            all.add(&identity, "Count", minute * 60 + 59, &[minute]);
        }
        let many: Vec<u64> = (0..=VALUES_MAX as u64).collect();
        all.add(&identity, "Count", 60, &many);
        let series: Vec<&Series> = all.named("A", "B").map(|(_, series)| series).collect();
        assert_eq!((series.len(), series[0].minutes.len()), (1, MINUTES_MAX));
        assert_eq!(series[0].minutes[&60].len(), VALUES_MAX);
        let counted: u64 = series[0].minutes[&60].values().sum();
        assert_eq!(counted, many.len() as u64 + 1, "each is counted, if not exactly as it was");
        assert_eq!(series[0].count, many.len() as u64 + MINUTES_MAX as u64 + 1);
    }

    #[test]
    fn values_below_all_that_are_kept_do_not_pile_up_either() {
        let mut all = AllSeries::default();
        let identity = Identity::new("A", "B", &[]);
        let many: Vec<u64> = (0..=VALUES_MAX as u64 + 1).rev().collect();
        all.add(&identity, "Count", 60, &many);
        let values: Vec<&Values> = all.iter().map(|(_, series)| &series.minutes[&60]).collect();
        assert_eq!(values[0].len(), VALUES_MAX);
        assert_eq!(values[0].first_key_value(), Some((&2, &3)), "counted with the smallest");
    }

    #[test]
    fn made_up_names_have_an_end() {
        let mut all = AllSeries::default();
        for number in 0..=SERIES_MAX {
            all.add(&Identity::new("A", &number.to_string(), &[]), "Count", 0, &[1]);
        }
        assert_eq!(all.iter().count(), SERIES_MAX);
    }

    #[test]
    fn tests_get_values_with_their_minutes() {
        let mut all = AllSeries::default();
        all.add(&Identity::new("A", "B", &[("C", "D")]), "Bytes", 121, &[7, 7, 9]);
        let expected = json!([{
            "namespace": "A", "name": "B", "dimensions": { "C": "D" }, "unit": "Bytes",
            "minutes": [{ "minute": 120, "values": [7, 9], "counts": [2, 1] }],
        }]);
        assert_eq!(all.to_json(), expected);
    }
}
