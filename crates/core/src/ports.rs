//! What the relay needs from the world outside, as small contracts. Every implementation runs the same
//! conformance suite; no signature names a vendor.

mod access;
mod breakers;
mod operations;

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::body::Pointer;
use crate::decide::Decision;
use crate::destination::{Method, Target};
use crate::envelope::Envelope;
use crate::identity::{LeaseId, RelayId};
use crate::lifecycle::{Again, ClaimRequest, Life, Phase, State};
use crate::message::Message;
use crate::outcome::{AttemptRecord, DeadReason, Outcome};
use crate::time::Timestamp;
use crate::upload::UploadId;

pub use access::{Buckets, Keys, Replays, RevisionWritten, SigningSecrets, StoredKey, Vault};
pub use breakers::{BreakerWritten, Breakers};
pub use operations::{
    Cursor, DEAD_SHARDS, DeadEntry, DeadWanted, LETTERS_MAX, Ledger, Letter, Letters, Page,
    Standing,
};

/// Why a port could not answer. The text is for logs, never for clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// It did not answer, or answered that it cannot now. **What was asked may have happened.**
    #[error("{action} failed: {reason}")]
    Unavailable {
        /// What was asked.
        action: &'static str,
        /// What came back.
        reason: String,
    },
    /// What is stored cannot be read.
    #[error("{action} found something unreadable: {reason}")]
    Corrupt {
        /// What was asked.
        action: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Time and chance.
pub trait Ambient: Send + Sync {
    /// The present, by this host's clock.
    fn now(&self) -> Timestamp;
    /// A number drawn uniformly from 0 up to, not including, 1.
    fn unit(&self) -> f64;
    /// 128 random bits, fit for names that nobody can guess.
    fn bits(&self) -> [u8; 16];
}

/// What recording a message came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// The record is now this message's.
    New,
    /// A live record was there before.
    Existing(Box<Message>),
}

/// A stored message with the state that counts for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The message as it was accepted.
    pub message: Message,
    /// Its state; PENDING if none is stored.
    pub state: State,
}

/// A worker's hold on a message for one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The hold.
    pub lease_id: LeaseId,
    /// Until when it lasts.
    pub until: Timestamp,
    /// Which attempt of this generation it is for, from 1.
    pub attempt: u32,
    /// The outcomes kept so far.
    pub outcomes: Vec<AttemptRecord>,
    /// Whether the record shows the hold. In lean status tracking a first attempt is made without one: it keeps nobody
    /// off, and is known to the record only by its settlement.
    pub claimed: bool,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The message is held by the caller until the lease ends.
    Ours(Lease),
    /// Every attempt was begun; it is to be given up without another one.
    Exhausted,
    /// It is final in this generation.
    AlreadyFinal(Box<State>),
    /// Another worker holds it.
    HeldByOther {
        /// Until when at most.
        until: Timestamp,
    },
    /// Its next attempt is not due.
    NotYet {
        /// When it is.
        until: Timestamp,
    },
    /// The caller's queue item belongs to an earlier generation. The state is the newer one's.
    Superseded(Box<State>),
    /// The caller's queue item belongs to a generation that the record does not show yet.
    Ahead,
}

/// What is to be written after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The message.
    pub id: RelayId,
    /// The life the attempt belonged to.
    pub life: Life,
    /// The hold under which it was made.
    pub lease: Lease,
    /// What came of it.
    pub attempt: AttemptRecord,
    /// What follows from that.
    pub decision: Decision,
    /// The present.
    pub now: Timestamp,
}

/// The answer to a settlement, to giving up and to cancelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is written; this is the state now.
    Done(Box<State>),
    /// The hold was lost: the record is somebody else's by now and was not touched.
    Lost,
}

