//! Sends aggregated values to CloudWatch, by time: once a minute at most, never once an invocation. The API takes 500
//! calls a second from a whole account, and each costs.
//!
//! A call that fails, or is given up before its answer, is made again with what came in meanwhile. If the first had
//! reached CloudWatch without an answer, its values count twice: metrics are no ledger.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use relay_core::metrics::{DIMENSION, NAMESPACE, Samples, Unit};
use relay_core::ports::PortError;
use relay_core::time::Timestamp;
use tokio::time::Instant;

use super::aggregate::{Aggregate, Datum};
use crate::Clients;
use crate::error::unavailable;

/// How long values are held back. CloudWatch keeps them by the minute.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// How long an invocation's answer waits for values to be sent, all calls of a flush together. What was not sent by
/// then is kept.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Data in one call. CloudWatch takes 1000 and 1 MB; one of ours has at most 150 values, 18 bytes each with their
/// count, so that these stay below 1 MB even before they are compressed.
pub(super) const DATA_MAX: usize = 300;

/// Takes values in.
#[async_trait]
pub(super) trait Publisher: Send + Sync {
    /// Adds all of `data`, at most [`DATA_MAX`], to what is known. After an error all, some or none may have been.
    async fn publish(&self, data: &[Datum]) -> Result<(), PortError>;
}

/// Holds values until it is time to send them.
pub(super) struct Flusher {
    publisher: Box<dyn Publisher>,
    held: Mutex<Aggregate>,
    /// When values were sent last, or not in time. Locked while they are: an invocation does not end, and the
    /// process is not frozen, in the middle of a call.
    flushed: tokio::sync::Mutex<Instant>,
}

impl Flusher {
    pub(super) fn new(publisher: Box<dyn Publisher>) -> Self {
        let flushed = tokio::sync::Mutex::new(Instant::now());
        Self { publisher, held: Mutex::default(), flushed }
    }

    /// Adds samples taken at `now`.
    pub(super) fn add(&self, samples: &Samples, now: Timestamp) {
        complain_of_lost(self.held().add(samples, now));
    }

    /// Sends what is held if that is due, within [`FLUSH_TIMEOUT`].
    pub(super) async fn flush_if_due(&self) {
        let flushing = async {
            let mut flushed = self.flushed.lock().await;
            if flushed.elapsed() >= FLUSH_EVERY {
                self.send(&mut flushed).await;
            }
        };
        if tokio::time::timeout(FLUSH_TIMEOUT, flushing).await.is_err() {
            tracing::warn!("metrics were not sent in time; they are kept");
        }
    }

    /// Sends what is held.
    pub(super) async fn flush(&self) {
        let mut flushed = self.flushed.lock().await;
        self.send(&mut flushed).await;
    }

    /// Sends what is held each time that is due, for ever: for hosts on which time passes between invocations.
    pub(super) async fn flush_by_the_clock(&self) {
        loop {
            let due = *self.flushed.lock().await + FLUSH_EVERY;
            tokio::time::sleep_until(due).await;
            self.flush_if_due().await;
        }
    }

    /// Failing is said once a try, and so once a minute at most. May be given up at any time.
    async fn send(&self, flushed: &mut Instant) {
        // Before the first call: one that is given up is a try too.
        *flushed = Instant::now();
        let mut unsent = Unsent { flusher: self, data: self.held().take(), sent: 0 };
        for part in unsent.data.chunks(DATA_MAX) {
            if let Err(error) = self.publisher.publish(part).await {
                tracing::warn!(%error, "metrics were not sent; they are kept");
                break;
            }
            unsent.sent += part.len();
        }
    }

    fn held(&self) -> MutexGuard<'_, Aggregate> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Data on its way. What was not sent is held again, however sending ends.
struct Unsent<'a> {
    flusher: &'a Flusher,
    data: Vec<Datum>,
    /// How many, from the first, have been sent.
    sent: usize,
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        let rest = self.data.get(self.sent..).unwrap_or_default();
        complain_of_lost(self.flusher.held().put_back(rest));
    }
}

fn complain_of_lost(values: u64) {
    if values > 0 {
        tracing::warn!("too many metrics could not be sent; those of the oldest minutes are lost");
    }
}

/// The service itself.
pub(super) struct CloudWatch {
    client: aws_sdk_cloudwatch::Client,
    dimension: Dimension,
}

impl CloudWatch {
    pub(super) fn new(clients: &Clients, function: &str) -> Self {
        let dimension = Dimension::builder().name(DIMENSION).value(function).build();
        Self { client: clients.cloudwatch(), dimension }
    }

    fn datum(&self, datum: &Datum) -> MetricDatum {
        let row = datum.metric.definition();
        let (values, counts) =
            datum.values.iter().map(|(value, times)| (*value as f64, *times as f64)).unzip();
        MetricDatum::builder()
            .metric_name(row.name)
            .dimensions(self.dimension.clone())
            .unit(match row.unit {
                Unit::Count => StandardUnit::Count,
                Unit::Milliseconds => StandardUnit::Milliseconds,
                Unit::Bytes => StandardUnit::Bytes,
            })
            .timestamp(DateTime::from_secs(i64::try_from(datum.minute).unwrap_or(i64::MAX)))
            .set_values(Some(values))
            .set_counts(Some(counts))
            .build()
    }
}

#[async_trait]
impl Publisher for CloudWatch {
    async fn publish(&self, data: &[Datum]) -> Result<(), PortError> {
        let data = data.iter().map(|datum| self.datum(datum)).collect();
        let call = self.client.put_metric_data().namespace(NAMESPACE).set_metric_data(Some(data));
        call.send().await.map_err(|error| unavailable("put metrics", &error))?;
        Ok(())
    }
}
