//! Accepting messages: record each, store its body, send it to the queue, and only then say yes.
//!
//! Each step may fail or be cut off. The record stays PENDING until the queue has the message, so the
//! client's own retry finds it unfinished and finishes it. Knows nothing of HTTP.

mod draft;
mod many;
mod steps;
mod until;

use std::sync::Arc;
use std::time::Duration;

use relay_core::fingerprint::Fingerprint;
use relay_core::identity::RelayId;
use relay_core::lifecycle::Status;
use relay_core::ports::{
    Ambient, Breakers, Buckets, Keys, Payloads, PortError, Queue, Recorded, Replays,
    SigningSecrets, Store, Vault,
};
use relay_core::settings::{IngestSettings, Limits, Tracking};

pub use draft::Draft;
use steps::Next;

/// What accepting and reading messages needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// The records.
    pub store: Arc<dyn Store>,
    /// The queue to the worker.
    pub queue: Arc<dyn Queue>,
    /// The bodies that do not fit elsewhere.
    pub payloads: Arc<dyn Payloads>,
    /// Circuit breakers, for reading.
    pub breakers: Arc<dyn Breakers>,
    /// API keys.
    pub keys: Arc<dyn Keys>,
    /// The signing secrets of senders.
    pub signing_secrets: Arc<dyn SigningSecrets>,
    /// Rate limits.
    pub buckets: Arc<dyn Buckets>,
    /// Signed requests that came before.
    pub replays: Arc<dyn Replays>,
    /// The master secrets.
    pub vault: Arc<dyn Vault>,
    /// Time and chance.
    pub ambient: Arc<dyn Ambient>,
}

/// An accepted message: it will be delivered or end DEAD with a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The relay's id of it.
    pub id: RelayId,
    /// Where it is in its life.
    pub status: Status,
    /// Whether an earlier request had already been accepted with the same id and content.
    pub duplicate: bool,
    /// Whether the queue has a pointer to the body, which is too large for it.
    pub offloaded: bool,
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// Its id belongs to a message with other content.
    #[error("the message id is taken by a message that differs in {}", fields.join(", "))]
    IdReused {
        /// The fields that differ.
        fields: Vec<&'static str>,
        /// What the id belongs to.
        recorded: Box<Fingerprint>,
    },
    /// Its upload is not there: never finished, or too long ago.
    #[error("nothing of the announced size was uploaded, or it has expired")]
    UploadMissing,
    /// The record was there and then was not: it expired between two reads.
    #[error("the record expired while it was read")]
    RecordGone,
    /// A port could not do its part. What was done stays, and a retry goes on from there.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The use case.
pub struct Accept {
    /// What it needs from outside.
    pub ports: Ports,
    /// Where bodies go by their size.
    limits: Limits,
    /// How long a message is kept.
    message_ttl: Duration,
    /// Whether a body that fits the queue is kept beside it.
    retain_bodies: bool,
    /// Whether it is written down that a message is in the queue.
    tracking: Tracking,
}

impl Accept {
    /// Over these ports, as the settings say.
    pub fn new(ports: Ports, settings: &IngestSettings) -> Self {
        Self {
            ports,
            limits: settings.limits,
            message_ttl: settings.message_ttl,
            retain_bodies: settings.retain_bodies,
            tracking: settings.tracking,
        }
    }

    /// Which steps of a message's life are written down.
    pub const fn tracking(&self) -> Tracking {
        self.tracking
    }

    /// Accepts a message, or says what became of it when it was submitted before.
    ///
    /// # Errors
    /// When it is not accepted. After [`AcceptError::Port`] it may be delivered all the same, and
    /// submitting it again finds out without a second delivery.
    pub async fn accept(&self, draft: &Draft) -> Result<Accepted, AcceptError> {
        let now = draft.now;
        let next = if !self.adopt(draft).await? {
            self.look_up(draft, AcceptError::UploadMissing).await?
        } else {
            match self.ports.store.record(&draft.message, now).await? {
                Recorded::New => return self.forward(draft).await,
                Recorded::Existing(_) => self.look_up(draft, AcceptError::RecordGone).await?,
            }
        };
        match next {
            Next::Stands(accepted) => Ok(accepted),
            Next::Send(draft) => self.forward(&draft).await,
        }
    }
}
