//! Taking a message for one attempt: one conditional write that reads nothing first, and whose
//! refusal says why.

use relay_core::identity::RelayId;
use relay_core::lifecycle::{ClaimRequest, ClaimVerdict, Event, Phase, State, Status};
use relay_core::ports::{Claim, Lease, PortError};

use super::expression::{Expression, all, any};
use super::item::{name, number, text, time};
use super::table::{Key, Updated, Written};
use super::{DynamoStore, RACES_MAX, state};
use crate::error::failed;

const CLAIM: &str = "claiming a message";

impl DynamoStore {
    /// See [`relay_core::ports::Store::claim`].
    pub(super) async fn claim_state(
        &self,
        id: &RelayId,
        claim: &ClaimRequest,
    ) -> Result<Claim, PortError> {
        for _ in 0..RACES_MAX {
            let old = match self.take(id, claim).await? {
                Updated::Done(item) => {
                    return lease(state::read(CLAIM, &item)?);
                }
                Updated::Refused(old) => state::read(CLAIM, &old)?,
            };
            match old.judge_claim(claim) {
                // It became free between the write and this judgement only if clocks run
                // backwards, or the ended state was replaced by another claim: ask again.
                ClaimVerdict::Take => {}
                ClaimVerdict::TakeAnew => {
                    if let Some(taken) = self.take_anew(id, claim, &old).await? {
                        return lease(taken);
                    }
                }
                ClaimVerdict::TakenByUs => return lease(old),
                ClaimVerdict::Exhausted => return Ok(Claim::Exhausted),
                ClaimVerdict::AlreadyFinal => return Ok(Claim::AlreadyFinal(Box::new(old))),
                ClaimVerdict::HeldByOther { until } => return Ok(Claim::HeldByOther { until }),
                ClaimVerdict::NotYet { until } => return Ok(Claim::NotYet { until }),
                ClaimVerdict::Superseded => return Ok(Claim::Superseded(Box::new(old))),
                ClaimVerdict::Ahead => return Ok(Claim::Ahead),
            }
        }
        Err(failed(CLAIM, "the record kept changing"))
    }

    /// The one write: its condition is [`State::judge_claim`] answering `Take`, or no item.
    async fn take(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Updated, PortError> {
        let mut expression = Expression::default();
        let condition = free_for(claim, &mut expression);
        let update = taking(claim, &mut expression);
        self.update(CLAIM, Key::state(id), update, condition, expression).await
    }

    /// Replaces the state of an ended life. Nothing if somebody else was faster.
    async fn take_anew(
        &self,
        id: &RelayId,
        claim: &ClaimRequest,
        old: &State,
    ) -> Result<Option<State>, PortError> {
        let mut taken = State::unwritten(claim.life.clone(), claim.now);
        taken.attempts = 1;
        taken.phase =
            Phase::Processing { lease_id: claim.lease_id.clone(), lease_until: claim.lease_until };
        let mut expression = Expression::default();
        let condition = expression.unchanged(Some(old));
        match self.put(CLAIM, state::write(id, &taken), condition, expression).await? {
            Written::Done => Ok(Some(taken)),
            // Removed meanwhile: the next try begins a new item.
            Written::Refused(item) if item.is_empty() => Ok(None),
            Written::Refused(item) => {
                let found = state::read(CLAIM, &item)?;
                Ok((found == taken).then_some(taken))
            }
        }
    }
}

fn free_for(claim: &ClaimRequest, expression: &mut Expression) -> String {
    // Only RETRYING has a time to wait for.
    let is_waiting_over = any(&[
        expression.absent(name::NOT_BEFORE),
        expression.at_most(name::NOT_BEFORE, claim.now),
    ]);
    let is_claimable = all(&[expression.takes(Event::Claimed), is_waiting_over]);
    let lease_id = expression.value(text(claim.lease_id.as_str()));
    let is_abandoned = all(&[
        expression.takes(Event::LeaseExpired),
        expression.at_most(name::LEASE_UNTIL, claim.now),
        // Our own hold is recognised, not taken a second time.
        format!("{} <> {lease_id}", expression.name(name::LEASE_ID)),
    ]);
    let attempts_max = expression.value(number(claim.attempts_max));
    let is_free = all(&[
        expression.of_life(&claim.life),
        expression.not_expired(claim.now),
        format!("{} < {attempts_max}", expression.name(name::ATTEMPTS)),
        any(&[is_claimable, is_abandoned]),
    ]);
    any(&[expression.no_item(), is_free])
}

fn taking(claim: &ClaimRequest, expression: &mut Expression) -> String {
    let mut sets: Vec<String> = state::life(&claim.life)
        .into_iter()
        .chain([
            (name::STATUS, text(Status::Processing.as_str())),
            (name::LEASE_ID, text(claim.lease_id.as_str())),
            (name::LEASE_UNTIL, time(claim.lease_until)),
            (name::UPDATED_AT, time(claim.now)),
        ])
        .map(|(name, value)| expression.equals(name, value))
        .collect();
    let attempts = expression.name(name::ATTEMPTS);
    let (zero, one) = (expression.value(number(0_u32)), expression.value(number(1_u32)));
    sets.push(format!("{attempts} = if_not_exists({attempts}, {zero}) + {one}"));
    let removed: Vec<_> = [name::NOT_BEFORE, name::DEAD_SHARD, name::DEAD_AT]
        .into_iter()
        .map(|name| expression.name(name))
        .collect();
    format!("SET {} REMOVE {}", sets.join(", "), removed.join(", "))
}

/// The hold that a state in PROCESSING shows.
fn lease(state: State) -> Result<Claim, PortError> {
    let State { phase, attempts, outcomes, .. } = state;
    match phase {
        Phase::Processing { lease_id, lease_until } => Ok(Claim::Ours(Lease {
            lease_id,
            until: lease_until,
            attempt: attempts,
            outcomes,
            claimed: true,
        })),
        Phase::Pending
        | Phase::Queued
        | Phase::Retrying { .. }
        | Phase::Delivered
        | Phase::Dead { .. }
        | Phase::Cancelled => {
            let reason = "a claimed message is not PROCESSING".to_owned();
            Err(PortError::Corrupt { action: CLAIM, reason })
        }
    }
}
