//! What a run of the reconciler did, in numbers.

use relay_core::metrics::{Metric, Recorder};
use relay_core::outcome::DeadReason;
use serde::Serialize;

/// What one run did. A quiet relay's is all zeros, but for the letters that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records in the index of dead letters that seemed to ask for something.
    pub entries_seen: u64,
    /// Dead messages that were not in the dead-letter queue and are now.
    pub buried: u64,
    /// Messages whose redrive stopped half-way and that are in the queue now.
    pub sent: u64,
    /// Messages whose redrive stopped half-way and cannot go on, because their bodies are gone.
    pub left: u64,
    /// Letters received from the dead-letter queue.
    pub letters_seen: u64,
    /// Of these, compared with their records.
    pub letters_judged: u64,
    /// Letters whose record did not know of them and does now.
    pub noted: u64,
    /// Messages that the queue had given up on its own, and that are DEAD now.
    pub given_up: u64,
    /// Letters that a proper copy took the place of.
    pub replaced: u64,
    /// Letters that stood for nothing any more and are gone.
    pub removed: u64,
    /// Records that cannot be read; somebody has to look at them.
    pub unreadable: u64,
    /// What could not be done; the next run tries again.
    pub failed: u64,
    /// Whether there was more to look at than a run is for. The next one goes on.
    pub unfinished: bool,
}

impl Report {
    /// Counts what the run did. Letters removed are no repairs: a message redriven through the API leaves its letter
    /// for the reconciler to remove.
    pub fn count(&self, recorder: &Recorder) {
        let Self { buried, sent, noted, given_up, replaced, unreadable, failed, .. } = *self;
        recorder.add(Metric::ReconcilerRepairs, buried + sent + noted + given_up + replaced);
        recorder.add(Metric::ReconcilerFailures, unreadable + failed);
        recorder.add(Metric::Dead, given_up);
        recorder.add(Metric::of_death(DeadReason::ReceiveCountExceeded), given_up);
    }
}
