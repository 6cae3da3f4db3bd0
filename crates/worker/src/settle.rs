//! Writing down what an attempt came to, and what follows for the queue item from the state that is there then.

use relay_core::envelope::Envelope;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Life, Phase, State};
use relay_core::outcome::DeadReason;
use relay_core::ports::{PortError, Settled, Settlement};

use crate::deliver::{Item, Worker};
use crate::tell::Next;

/// How often the result of an attempt is written before the attempt is left without one. Each try is
/// retried by the store itself.
const SETTLE_TRIES: usize = 3;

impl Worker {
    /// Writes a result. It is worth more than one try: without it the target is called again.
    pub(crate) async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        let mut settled = self.ports.store.settle(settlement).await;
        for _ in 1..SETTLE_TRIES {
            if settled.is_ok() {
                break;
            }
            settled = self.ports.store.settle(settlement).await;
        }
        if let Ok(Settled::Done(state)) = &settled {
            self.count_settled(state);
        }
        settled
    }

    /// Gives a message up. It counts for whoever wrote that, not for those who find it written.
    pub(crate) async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
    ) -> Result<Settled, PortError> {
        let now = self.ports.ambient.now();
        let settled = self.ports.store.give_up(id, life, reason, now).await?;
        if let Some(state) = settled.dead_since(now) {
            self.count_settled(state);
        }
        Ok(settled)
    }

    /// What follows from a write, which a lost lease keeps from being the last word.
    pub(crate) async fn after_settling(
        &self,
        envelope: &Envelope,
        item: &Item,
        settled: Settled,
    ) -> Result<Next, PortError> {
        match settled {
            Settled::Done(state) => self.follow(envelope, item, &state).await,
            Settled::Lost => {
                tracing::warn!("not written: the lease was lost");
                Ok(self.soon_after(self.ports.ambient.now().plus(self.rules.lease)))
            }
        }
    }

    /// What follows from a state, for a copy of its message in the main queue.
    pub(crate) async fn follow(
        &self,
        envelope: &Envelope,
        item: &Item,
        state: &State,
    ) -> Result<Next, PortError> {
        match &state.phase {
            Phase::Delivered | Phase::Cancelled | Phase::Dead { buried: true, .. } => {
                Ok(Next::Acknowledge)
            }
            Phase::Dead { reason, buried: false } => {
                self.bury(envelope, item, *reason, state).await
            }
            Phase::Retrying { not_before } => Ok(Next::At(*not_before)),
            Phase::Processing { lease_until, .. } => Ok(self.soon_after(*lease_until)),
            Phase::Pending | Phase::Queued => Ok(self.after_trouble()),
        }
    }
}
