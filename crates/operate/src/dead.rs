//! Dead letters in numbers: finds those that a filter takes, and sets them going again. Each is decided on
//! by its record; the index only says where to look.

use std::sync::Arc;

use futures::future::join_all;
use relay_core::identity::{Generation, RelayId, SenderId};
use relay_core::lifecycle::{Again, Phase, Status};
use relay_core::outcome::DeadReason;
use relay_core::ports::{DeadEntry, DeadWanted, Found, Ledger, PortError, Standing};
use relay_core::time::Timestamp;
use tokio::sync::Mutex;

use crate::again::{Gone, SetGoing, Stopped};
use crate::merge::{Merge, Next};
use crate::pace::Pace;
use crate::patience::Patience;
use crate::stop::{Ended, Stop};

/// Messages that are looked at, or set going, at the same time: enough to hide the way to the services and
/// back, few enough to leave them to the messages under way.
pub(crate) const AT_ONCE: usize = 8;

/// Which dead letters are meant: those for which everything that is given holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// They died of this.
    pub reason: Option<DeadReason>,
    /// They were for this destination, as [`Target::destination`] writes it.
    ///
    /// [`Target::destination`]: relay_core::destination::Target::destination
    pub destination: Option<String>,
    /// They are of this sender.
    pub sender_id: Option<SenderId>,
    /// They died at this time or later.
    pub from: Option<Timestamp>,
    /// They died before this time.
    pub until: Option<Timestamp>,
}

/// How dead letters are set going.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RedriveOptions {
    /// Nothing is set going; what would be is told.
    pub dry_run: bool,
    /// At most so many a second.
    pub per_second: Option<u32>,
}

/// A dead letter that the filter took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The message.
    pub id: RelayId,
    /// When it died.
    pub at: Timestamp,
    /// How it stands, or why that cannot be read.
    pub found: Result<Box<Found>, PortError>,
}

/// A dead letter that the filter took, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redriven {
    /// The message.
    pub id: RelayId,
    /// How it stood; nothing if its record could not be read.
    pub found: Option<Box<Found>>,
    /// What became of it.
    pub outcome: RedriveOutcome,
}

/// What became of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedriveOutcome {
    /// It would be set going.
    Counted,
    /// It is in the queue, in this generation.
    Again(Generation),
    /// Somebody was faster; this was its status.
    MovedOn(Status),
    /// Its body is gone.
    NoBody,
    /// A port did not answer. Repeating is harmless.
    Failed(PortError),
}

impl Redriven {
    const fn ended(&self) -> Result<(), &PortError> {
        match &self.outcome {
            RedriveOutcome::Failed(error) => Err(error),
            RedriveOutcome::Counted
            | RedriveOutcome::Again(_)
            | RedriveOutcome::MovedOn(_)
            | RedriveOutcome::NoBody => Ok(()),
        }
    }
}

/// The dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    /// Finds them.
    pub ledger: Arc<dyn Ledger>,
    /// Reads them, and sets them going.
    pub going: SetGoing,
    /// Ends work on many of them early.
    pub stop: Stop,
}

impl DeadFilter {
    fn takes_entry(&self, entry: &DeadEntry) -> bool {
        match entry.standing {
            Standing::Dead { reason, .. } => self.reason.is_none_or(|wanted| wanted == reason),
            // Whoever set it going, or the reconciler, finishes that.
            Standing::SetGoing => false,
            // It may be meant: its record decides, or cannot be read either, and then it is told of.
            Standing::Unreadable => true,
        }
    }

    /// Whether the filter takes the message as it stands. Its time was judged by the index: the record has
    /// the time of its last change only, and a burial is one.
    fn takes(&self, found: &Found) -> bool {
        let Phase::Dead { reason, .. } = found.state.phase else { return false };
        let message = &found.message;
        self.reason.is_none_or(|wanted| wanted == reason)
            && self.sender_id.as_ref().is_none_or(|wanted| *wanted == message.sender_id)
            && self
                .destination
                .as_ref()
                .is_none_or(|wanted| *wanted == message.target.destination())
    }

    fn entries<'ledger>(
        &self,
        ledger: &'ledger dyn Ledger,
        wanted: DeadWanted,
        now: Timestamp,
        stop: Stop,
    ) -> Merge<'ledger> {
        let from = self.from.unwrap_or(Timestamp::from_millis(0));
        // What dies from now on is none of what was asked for, above all not what was just redriven.
        let until = self.until.map_or(now, |until| until.min(now));
        Merge::new(ledger, wanted, from, until, stop)
    }
}

