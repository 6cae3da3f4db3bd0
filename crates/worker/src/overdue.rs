//! What becomes of an item whose message's deadline has passed: the message ends, unless it has ended already
//! or somebody is still at it. No breaker is asked any more.

use relay_core::envelope::Envelope;
use relay_core::lifecycle::{Phase, State};
use relay_core::outcome::DeadReason;
use relay_core::ports::PortError;
use relay_core::time::Timestamp;

use crate::deliver::Worker;
use crate::given::Item;
use crate::tell::Next;

impl Worker {
    /// Looks at the record and follows it, or gives the message up. Copies that waited for a breaker without a
    /// look at the record meet it here at the latest, so that none of them outlives its message.
    pub(crate) async fn overdue(
        &self,
        envelope: &Envelope,
        item: &Item,
    ) -> Result<Next, PortError> {
        let now = self.ports.ambient.now();
        let mut reason = DeadReason::DeadlinePassed;
        if let Some(found) = self.ports.store.find(&envelope.id, now).await? {
            let (life, state) = (&envelope.life, found.state);
            let is_same = state.life.accepted_id == life.accepted_id;
            if state.comes_after(life) || is_same && state.life.generation > life.generation {
                // Nobody else may have the body any more.
                self.keep_body(envelope).await?;
                tracing::info!("item of an earlier generation dropped");
                return Ok(Next::Acknowledge);
            }
            if is_same && state.life.generation == life.generation {
                if !is_between_attempts(&state, now) {
                    return self.follow(envelope, item, &state).await;
                }
                // A worker that died during the last attempt ended it, not the deadline.
                if state.attempts >= self.rules.retry.attempts_max {
                    reason = DeadReason::AttemptsExhausted;
                }
            }
        }
        let settled = self.give_up(&envelope.id, &envelope.life, reason).await?;
        self.after_settling(envelope, item, settled).await
    }
}

/// Whether a message can be given up. One whose worker died is between attempts as soon as the lease has ended.
fn is_between_attempts(state: &State, now: Timestamp) -> bool {
    match &state.phase {
        Phase::Pending | Phase::Queued | Phase::Retrying { .. } => true,
        Phase::Processing { lease_until, .. } => *lease_until <= now,
        Phase::Delivered | Phase::Dead { .. } | Phase::Cancelled => false,
    }
}
