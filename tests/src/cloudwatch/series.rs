//! Values of metrics over minutes: what was put into `CloudWatch`.

use std::collections::BTreeMap;

use super::{Minute, Statistic};

/// What names a metric: namespace, name, and every dimension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricName {
    /// Such as `AWS/SQS`.
    pub namespace: String,
    /// Such as `NumberOfMessagesSent`.
    pub name: String,
    /// Name of the dimension to its value.
    pub dimensions: BTreeMap<String, String>,
}

impl MetricName {
    /// A metric with these dimensions.
    #[must_use]
    pub fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let dimensions = dimensions.iter();
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }
}

/// What `FILL` makes of a metric that has no value anywhere in what is looked at. The documents do not say, so that
/// what has to hold is tried with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyFill {
    /// The value it is to be filled with.
    #[default]
    Filled,
    /// Nothing.
    Empty,
}

/// The values of all metrics.
#[derive(Debug, Clone, Default)]
pub struct Series {
    values: BTreeMap<MetricName, BTreeMap<Minute, Vec<f64>>>,
    /// How `FILL` treats a metric without any value.
    pub empty_fill: EmptyFill,
    /// How many minutes after its time a value can be seen, by namespace; at once where none is named.
    pub delays: BTreeMap<String, Minute>,
}

impl Series {
    /// Adds values of a metric in one minute to those that are there.
    pub fn add(&mut self, metric: &MetricName, minute: Minute, values: &[f64]) {
        let minutes = self.values.entry(metric.clone()).or_default();
        minutes.entry(minute).or_default().extend_from_slice(values);
    }

    /// Puts values of a metric in one minute in place of those that are there; none takes them away.
    pub fn set(&mut self, metric: &MetricName, minute: Minute, values: &[f64]) {
        self.values.entry(metric.clone()).or_default().insert(minute, values.to_vec());
    }

    /// How many minutes after its time a value of this metric can be seen.
    pub(super) fn delay(&self, metric: &MetricName) -> Minute {
        self.delays.get(&metric.namespace).copied().unwrap_or_default()
    }

    /// The statistic of a metric over the `minutes` that end with `last`, if there is any value. Those after `known`
    /// are not to be seen yet.
    #[must_use]
    pub(super) fn statistic(
        &self,
        metric: &MetricName,
        statistic: Statistic,
        last: Minute,
        minutes: Minute,
        known: Minute,
    ) -> Option<f64> {
        let window = last - minutes + 1..=last.min(known);
        if window.is_empty() {
            return None;
        }
        let values = self.values.get(metric)?.range(window).flat_map(|(_, values)| values);
        statistic.of(values.copied().collect())
    }
}
