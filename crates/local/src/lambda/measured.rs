//! What Lambda tells CloudWatch of an invocation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::invocation::InvokeError;
use super::settings::FunctionSettings;
use crate::metrics::AwsMetric;

/// One invocation, measured from when an environment took it.
pub(super) struct Measured<'a> {
    function: &'a FunctionSettings,
    /// Invocations that environments have at the moment.
    under_way: &'a AtomicU64,
    began: Option<Instant>,
}

impl<'a> Measured<'a> {
    pub(super) fn new(function: &'a FunctionSettings, under_way: &'a AtomicU64) -> Self {
        Self { function, under_way, began: None }
    }

    /// An environment took it.
    pub(super) fn began(&mut self) {
        self.began = Some(Instant::now());
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.observe(AwsMetric::LambdaConcurrentExecutions, under_way);
    }

    /// It came to this.
    pub(super) fn ended<T>(&self, result: &Result<T, InvokeError>) {
        let failed = match result {
            Ok(_) => false,
            Err(
                InvokeError::Function { .. }
                | InvokeError::Crashed { .. }
                | InvokeError::TimedOut { .. }
                | InvokeError::ResponseTooLarge
                | InvokeError::ColdStart(_),
            ) => true,
            Err(InvokeError::Throttled { .. }) => {
                self.observe(AwsMetric::LambdaThrottles, 1);
                return;
            }
            Err(InvokeError::EventTooLarge { .. } | InvokeError::Stopping) => return,
        };
        self.observe(AwsMetric::LambdaInvocations, 1);
        self.observe(AwsMetric::LambdaErrors, u64::from(failed));
        if let Some(began) = self.began {
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.observe(AwsMetric::LambdaDuration, took);
        }
    }

    fn observe(&self, metric: AwsMetric, value: u64) {
        let dimensions = [("FunctionName", self.function.name.as_str())];
        self.function.meter.observe(metric, &dimensions, value);
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        if self.began.is_some() {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
