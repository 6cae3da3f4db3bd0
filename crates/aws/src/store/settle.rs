//! Writing what an attempt came to: by its holder in one call, and a delivery even by a worker that
//! lost its hold.

use relay_core::decide::Decision;
use relay_core::lifecycle::{Event, Phase, State};
use relay_core::outcome::with_attempt;
use relay_core::ports::{PortError, Settled, Settlement};

use super::expression::{Expression, all};
use super::table::Written;
use super::{DynamoStore, RACES_MAX, state};
use crate::error::failed;

const SETTLE: &str = "settling an attempt";

impl DynamoStore {
    /// See [`relay_core::ports::Store::settle`].
    pub(super) async fn settle_attempt(
        &self,
        settlement: &Settlement,
    ) -> Result<Settled, PortError> {
        let next = settled(settlement);
        let mut expression = Expression::default();
        let condition = all(&[
            expression.of_life(&settlement.life),
            expression.takes(event(settlement)),
            expression.held_by(&settlement.lease.lease_id, settlement.lease.attempt),
        ]);
        let item = state::write(&settlement.id, &next);
        let mut old = match self.put(SETTLE, item, condition, expression).await? {
            Written::Done => return Ok(Settled::Done(Box::new(next))),
            Written::Refused(old) => old,
        };
        for _ in 0..RACES_MAX {
            if old.is_empty() {
                return Ok(Settled::Lost);
            }
            let found = state::read(SETTLE, &old)?;
            if is_written(&found, settlement) {
                return Ok(Settled::Done(Box::new(found)));
            }
            let Some(next) = late_delivery(&found, settlement) else { return Ok(Settled::Lost) };
            let mut expression = Expression::default();
            let condition = expression.unchanged(Some(&found));
            let item = state::write(&settlement.id, &next);
            old = match self.put(SETTLE, item, condition, expression).await? {
                Written::Done => return Ok(Settled::Done(Box::new(next))),
                Written::Refused(old) => old,
            };
        }
        Err(failed(SETTLE, "the record kept changing"))
    }
}

fn event(settlement: &Settlement) -> Event {
    match settlement.decision {
        Decision::Delivered => Event::Delivered,
        Decision::Retry { .. } => Event::FailedForNow,
        Decision::GiveUp(_) => Event::GaveUp,
    }
}

/// The state that the holder writes: the hold says everything about the one that is there.
fn settled(settlement: &Settlement) -> State {
    let lease = &settlement.lease;
    State {
        life: settlement.life.clone(),
        phase: match settlement.decision {
            Decision::Delivered => Phase::Delivered,
            Decision::Retry { not_before } => Phase::Retrying { not_before },
            Decision::GiveUp(reason) => Phase::Dead { reason, buried: false },
        },
        attempts: lease.attempt,
        outcomes: with_attempt(lease.outcomes.clone(), settlement.attempt.clone()),
        last_lease_id: Some(lease.lease_id.clone()),
        updated_at: settlement.now,
    }
}

fn is_of_its_life(found: &State, settlement: &Settlement) -> bool {
    found.life.accepted_id == settlement.life.accepted_id
        && found.life.generation == settlement.life.generation
}

/// Whether an earlier try of this very settlement was written and its answer lost.
fn is_written(found: &State, settlement: &Settlement) -> bool {
    is_of_its_life(found, settlement)
        && found.last_lease_id.as_ref() == Some(&settlement.lease.lease_id)
}

/// The state that a delivery makes of one that somebody else holds or left; nothing if it may not.
fn late_delivery(found: &State, settlement: &Settlement) -> Option<State> {
    let is_taken = found.phase.status().after(Event::Delivered).is_some();
    let is_delivery = settlement.decision == Decision::Delivered;
    (is_delivery && is_taken && is_of_its_life(found, settlement)).then(|| State {
        life: found.life.clone(),
        phase: Phase::Delivered,
        attempts: found.attempts,
        outcomes: with_attempt(found.outcomes.clone(), settlement.attempt.clone()),
        last_lease_id: Some(settlement.lease.lease_id.clone()),
        updated_at: settlement.now,
    })
}
