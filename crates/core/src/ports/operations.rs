//! What operators and the reconciler ask of all records and all dead letters at once. Nothing here is
//! on the way of a message.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{PortError, Receipt};
use crate::identity::RelayId;
use crate::outcome::DeadReason;
use crate::time::Timestamp;

/// Parts of the index of dead letters, numbered from 0. One partition of an index takes 1,000 writes a
/// second; a destination that fails for everybody can kill more than that.
pub const DEAD_SHARDS: u8 = 16;
/// Most letters that one call receives.
pub const LETTERS_MAX: usize = 10;

/// Where the next page begins. Its text means something to the store that wrote it only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// One page of something long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it; a page may be empty although others follow.
    pub items: Vec<T>,
    /// Where the next one begins; nothing after the last.
    pub next: Option<Cursor>,
}

/// Which entries of the index of dead letters are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadWanted {
    /// All, the oldest first.
    OldestFirst,
    /// All, the newest first.
    NewestFirst,
    /// Those whose record asks for something to be done: DEAD and not known to be buried, or set going
    /// again and not known to be in the queue. The oldest first.
    Unfinished,
}

/// What the index knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is DEAD.
    Dead {
        /// Why.
        reason: DeadReason,
        /// Whether the dead-letter queue is known to have its copy.
        buried: bool,
    },
    /// It is PENDING again, and not known to be in the queue.
    SetGoing,
    /// What the index says of it cannot be read; the record says more, or somebody has to look at it.
    Unreadable,
}

/// A message in the index of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEntry {
    /// The message.
    pub id: RelayId,
    /// When it died, or was set going again.
    pub at: Timestamp,
    /// Which of the two, if that can be read, and what belongs to it.
    pub standing: Standing,
}

/// All records at once. What it answers may be some seconds old and is for finding messages only: what is
/// done to one is decided on [`Store::find`](super::Store::find). Expired records may be among it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// One page of a part of the index of dead letters: of the entries wanted, those that are there since
    /// `from` or later and before `until`.
    async fn dead(
        &self,
        shard: u8,
        wanted: DeadWanted,
        from: Timestamp,
        until: Timestamp,
        after: Option<&Cursor>,
    ) -> Result<Page<DeadEntry>, PortError>;

    /// One page of the ids of all messages that are not known to be final. Reads the whole table, page by
    /// page, in no order; an id may come again on the page that follows.
    async fn unfinished(&self, after: Option<&Cursor>) -> Result<Page<RelayId>, PortError>;
}

/// A copy in the dead-letter queue, as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// What names this receipt of it.
    pub receipt: Receipt,
    /// The text; an envelope, if all is well.
    pub text: String,
    /// The attributes beside it.
    pub attributes: BTreeMap<String, String>,
    /// Whether the delivery queue moved it here on its own, which no worker had a say in.
    pub moved_by_queue: bool,
}

/// The dead-letter queue, for reading. Only the receipt that came last speaks for a letter; asking something
/// by an older one, or by one of a letter that is gone, is no error.
#[async_trait]
pub trait Letters: Send + Sync {
    /// Receives at most [`LETTERS_MAX`] letters and hides them from others for `hidden_for` (at least that
    /// long, at most 12 hours). None received does not mean that none are there.
    async fn receive(&self, hidden_for: Duration) -> Result<Vec<Letter>, PortError>;

    /// Removes received letters for good. After an error some may be there still.
    async fn delete(&self, receipts: &[Receipt]) -> Result<(), PortError>;

    /// Shows received letters to others again, at once. After an error some may be hidden still.
    async fn release(&self, receipts: &[Receipt]) -> Result<(), PortError>;
}
