//! Finds messages that nothing moves on any more, because their queue item is lost: the queue was purged or
//! deleted, or the table restored from a backup. Each goes into the queue again, in the life it is in.
//!
//! A copy too many is harmless: claims let one attempt through at a time, and a final message none.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use relay_core::identity::RelayId;
use relay_core::ports::{Found, Ledger, PortError};
use relay_core::reconcile::overdue_since;
use relay_core::time::Timestamp;
use tokio::sync::Mutex;

use crate::again::{Gone, SetGoing, Stopped};
use crate::dead::AT_ONCE;
use crate::pace::Pace;
use crate::patience::Patience;
use crate::stop::{Ended, Stop};

/// What is recovered, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoverOptions {
    /// A message counts as lost when a worker could have moved it on for so long and none did. Shorter than
    /// the queue takes to be worked off, it finds messages that only wait, and gives them a second copy.
    pub older_than: Duration,
    /// Nothing is sent; what would be is told.
    pub dry_run: bool,
    /// At most so many a second.
    pub per_second: Option<u32>,
}

/// A message that nothing moves on, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The message.
    pub id: RelayId,
    /// How it stood; nothing if its record could not be read.
    pub found: Option<Box<Found>>,
    /// What became of it.
    pub outcome: RecoverOutcome,
}

/// What became of a message that nothing moves on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoverOutcome {
    /// It would be sent.
    Counted,
    /// It is in the queue.
    Sent,
    /// Its body was in the queue alone, and is lost with it.
    NoBody,
    /// A port did not answer. Repeating is harmless.
    Failed(PortError),
}

impl Recovered {
    const fn ended(&self) -> Result<(), &PortError> {
        match &self.outcome {
            RecoverOutcome::Failed(error) => Err(error),
            RecoverOutcome::Counted | RecoverOutcome::Sent | RecoverOutcome::NoBody => Ok(()),
        }
    }
}

/// Recovers messages whose queue item was lost.
#[derive(Clone)]
pub struct Recover {
    /// Finds them.
    pub ledger: Arc<dyn Ledger>,
    /// Reads them, and sends them.
    pub going: SetGoing,
    /// Ends the work early.
    pub stop: Stop,
}

impl Recover {
    /// Sends every message to the queue that is not final and overdue, and tells `on` of each. Reads the
    /// whole table. Safe to interrupt and to repeat.
    ///
    /// # Errors
    /// When the ledger does not answer, or nothing does any more. What was told of is done.
    pub async fn recover(
        &self,
        options: &RecoverOptions,
        on: &mut (dyn FnMut(Recovered) + Send),
    ) -> Result<Ended, PortError> {
        let pace = Mutex::new(Pace::new(options.per_second));
        let mut patience = Patience::default();
        let (mut after, mut before) = (None, HashSet::new());
        loop {
            let page = self.ledger.unfinished(after.as_ref()).await?;
            // A message on the border of two pages may be on both, wherever it stands there.
            let seen = std::mem::take(&mut before);
            before.extend(page.items.iter().cloned());
            let new: Vec<&RelayId> = page.items.iter().filter(|id| !seen.contains(*id)).collect();
            for some in new.chunks(AT_ONCE) {
                if self.stop.was_asked() {
                    return Ok(Ended::Interrupted);
                }
                let done = some.iter().map(|id| self.one(id, options, &pace));
                for recovered in join_all(done).await {
                    patience.note(recovered.as_ref().map_or(Ok(()), Recovered::ended));
                    recovered.map(&mut *on);
                }
                patience.check()?;
            }
            match page.next {
                // Here too: of a table in order every page is empty.
                Some(_) if self.stop.was_asked() => return Ok(Ended::Interrupted),
                Some(next) => after = Some(next),
                None => return Ok(Ended::Whole),
            }
        }
    }

    /// Sends one message, if it is overdue.
    async fn one(
        &self,
        id: &RelayId,
        options: &RecoverOptions,
        pace: &Mutex<Pace>,
    ) -> Option<Recovered> {
        let now = self.going.ambient.now();
        let told = |found, outcome| Some(Recovered { id: id.clone(), found, outcome });
        let found = match self.going.store.find(id, now).await {
            Ok(found) => found?,
            Err(error) => return told(None, RecoverOutcome::Failed(error)),
        };
        if !is_overdue(&found, options.older_than, now) {
            return None;
        }
        let outcome = if options.dry_run {
            RecoverOutcome::Counted
        } else {
            pace.lock().await.step().await;
            match self.going.send(&found.message, &found.state.life).await {
                Ok(Gone::Again(_)) => RecoverOutcome::Sent,
                Ok(Gone::NoBody) => RecoverOutcome::NoBody,
                // Sending judges no state: neither comes of it.
                Ok(Gone::Refused(_) | Gone::Unknown) => return None,
                Err(Stopped(error)) => RecoverOutcome::Failed(error),
            }
        };
        told(Some(Box::new(found)), outcome)
    }
}

fn is_overdue(found: &Found, older_than: Duration, now: Timestamp) -> bool {
    overdue_since(&found.state).is_some_and(|since| since.plus(older_than) <= now)
}
