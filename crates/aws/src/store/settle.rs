//! Writing what an attempt came to: by its holder in one call, a delivery even by a worker that lost its hold, and an
//! attempt that nobody claimed where no state is in its way.

use relay_core::decide::Decision;
use relay_core::lifecycle::{Event, Phase, Settling, State};
use relay_core::outcome::with_attempt;
use relay_core::ports::{PortError, Settled, Settlement};

use super::expression::Expression;
use super::item::{Item, name, number, text};
use super::table::Written;
use super::{DynamoStore, RACES_MAX, state};
use crate::error::failed;

pub(super) const SETTLE: &str = "settling an attempt";

impl DynamoStore {
    /// See [`relay_core::ports::Store::settle`].
    pub(super) async fn settle_attempt(
        &self,
        settlement: &Settlement,
    ) -> Result<Settled, PortError> {
        let next = settled(settlement);
        let mut expression = Expression::default();
        let condition = if settlement.lease.claimed {
            held(settlement, &mut expression)
        } else {
            Expression::no_item()
        };
        let mut old = match self.put_settled(settlement, &next, condition, expression).await? {
            Written::Done => return Ok(Settled::Done(Box::new(next))),
            Written::Refused(old) => old,
        };
        for _ in 0..RACES_MAX {
            let found = found(old)?;
            let next = match judged(found.as_ref(), settlement) {
                Settling::Write(next) => next,
                Settling::Already(state) => return Ok(Settled::Done(Box::new(state))),
                Settling::Lost => return Ok(Settled::Lost),
            };
            let mut expression = Expression::default();
            let condition = expression.unchanged(found.as_ref());
            old = match self.put_settled(settlement, &next, condition, expression).await? {
                Written::Done => return Ok(Settled::Done(Box::new(next))),
                Written::Refused(old) => old,
            };
        }
        Err(failed(SETTLE, "the record kept changing"))
    }

    async fn put_settled(
        &self,
        settlement: &Settlement,
        next: &State,
        condition: String,
        expression: Expression,
    ) -> Result<Written, PortError> {
        self.put(SETTLE, state::write(&settlement.id, next), condition, expression).await
    }
}

/// The attempt under way is that of the settlement's hold.
fn held(settlement: &Settlement, expression: &mut Expression) -> String {
    let Settlement { life, lease, .. } = settlement;
    let accepted_id = expression.value(text(life.accepted_id.as_str()));
    let generation = expression.value(number(life.generation.0));
    let lease_id = expression.value(text(lease.lease_id.as_str()));
    let attempts = expression.value(number(lease.attempt));
    let takes = expression.takes(event(settlement));
    format!(
        "{} = {accepted_id} AND {} = {generation} AND {} = {lease_id} AND {} = {attempts} AND {takes}",
        name::ACCEPTED_ID,
        name::GENERATION,
        name::LEASE_ID,
        name::ATTEMPTS,
    )
}

fn found(item: Item) -> Result<Option<State>, PortError> {
    if item.is_empty() {
        return Ok(None);
    }
    state::read(SETTLE, &item).map(Some)
}

/// What the settlement makes of the state that is there instead of the one it was written for.
fn judged(found: Option<&State>, settlement: &Settlement) -> Settling {
    if !settlement.lease.claimed {
        return Settling::unclaimed(found, settlement);
    }
    let Some(found) = found.filter(|found| found.is_of(&settlement.life)) else {
        return Settling::Lost;
    };
    if found.last_lease_id.as_ref() == Some(&settlement.lease.lease_id) {
        return Settling::Already(found.clone());
    }
    late_delivery(found, settlement).map_or(Settling::Lost, Settling::Write)
}

fn event(settlement: &Settlement) -> Event {
    match settlement.decision {
        Decision::Delivered => Event::Delivered,
        Decision::Retry { .. } => Event::FailedForNow,
        Decision::GiveUp(_) => Event::GaveUp,
    }
}

/// The state that the attempt leads to, where its hold says everything about the one before, or there was none.
pub(super) fn settled(settlement: &Settlement) -> State {
    let lease = &settlement.lease;
    State {
        life: settlement.life.clone(),
        phase: settlement.phase(),
        attempts: lease.attempt,
        outcomes: with_attempt(lease.outcomes.clone(), settlement.attempt.clone()),
        last_lease_id: Some(lease.lease_id.clone()),
        updated_at: settlement.now,
    }
}

/// The state that a delivery makes of one that somebody else holds or left; nothing if it may not.
fn late_delivery(found: &State, settlement: &Settlement) -> Option<State> {
    let is_taken = found.phase.status().after(Event::Delivered).is_some();
    let is_delivery = settlement.decision == Decision::Delivered;
    (is_delivery && is_taken).then(|| State {
        life: found.life.clone(),
        phase: Phase::Delivered,
        attempts: found.attempts,
        outcomes: with_attempt(found.outcomes.clone(), settlement.attempt.clone()),
        last_lease_id: Some(settlement.lease.lease_id.clone()),
        updated_at: settlement.now,
    })
}
