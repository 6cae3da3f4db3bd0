//! Looks again and again at what no call tells: how many messages are in the queues, and how old they are.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::Meter;
use super::aws::AwsMetric;
use crate::sqs::QueueWatcher;

/// How often. SQS does once a minute; people at a laptop do not wait that long.
const EVERY: Duration = Duration::from_secs(1);

/// A running sampler.
pub(crate) struct Sampler(JoinHandle<()>);

impl Sampler {
    /// Begins to look at these queues.
    pub(crate) fn start(meter: Meter, watcher: QueueWatcher, queues: Vec<String>) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                for queue in &queues {
                    sample(&meter, &watcher, queue).await;
                }
            }
        }))
    }

    /// Ends it, and waits until it has let go of the queues.
    pub(crate) async fn stop(self) {
        self.0.abort();
        // The task was just cancelled: that is the only way it ends.
        let _ = self.0.await;
    }
}

async fn sample(meter: &Meter, watcher: &QueueWatcher, queue: &str) {
    let state = match watcher.look(queue).await {
        Ok(state) => state,
        Err(error) => {
            tracing::debug!(queue, %error, "the queue could not be looked at");
            return;
        }
    };
    let values = [
        (AwsMetric::SqsVisible, state.visible),
        (AwsMetric::SqsNotVisible, state.not_visible),
        (AwsMetric::SqsDelayed, state.delayed),
        (AwsMetric::SqsOldest, state.oldest_seconds),
    ];
    for (metric, value) in values {
        meter.observe(metric, &[("QueueName", queue)], value);
    }
}
