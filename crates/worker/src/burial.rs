//! Dead letters: into their queue when a message is given up, and out of it when an operator moves
//! them back with the queue's own tools.

use std::time::Duration;

use relay_core::envelope::{DEAD_LETTER_ATTRIBUTE, Envelope};
use relay_core::identity::Generation;
use relay_core::lifecycle::{Again, Life, State};
use relay_core::metrics::Metric;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, DeadLetter, PortError};

use crate::deliver::Worker;
use crate::given::Item;
use crate::tell::Next;

impl Worker {
    /// Puts a copy of a dead message into the dead-letter queue and notes it. The record is the truth:
    /// whoever meets it DEAD and not buried does this again, and twice is harmless (F20).
    pub(crate) async fn bury(
        &self,
        envelope: &Envelope,
        item: &Item,
        reason: DeadReason,
        state: &State,
    ) -> Result<Next, PortError> {
        self.keep_body(envelope).await?;
        let attributes = envelope.dead_letter_attributes(reason, state);
        self.ports.queue.bury(&DeadLetter { text: item.text.to_string(), attributes }).await?;
        let now = self.ports.ambient.now();
        self.ports.store.mark_buried(&envelope.id, &envelope.life, now).await?;
        tracing::warn!(reason = reason.as_str(), "message is dead");
        Ok(Next::Acknowledge)
    }

    /// Puts a body that only the queue has where a redrive finds it. Comes before every acknowledgement of a dead message's
    /// item: with the last one the body is gone. Repeating it is harmless.
    pub(crate) async fn keep_body(&self, envelope: &Envelope) -> Result<(), PortError> {
        match envelope.only_here(self.ports.payloads.bucket()) {
            Some((pointer, bytes)) => self.ports.payloads.put(&pointer, bytes).await,
            None => Ok(()),
        }
    }

    /// Puts an item that nobody can read where an operator finds it (F14). If it says whose it is, that
    /// message is dead too, and it is the message that counts.
    pub(crate) async fn bury_malformed(
        &self,
        item: &Item,
        reason: &str,
    ) -> Result<Next, PortError> {
        let now = self.ports.ambient.now();
        let identity = Envelope::identity_in(&item.text);
        if let Some((id, life)) = &identity {
            self.give_up(id, life, DeadReason::Malformed).await?;
        }
        let mut attributes = vec![
            ("reason", DeadReason::Malformed.as_str().to_owned()),
            ("detail", reason.to_owned()),
        ];
        if let Some((_, life)) = &identity {
            attributes.push((DEAD_LETTER_ATTRIBUTE, life.generation.to_string()));
        }
        self.ports.queue.bury(&DeadLetter { text: item.text.to_string(), attributes }).await?;
        match &identity {
            Some((id, life)) => self.ports.store.mark_buried(id, life, now).await?,
            None => self.count_death(DeadReason::Malformed),
        }
        tracing::error!(item_id = item.item_id, reason, "item is malformed");
        Ok(Next::Acknowledge)
    }

    /// A copy of a dead letter in the main queue is a redrive (F42): the message begins its next
    /// generation under a fresh envelope, and this copy is done with.
    pub(crate) async fn redrive(
        &self,
        envelope: &Envelope,
        generation: Generation,
    ) -> Result<Next, PortError> {
        let now = self.ports.ambient.now();
        let life = Life { generation, ..envelope.life.clone() };
        match self.ports.store.begin_again(&envelope.id, &life, Again::Redrive, now).await? {
            Begun::Refused => tracing::info!("nothing to redrive"),
            Begun::Pending(life) => {
                // Not the trace of the request that accepted it long ago: this is another one's doing.
                let fresh = Envelope { life, trace: None, ..envelope.clone() };
                self.ports.queue.send(&fresh, Duration::ZERO).await?;
                self.ports.store.mark_queued(&fresh.id, &fresh.life, now).await?;
                let generation = fresh.life.generation.0;
                self.recorder.count(Metric::Redriven);
                tracing::info!(generation, "dead letter redriven");
            }
        }
        Ok(Next::Acknowledge)
    }
}
