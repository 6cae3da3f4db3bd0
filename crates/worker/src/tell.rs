//! What the queue is told about an item when everything else is done: to delete it, or when to hand it out
//! again. Decides how a wait is spent, never how long it is.

use std::time::Duration;

use relay_core::envelope::Envelope;
use relay_core::metrics::Metric;
use relay_core::ports::PortError;
use relay_core::retry::Jitter;
use relay_core::time::Timestamp;

use crate::deliver::Worker;
use crate::given::Item;

/// An item that met trouble of our own comes back after this long, with jitter on top.
const OWN_TROUBLE_WAIT: Duration = Duration::from_secs(10);
/// How long after another worker's hold, or after the due time, a copy comes back: hosts' clocks
/// differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(1);
/// An item whose record cannot be read comes back after this long: a fault like that passes with a
/// deployment, not by itself.
const UNREADABLE_WAIT: Duration = Duration::from_secs(300);
/// Receipts of one item after which a fresh copy goes on in its place: half of what the queue's own
/// redrive policy allows, which counts receipts and knows nothing of attempts.
const RECEIPTS_MAX: u32 = 500;
/// Longest time an item is hidden when no fresh copy of it could be sent: whatever it was to wait for, it
/// comes back to try that again.
const HIDDEN_MAX: Duration = Duration::from_secs(900);
/// Shortest delay of a fresh copy. One that was sent without a delay could not be told from the first.
const FRESH_COPY_DELAY_MIN: Duration = Duration::from_secs(1);
/// Longest delay of a fresh copy (SQS `DelaySeconds`).
const FRESH_COPY_DELAY_MAX: Duration = Duration::from_secs(900);

/// What the queue is told about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is done with and may be deleted.
    Acknowledged,
    /// It is to come back.
    HandedBack,
}

/// What is to become of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing more is to come of it.
    Acknowledge,
    /// It comes back after this long.
    After(Duration),
    /// It comes back at this time.
    At(Timestamp),
    /// It comes back at this time without having been tried. Everything for one destination may wait like
    /// that at once, so it leaves the queue's in-flight set however short the wait is (F41); unless it was
    /// received before, as few are.
    Deferred(Timestamp),
    /// The queue was told already, beside what else there was to do.
    Told(Told),
    /// Its record cannot be read. It comes back as it is, never as a fresh copy: the queue's own
    /// redrive policy is its last net.
    Unreadable,
}

impl Worker {
    /// Tells the queue what is to become of an item, trouble included.
    pub(crate) async fn conclude(&self, item: &Item, next: Result<Next, PortError>) -> Told {
        let next = next.unwrap_or_else(|error| {
            tracing::error!(item_id = item.item_id, %error, "item handed back");
            match error {
                PortError::Unavailable { .. } => {
                    self.recorder.count(Metric::Setbacks);
                    self.after_trouble()
                }
                PortError::Corrupt { .. } => {
                    self.recorder.count(Metric::Unreadable);
                    Next::Unreadable
                }
            }
        });
        self.tell(item, next).await
    }

    /// Tells the queue. Failing to do so is no error: the item comes back after the queue's own
    /// timeout, and the record's `not_before` puts right what comes early (F17).
    async fn tell(&self, item: &Item, next: Next) -> Told {
        let wait = match next {
            Next::Acknowledge => return Told::Acknowledged,
            Next::Told(told) => return told,
            Next::After(wait) => wait,
            Next::At(until) | Next::Deferred(until) => until.since(self.ports.ambient.now()),
            Next::Unreadable => UNREADABLE_WAIT,
        };
        // A fresh copy carries no attributes: a redriven dead letter would turn into a plain one.
        let may_go_on = next != Next::Unreadable && item.dead_letter.is_none();
        let is_long = match next {
            // Deferred copies claim nothing, so nothing merges them. One that was received before may have
            // left a copy behind that goes on; it stays what it is, and a chain never becomes a tree.
            Next::Deferred(_) => item.receipts <= 1,
            // The claim that follows merges whatever copies there are.
            Next::At(_) => wait > self.rules.visibility_max,
            // Such a wait is short. While a service fails, deletions fail too, and each would leave one copy more.
            Next::Acknowledge | Next::After(_) | Next::Told(_) | Next::Unreadable => false,
        };
        let goes_on = is_long || item.receipts > RECEIPTS_MAX;
        if goes_on && may_go_on && self.send_fresh_copy(item, wait).await {
            return Told::Acknowledged;
        }
        self.hide(item, wait.min(HIDDEN_MAX)).await
    }

    /// An item whose delivery panicked is held until its lease has ended. Nothing of it is read again: that may
    /// be what panicked.
    pub(crate) async fn hand_back_after_panic(&self, item: &Item) -> Told {
        self.hide(item, self.rules.lease + CLOCK_MARGIN).await
    }

    async fn hide(&self, item: &Item, wait: Duration) -> Told {
        if let Err(error) = self.ports.queue.postpone(&item.receipt, wait).await {
            tracing::warn!(item_id = item.item_id, %error, "visibility was not changed");
        }
        Told::HandedBack
    }

    /// Sends a copy with a receive count of zero, which waits outside the queue's in-flight set. Only a
    /// confirmed send lets the old one go. A copy that comes before its time is sent on in the same way:
    /// the record's `not_before` chains them.
    async fn send_fresh_copy(&self, item: &Item, wait: Duration) -> bool {
        let Ok(envelope) = Envelope::within(&item.text) else { return false };
        let delay = wait.clamp(FRESH_COPY_DELAY_MIN, FRESH_COPY_DELAY_MAX);
        let sent = self.ports.queue.send(&envelope, delay).await;
        sent.inspect_err(|error| tracing::warn!(item_id = item.item_id, %error, "no fresh copy"))
            .is_ok()
    }

    pub(crate) fn after_trouble(&self) -> Next {
        Next::After(OWN_TROUBLE_WAIT + self.jitter_of(OWN_TROUBLE_WAIT))
    }

    pub(crate) fn soon_after(&self, until: Timestamp) -> Next {
        Next::At(until.plus(CLOCK_MARGIN + self.jitter_of(CLOCK_MARGIN)))
    }

    pub(crate) fn jitter_of(&self, whole: Duration) -> Duration {
        Jitter::new(self.ports.ambient.unit()).part_of(whole)
    }
}
