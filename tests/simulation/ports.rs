//! The ports in memory under the watch: every call is noted, every change held against the invariants at the
//! moment at which it happens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::envelope::{DEAD_LETTER_ATTRIBUTE, Envelope, dead_letter_generation};
use relay_core::identity::RelayId;
use relay_core::invariants::{Host, Observed};
use relay_core::lifecycle::{Again, ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{
    Begun, Claim, DeadLetter, Found, Letter, Letters, PortError, Queue, Receipt, Recorded, Settled,
    Settlement, Store,
};
use relay_core::time::Timestamp;
use relay_testkit::{MemoryQueue, MemoryStore};

use crate::watch::Watch;

/// A port in memory as one host uses it.
#[derive(Clone)]
pub(crate) struct Watched<P> {
    pub(crate) port: P,
    pub(crate) watch: Arc<Watch>,
    pub(crate) by: Host,
}

impl Watched<MemoryStore> {
    /// Sees what a call left behind, expired or not. Nothing can happen in between: ports in memory never wait.
    async fn look(&self, id: &RelayId) -> Result<(), PortError> {
        let found = self.port.find(id, Timestamp::from_millis(0)).await?;
        self.watch.look(self.by, found);
        Ok(())
    }

    fn note(&self, id: &RelayId, text: &str) {
        self.watch.note_about(self.by, id, text);
    }
}

#[async_trait]
impl Store for Watched<MemoryStore> {
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        let answer = self.port.record(message, now).await?;
        let told = match &answer {
            Recorded::New => "new",
            Recorded::Existing(_) => "existing",
        };
        self.note(&message.id, &format!("record: {told}"));
        self.look(&message.id).await?;
        Ok(answer)
    }

    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        self.port.find(id, now).await
    }

    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.port.mark_queued(id, life, now).await?;
        self.note(id, "mark_queued");
        self.look(id).await
    }

    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError> {
        let answer = self.port.claim(id, claim).await?;
        let told = match &answer {
            Claim::Ours(lease) => format!("ours, attempt {}", lease.attempt),
            Claim::Exhausted => "exhausted".to_owned(),
            Claim::AlreadyFinal(_) => "already final".to_owned(),
            Claim::HeldByOther { .. } => "held by another".to_owned(),
            Claim::NotYet { .. } => "not yet".to_owned(),
            Claim::Superseded(_) => "superseded".to_owned(),
            Claim::Ahead => "ahead".to_owned(),
        };
        self.note(id, &format!("claim of generation {}: {told}", claim.life.generation));
        self.look(id).await?;
        Ok(answer)
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        let answer = self.port.settle(settlement).await?;
        let lost = if answer == Settled::Lost { ": lost" } else { "" };
        self.note(&settlement.id, &format!("settle {}{lost}", settlement.decision.as_str()));
        self.look(&settlement.id).await?;
        Ok(answer)
    }

    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        let answer = self.port.give_up(id, life, reason, now).await?;
        let lost = if answer == Settled::Lost { ": lost" } else { "" };
        self.note(id, &format!("give_up {}{lost}", reason.as_str()));
        self.look(id).await?;
        Ok(answer)
    }

    async fn cancel(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        let answer = self.port.cancel(id, life, now).await?;
        let lost = if answer == Settled::Lost { ": lost" } else { "" };
        self.note(id, &format!("cancel{lost}"));
        self.look(id).await?;
        Ok(answer)
    }

    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.port.mark_buried(id, life, now).await?;
        self.note(id, "mark_buried");
        self.look(id).await
    }

    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        let answer = self.port.begin_again(id, life, again, now).await?;
        let refused = if answer == Begun::Refused { ": refused" } else { "" };
        self.note(id, &format!("{again:?} of generation {}{refused}", life.generation));
        self.look(id).await?;
        Ok(answer)
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.port.ready().await
    }
}

fn identity_of_letter(letter: &Letter) -> Option<(RelayId, Life)> {
    let (id, life) = Envelope::identity_in(&letter.text)?;
    let marked = letter.attributes.get(DEAD_LETTER_ATTRIBUTE);
    let generation = marked.and_then(|value| dead_letter_generation(value));
    Some((id, Life { generation: generation.unwrap_or(life.generation), ..life }))
}

