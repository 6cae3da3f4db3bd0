//! What a worker is given: the world outside, what the settings say, and items of the queue. Does nothing with them.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use relay_core::breaker;
use relay_core::identity::Generation;
use relay_core::ports::{
    Ambient, Breakers, Payloads, Queue, Receipt, Sender, SigningSecrets, Store, Vault,
};
use relay_core::retry::RetryPolicy;
use relay_core::settings::Tracking;
use relay_core::time::Timestamp;

/// One item as the event source hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What the event source calls it.
    pub item_id: String,
    /// What names this receipt of it.
    pub receipt: Receipt,
    /// The text; an envelope, if all is well.
    pub text: ByteString,
    /// How often it was received, this time included.
    pub receipts: u32,
    /// From when on it could be received: when it was sent to the queue and its delay was over. Nothing if the event
    /// source does not say.
    pub available_at: Option<Timestamp>,
    /// The generation that died, if this is a copy of a dead letter that an operator moved back.
    pub dead_letter: Option<Generation>,
    /// Whether it is a copy that was sent to go on waiting: others of its message were received before it.
    pub is_delayed: bool,
}

impl Item {
    /// From when on it waited for a worker. Its first receipt alone says so: later ones come after waits that were meant,
    /// as does that of a delayed copy until it could be received.
    pub(crate) fn waits_since(&self) -> Option<Timestamp> {
        self.available_at.filter(|_| self.receipts <= 1)
    }

    /// Whether nothing tells of an earlier receipt of its message, of this copy or of another.
    pub(crate) fn seems_first(&self) -> bool {
        self.receipts <= 1 && !self.is_delayed && self.dead_letter.is_none()
    }
}

/// The world outside.
#[derive(Clone)]
pub struct Ports {
    /// Records.
    pub store: Arc<dyn Store>,
    /// The queue and the queue of dead letters.
    pub queue: Arc<dyn Queue>,
    /// Stored bodies.
    pub payloads: Arc<dyn Payloads>,
    /// Targets.
    pub sender: Arc<dyn Sender>,
    /// Circuit breakers, shared with all other workers.
    pub breakers: Arc<dyn Breakers>,
    /// Which secrets the deliveries of senders are signed with.
    pub signing_secrets: Arc<dyn SigningSecrets>,
    /// What these are derived from.
    pub vault: Arc<dyn Vault>,
    /// Time and chance.
    pub ambient: Arc<dyn Ambient>,
}

/// What the settings say about deliveries.
#[derive(Debug, Clone)]
pub struct Rules {
    /// When and how often a message is tried.
    pub retry: RetryPolicy,
    /// How long an attempt may take, besides the time a stored body needs.
    pub timeout: Duration,
    /// Slowest rate for a stored body, in bytes a second.
    pub bytes_per_second_min: u64,
    /// How long a message is held for one attempt.
    pub lease: Duration,
    /// Items of one batch delivered at the same time.
    pub concurrency: usize,
    /// Those of them that may go to the same destination.
    pub concurrency_per_destination: usize,
    /// When the breaker of a destination opens, and for how long.
    pub breaker: breaker::Rules,
    /// How long a generation may wait for its delivery.
    pub deadline: Duration,
    /// Longest wait that a received item spends hidden in the queue; a longer one is spent as a fresh
    /// copy.
    pub visibility_max: Duration,
    /// Whether the first attempt of a message is claimed.
    pub tracking: Tracking,
}