impl Settled {
    /// The state, if giving the message up at `now` is what made it DEAD: somebody may have given it up before, and is
    /// answered the same.
    pub fn dead_since(&self, now: Timestamp) -> Option<&State> {
        match self {
            Self::Done(state) => match state.phase {
                Phase::Dead { buried: false, .. } => {
                    Some(&**state).filter(|state| state.updated_at == now)
                }
                Phase::Pending
                | Phase::Queued
                | Phase::Processing { .. }
                | Phase::Retrying { .. }
                | Phase::Delivered
                | Phase::Dead { buried: true, .. }
                | Phase::Cancelled => None,
            },
            Self::Lost => None,
        }
    }
}

/// The answer to setting a message going again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The message is PENDING in this life and must be sent to the queue, though perhaps not for the
    /// first time.
    Pending(Life),
    /// It is in a state that this does not follow from; nothing was written.
    Refused,
}

/// The records of messages: deduplication and the life cycle.
///
/// Every write is conditional and recognises itself: when the store's own retry meets what its first,
/// unanswered try wrote, that counts as done (F36). Reads are strongly consistent.
#[async_trait]
pub trait Store: Send + Sync {
    /// Records `message` unless a live record with its id is there. A record that has expired counts
    /// as absent, removed or not.
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError>;

    /// The same for several messages, whose ids all differ: what each came to, in their order. The failure of one says
    /// nothing about the others.
    async fn record_all(
        &self,
        messages: &[Message],
        now: Timestamp,
    ) -> Vec<Result<Recorded, PortError>> {
        let mut recorded = Vec::with_capacity(messages.len());
        for message in messages {
            recorded.push(self.record(message, now).await);
        }
        recorded
    }

    /// The message and its state, unless it does not exist or has expired.
    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError>;

    /// Notes that the queue has the message: PENDING becomes QUEUED. When a worker was faster, or it
    /// was noted before, nothing changes, and that is no error (F07).
    async fn mark_queued(&self, id: &RelayId, life: &Life, now: Timestamp)
    -> Result<(), PortError>;

    /// The same for several messages, whose ids all differ: what each came to, in their order.
    async fn mark_queued_all(
        &self,
        queued: &[(RelayId, Life)],
        now: Timestamp,
    ) -> Vec<Result<(), PortError>> {
        let mut marked = Vec::with_capacity(queued.len());
        for (id, life) in queued {
            marked.push(self.mark_queued(id, life, now).await);
        }
        marked
    }

    /// Takes the message for one attempt, by one conditional write.
    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError>;

    /// Writes what an attempt came to, if the caller still holds the message. A delivery is written
    /// even by a worker that lost its hold, as long as nothing final was. A settlement of an attempt that was not claimed
    /// is written if the claim would have been the caller's, and the first: where no state counts for the life, or one
    /// without attempts.
    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError>;

    /// The same for several messages, whose ids all differ: what each came to, in their order. Those that were not
    /// claimed are written together where the store can.
    async fn settle_all(&self, settlements: &[Settlement]) -> Vec<Result<Settled, PortError>> {
        let mut settled = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            settled.push(self.settle(settlement).await);
        }
        settled
    }

    /// Ends a message that nobody holds and whose life is the given one as DEAD. For
    /// [`DeadReason::ReceiveCountExceeded`] its next attempt must be due as well (F21).
    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError>;

    /// Ends a message that nobody holds and whose life is the given one as CANCELLED. Repeating it answers the same; where
    /// it is not possible, [`Settled::Lost`].
    async fn cancel(&self, id: &RelayId, life: &Life, now: Timestamp)
    -> Result<Settled, PortError>;

    /// Notes that the dead-letter queue has its copy of this life. Repeating it changes nothing, and
    /// neither does a record that has moved on.
    async fn mark_buried(&self, id: &RelayId, life: &Life, now: Timestamp)
    -> Result<(), PortError>;

    /// Sets a message going again whose state in the life given allows it: PENDING in the next
    /// generation, with no attempts and with the outcomes kept so far. Repeating it while that
    /// generation is still PENDING answers the same (F22).
    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError>;

    /// Whether the store answers.
    async fn ready(&self) -> Result<(), PortError>;
}

/// A copy for the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The text as it was in the queue.
    pub text: String,
    /// Reason, attempts, last outcome and the names of the message.
    pub attributes: Vec<(&'static str, String)>,
}

