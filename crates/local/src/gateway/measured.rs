//! What API Gateway tells CloudWatch of a request. It counts those that match a route or not, but not preflights,
//! which never get that far.

use std::time::Instant;

use axum::http::StatusCode;

use super::event::API_ID;
use crate::metrics::{AwsMetric, Meter};

/// One request, measured from its arrival.
pub(super) struct Measured<'a> {
    meter: &'a Meter,
    began: Instant,
}

impl<'a> Measured<'a> {
    pub(super) fn begin(meter: &'a Meter) -> Self {
        Self { meter, began: Instant::now() }
    }

    /// It was answered.
    pub(super) fn ended(self, status: StatusCode) {
        observe(self.meter, AwsMetric::ApiCount, 1);
        observe(self.meter, AwsMetric::Api4xx, u64::from(status.is_client_error()));
        observe(self.meter, AwsMetric::Api5xx, u64::from(status.is_server_error()));
        observe(self.meter, AwsMetric::ApiLatency, milliseconds_since(self.began));
    }
}

/// A function that was asked at `asked` answered, or was given up.
pub(super) fn integration_ended(meter: &Meter, asked: Instant) {
    observe(meter, AwsMetric::ApiIntegrationLatency, milliseconds_since(asked));
}

fn observe(meter: &Meter, metric: AwsMetric, value: u64) {
    meter.observe(metric, &[("ApiId", API_ID)], value);
}

fn milliseconds_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
