//! What CloudWatch would know of the relay: the functions' own metrics, read out of their logs, and the metrics that
//! AWS's services keep of themselves, as far as the services on this machine know them, under the same names and
//! dimensions.
//!
//! Nothing outlives the stack: it starts from zero, and values by minute are kept for [`MINUTES_MAX`] minutes.

mod aws;
mod lines;
mod prometheus;
mod sampler;
mod series;
mod summary;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value as Json;

pub use aws::AwsMetric;
pub(crate) use sampler::Sampler;
pub use series::MINUTES_MAX;
use series::{AllSeries, Identity};
pub(crate) use summary::Summary;

/// Takes in metrics and tells of them; cheap to clone, all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<AllSeries>>);

impl Meter {
    /// Takes in the metrics of a line that a function printed, if it is one of metrics. Says whether it was.
    pub fn take_line(&self, line: &str) -> bool {
        let Some(values) = lines::read(line) else { return false };
        let mut all = self.all();
        for value in values {
            all.add(&value.identity, value.unit, value.at_seconds, &value.values);
        }
        true
    }

    /// Takes in one value of a metric that AWS's services keep.
    pub fn observe(&self, metric: AwsMetric, dimensions: &[(&str, &str)], value: u64) {
        let row = metric.row();
        let identity = Identity::new(row.namespace, row.name, dimensions);
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        self.all().add(&identity, row.unit, now, &[value]);
    }

    /// Everything as Prometheus text, version 0.0.4.
    #[must_use]
    pub fn prometheus(&self) -> String {
        prometheus::render(&self.all())
    }

    /// Everything by minute: an array of metrics with namespace, name, dimensions, unit, and for each minute its
    /// beginning in seconds since the epoch, the distinct values, and how often each came.
    #[must_use]
    pub fn json(&self) -> Json {
        self.all().to_json()
    }

    fn all(&self) -> MutexGuard<'_, AllSeries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