impl DeadLetters {
    /// The newest `limit` dead letters that the filter takes, the newest first. One whose record cannot be
    /// read may be meant, and is among them.
    ///
    /// # Errors
    /// When a port does not answer.
    pub async fn list_dead(
        &self,
        filter: &DeadFilter,
        limit: usize,
    ) -> Result<Vec<Listed>, PortError> {
        let now = self.going.ambient.now();
        // A list that a stop cut short would look like a whole one.
        let never = Stop::default();
        let mut entries = filter.entries(&*self.ledger, DeadWanted::NewestFirst, now, never);
        let mut listed = Vec::new();
        while listed.len() < limit {
            let next = entries.next(AT_ONCE, |entry| filter.takes_entry(entry)).await?;
            let Next::Entries(some) = next else { break };
            if some.is_empty() {
                break;
            }
            let found = join_all(some.iter().map(|entry| self.going.store.find(&entry.id, now)));
            for (DeadEntry { id, at, .. }, found) in some.iter().zip(found.await) {
                let found = match found {
                    Ok(Some(found)) if filter.takes(&found) => Ok(Box::new(found)),
                    Ok(_) => continue,
                    Err(error @ PortError::Corrupt { .. }) => Err(error),
                    Err(error @ PortError::Unavailable { .. }) => return Err(error),
                };
                listed.push(Listed { id: id.clone(), at: *at, found });
            }
        }
        listed.truncate(limit);
        Ok(listed)
    }

    /// Sets every dead letter going again that died before now and that the filter takes, the oldest first,
    /// and tells `on` of each. Safe to interrupt and to repeat: what an interruption left half-done the
    /// reconciler finishes.
    ///
    /// # Errors
    /// When the ledger does not answer, or nothing does any more. What was told of is done.
    pub async fn redrive_many(
        &self,
        filter: &DeadFilter,
        options: &RedriveOptions,
        on: &mut (dyn FnMut(Redriven) + Send),
    ) -> Result<Ended, PortError> {
        let begun_at = self.going.ambient.now();
        let (ledger, stop) = (&*self.ledger, self.stop.clone());
        let mut entries = filter.entries(ledger, DeadWanted::OldestFirst, begun_at, stop);
        let pace = Mutex::new(Pace::new(options.per_second));
        let mut patience = Patience::default();
        loop {
            let next = entries.next(AT_ONCE, |entry| filter.takes_entry(entry)).await?;
            let Next::Entries(some) = next else { return Ok(Ended::Interrupted) };
            if some.is_empty() {
                return Ok(Ended::Whole);
            }
            if self.stop.was_asked() {
                return Ok(Ended::Interrupted);
            }
            let done =
                some.iter().map(|entry| self.redrive(entry, filter, options, &pace, begun_at));
            for redriven in join_all(done).await {
                patience.note(redriven.as_ref().map_or(Ok(()), Redriven::ended));
                redriven.map(&mut *on);
            }
            patience.check()?;
        }
    }

    /// Sets one dead letter going, if the filter takes it as it stands now.
    async fn redrive(
        &self,
        entry: &DeadEntry,
        filter: &DeadFilter,
        options: &RedriveOptions,
        pace: &Mutex<Pace>,
        begun_at: Timestamp,
    ) -> Option<Redriven> {
        let id = entry.id.clone();
        let found = match self.going.store.find(&id, begun_at).await {
            Ok(found) => found?,
            Err(error) => {
                let outcome = RedriveOutcome::Failed(error);
                return Some(Redriven { id, found: None, outcome });
            }
        };
        // A life that began after this run did was not asked for: two runs at once redrive nothing twice.
        if !filter.takes(&found) || found.state.life.generation_started_at >= begun_at {
            return None;
        }
        let outcome = if options.dry_run {
            RedriveOutcome::Counted
        } else {
            pace.lock().await.step().await;
            match self.going.again_from(&found, Again::Redrive).await {
                Ok(Gone::Again(generation)) => RedriveOutcome::Again(generation),
                Ok(Gone::Refused(status)) => RedriveOutcome::MovedOn(status),
                Ok(Gone::NoBody) => RedriveOutcome::NoBody,
                Ok(Gone::Unknown) => return None,
                Err(Stopped(error)) => RedriveOutcome::Failed(error),
            }
        };
        Some(Redriven { id, found: Some(Box::new(found)), outcome })
    }
}
