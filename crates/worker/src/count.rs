//! What the worker counts: each thing where it becomes a fact, once.

use relay_core::lifecycle::{Phase, State};
use relay_core::metrics::Metric;
use relay_core::outcome::{DeadReason, Outcome};

use crate::deliver::Worker;
use crate::given::Item;

impl Worker {
    /// A batch as it comes in.
    pub(crate) fn count_batch(&self, items: &[Item]) {
        let now = self.ports.ambient.now();
        self.recorder.add(Metric::BatchSize, items.len() as u64);
        for since in items.iter().filter_map(Item::waits_since) {
            self.recorder.add(Metric::QueueWaitMilliseconds, now.millis_since(since));
        }
    }

    /// An attempt that was made, whether or not its result can be written down.
    pub(crate) fn count_attempt(&self, outcome: &Outcome) {
        self.recorder.count(Metric::of_attempt(outcome.result));
        self.recorder.add(Metric::AttemptMilliseconds, outcome.duration_millis);
    }

    /// A state that this worker has just written.
    pub(crate) fn count_settled(&self, state: &State) {
        match &state.phase {
            Phase::Delivered => {
                let took = self.ports.ambient.now().millis_since(state.life.generation_started_at);
                self.recorder.count(Metric::Delivered);
                self.recorder.add(Metric::EndToEndMilliseconds, took);
                self.recorder.add(Metric::AttemptsAtDelivery, u64::from(state.attempts));
            }
            Phase::Dead { reason, .. } => self.count_death(*reason),
            Phase::Retrying { .. } => self.recorder.count(Metric::Retries),
            Phase::Pending | Phase::Queued | Phase::Processing { .. } | Phase::Cancelled => {}
        }
    }

    pub(crate) fn count_death(&self, reason: DeadReason) {
        self.recorder.count(Metric::Dead);
        self.recorder.count(Metric::of_death(reason));
    }
}