/// Which message and life a letter is of.
pub(crate) fn identity_of(letter: &DeadLetter) -> Option<(RelayId, Life)> {
    let (id, life) = Envelope::identity_in(&letter.text)?;
    let marked = letter.attributes.iter().find(|(name, _)| *name == DEAD_LETTER_ATTRIBUTE);
    let generation = marked.and_then(|(_, value)| dead_letter_generation(value))?;
    Some((id, Life { generation, ..life }))
}

#[async_trait]
impl Queue for Watched<MemoryQueue> {
    async fn send(&self, envelope: &Envelope, delay: Duration) -> Result<(), PortError> {
        self.port.send(envelope, delay).await?;
        let (id, life) = (envelope.id.clone(), envelope.life.clone());
        self.watch.observe(self.by, &Observed::Queued { id, life, fresh: delay.is_zero() });
        self.watch.queue_changed.notify_waiters();
        Ok(())
    }

    async fn postpone(&self, receipt: &Receipt, wait: Duration) -> Result<(), PortError> {
        self.port.postpone(receipt, wait).await?;
        self.watch.note(self.by, &format!("{} postponed by {} ms", receipt.0, wait.as_millis()));
        self.watch.queue_changed.notify_waiters();
        Ok(())
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<(), PortError> {
        self.port.bury(letter).await?;
        match identity_of(letter) {
            Some((id, life)) => self.watch.observe(self.by, &Observed::Buried { id, life }),
            None => self.watch.note(self.by, "a letter that nobody can read"),
        }
        Ok(())
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.port.ready().await
    }
}

#[async_trait]
impl Letters for Watched<MemoryQueue> {
    async fn receive(&self, hidden_for: Duration) -> Result<Vec<Letter>, PortError> {
        let letters = Letters::receive(&self.port, hidden_for).await?;
        for letter in &letters {
            if let Some((id, life)) = identity_of_letter(letter) {
                self.watch.letter(&letter.receipt, &id, &life);
            }
        }
        Ok(letters)
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        for receipt in receipts {
            let before = self.port.dead_letters().len();
            Letters::delete(&self.port, std::slice::from_ref(receipt)).await?;
            let is_gone = self.port.dead_letters().len() < before;
            if let Some((id, life)) = self.watch.letter_of(receipt).filter(|_| is_gone) {
                self.watch.observe(self.by, &Observed::Exhumed { id, life });
            }
        }
        Ok(())
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        self.port.release(receipts).await
    }
}

impl Watched<MemoryQueue> {
    /// Deletes a received item.
    pub(crate) fn delete(&self, receipt: &Receipt, text: &str) {
        let before = self.port.depth();
        MemoryQueue::delete(&self.port, receipt);
        let told = if self.port.depth() < before { "deleted" } else { "not deleted: stale" };
        self.watch.note(self.by, &format!("{} {told}", receipt.0));
        if let Some((id, life)) = Envelope::identity_in(text)
            && self.port.depth() < before
        {
            self.watch.observe(self.by, &Observed::Unqueued { id, life });
        }
    }

    /// Lets the queue give up what it handed out too often.
    pub(crate) fn move_received_often(&self, receipts_max: u32) {
        let moved = self.port.move_received_often(receipts_max);
        let letters = self.port.dead_letters();
        for letter in &letters[letters.len() - moved..] {
            let Some((id, life)) = Envelope::identity_in(&letter.text) else { continue };
            match identity_of(letter) {
                None => self.watch.observe(self.by, &Observed::Moved { id, life }),
                Some((_, dead)) => {
                    let buried = Observed::Buried { id: id.clone(), life: dead };
                    self.watch.observe(self.by, &buried);
                    self.watch.observe(self.by, &Observed::Unqueued { id, life });
                }
            }
        }
    }

    /// Moves a dead letter back, as an operator does.
    pub(crate) fn move_back(&self, index: usize) {
        self.watch.note(self.by, &format!("letter {index} is moved back"));
        let Some(letter) = self.port.move_back(index) else { return };
        if let Some((id, life)) = Envelope::identity_in(&letter.text) {
            let buried = identity_of(&letter);
            // What the queue gave up on its own comes back as if it had never been received.
            let fresh = buried.is_none();
            let dead = buried.map_or_else(|| life.clone(), |(_, life)| life);
            self.watch.observe(self.by, &Observed::Queued { id: id.clone(), life, fresh });
            self.watch.observe(self.by, &Observed::Exhumed { id, life: dead });
        }
        self.watch.queue_changed.notify_waiters();
    }
}