/// What names one receipt of a queue item; only the receipt that came last may speak for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(pub String);

/// The queue between ingest and worker, and the queue of dead letters. Receiving and deleting are the
/// event source's business.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts an envelope into the queue, visible after `delay` (at most 15 minutes). After an error it
    /// may be there all the same.
    async fn send(&self, envelope: &Envelope, delay: Duration) -> Result<(), PortError>;

    /// Puts several envelopes into the queue, visible at once: what each came to, in their order. After an error an
    /// envelope may be there all the same.
    async fn send_all(&self, envelopes: &[Envelope]) -> Vec<Result<(), PortError>> {
        let mut sent = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            sent.push(self.send(envelope, Duration::ZERO).await);
        }
        sent
    }

    /// Hides a received item for `wait` from now on (at most 12 hours from its receipt).
    async fn postpone(&self, receipt: &Receipt, wait: Duration) -> Result<(), PortError>;

    /// Puts a copy into the dead-letter queue.
    async fn bury(&self, letter: &DeadLetter) -> Result<(), PortError>;

    /// Whether the queue answers.
    async fn ready(&self) -> Result<(), PortError>;
}

/// Why a stored body could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not there.
    #[error("the stored body is not there")]
    Missing,
    /// The store did not answer.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The bytes of a stored body as they arrive.
pub type ByteStream = BoxStream<'static, Result<Bytes, PortError>>;

/// A link for somebody outside.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedLink {
    /// The link.
    pub url: String,
    /// The method to call it with.
    pub method: &'static str,
    /// The headers that must go with it.
    pub headers: Vec<(String, String)>,
    /// When it stops to work.
    pub expires_at: Timestamp,
}

/// Whoever has the link has the body: it is not shown.
impl std::fmt::Debug for SignedLink {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SignedLink({} until {})", self.method, self.expires_at)
    }
}

/// The bodies that do not fit elsewhere.
#[async_trait]
pub trait Payloads: Send + Sync {
    /// The bucket that new bodies go to.
    fn bucket(&self) -> &str;

    /// Stores a body under its pointer. Writing the same one again is harmless.
    async fn put(&self, pointer: &Pointer, bytes: Bytes) -> Result<(), PortError>;

    /// Opens a stored body for reading; its hash is for the reader to check.
    async fn open(&self, pointer: &Pointer) -> Result<ByteStream, OpenError>;

    /// Copies a finished upload to `pointer`. False if nothing of the announced size was uploaded.
    async fn adopt(&self, upload: &UploadId, pointer: &Pointer) -> Result<bool, PortError>;

    /// A link to upload exactly the announced bytes: another size or hash is refused by the store.
    async fn upload_link(&self, upload: &UploadId, now: Timestamp)
    -> Result<SignedLink, PortError>;

    /// A link to download a stored body.
    async fn download_link(
        &self,
        pointer: &Pointer,
        now: Timestamp,
    ) -> Result<SignedLink, PortError>;

    /// Whether the bucket answers.
    async fn ready(&self) -> Result<(), PortError>;
}

/// The body of a request, ready to be sent.
pub enum RequestBody {
    /// All of it.
    Bytes(Bytes),
    /// A stream of known length, whose bytes were verified before.
    Stream {
        /// How many bytes will come.
        bytes: u64,
        /// The bytes.
        stream: ByteStream,
    },
}

/// Name and value of a header. What is the same in every request is not copied for each.
pub type Header = (Cow<'static, str>, Cow<'static, str>);

/// One HTTP request to a target.
pub struct Request {
    /// Where to.
    pub target: Target,
    /// How.
    pub method: Method,
    /// All headers but those that HTTP itself needs, names in lower case.
    pub headers: Vec<Header>,
    /// The body.
    pub body: RequestBody,
    /// How long the whole exchange may take.
    pub timeout: Duration,
}

/// Makes one HTTP call to a target, safely. Whatever happens is an outcome, never an error.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Sends `request` once, from `started_at` on.
    async fn send(&self, request: Request, started_at: Timestamp) -> Outcome;
}
