//! Taking a message for one attempt: one conditional write that reads nothing first, and whose
//! refusal says why.

use relay_core::identity::RelayId;
use relay_core::lifecycle::{ClaimRequest, ClaimVerdict, Event, Phase, State, Status};
use relay_core::ports::{Claim, Lease, PortError};

use super::expression::{Expression, STATUS};
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
        let (update, condition) = taking(claim, &mut expression);
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

/// What a claim writes, and on which condition. Both speak of the same values.
fn taking(claim: &ClaimRequest, expression: &mut Expression) -> (String, String) {
    use name::{ACCEPTED_ID, ATTEMPTS, DEAD_AT, DEAD_SHARD, EXPIRES_AT, EXPIRES_AT_MS, GENERATION};
    use name::{GENERATION_STARTED_AT, LEASE_ID, LEASE_UNTIL, NOT_BEFORE, PARTITION, UPDATED_AT};
    let life = state::life(&claim.life).map(|(_, value)| expression.value(value));
    let [accepted_id, generation, started_at, expires_at_ms, expires_at] = life;
    let status = expression.value(text(Status::Processing.as_str()));
    let lease_id = expression.value(text(claim.lease_id.as_str()));
    let lease_until = expression.value(time(claim.lease_until));
    let now = expression.value(time(claim.now));
    let zero = expression.value(number(0_u32));
    let one = expression.value(number(1_u32));
    let update = format!(
        "SET {ACCEPTED_ID} = {accepted_id}, {GENERATION} = {generation}, \
         {GENERATION_STARTED_AT} = {started_at}, {EXPIRES_AT_MS} = {expires_at_ms}, \
         {EXPIRES_AT} = {expires_at}, {STATUS} = {status}, {LEASE_ID} = {lease_id}, \
         {LEASE_UNTIL} = {lease_until}, {UPDATED_AT} = {now}, \
         {ATTEMPTS} = if_not_exists({ATTEMPTS}, {zero}) + {one} \
         REMOVE {NOT_BEFORE}, {DEAD_SHARD}, {DEAD_AT}"
    );
    let attempts_max = expression.value(number(claim.attempts_max));
    let is_claimable = expression.takes(Event::Claimed);
    let is_held = expression.takes(Event::LeaseExpired);
    // Only RETRYING has a time to wait for. Our own hold is recognised, not taken a second time.
    let condition = format!(
        "attribute_not_exists({PARTITION}) OR ({ACCEPTED_ID} = {accepted_id} \
         AND {GENERATION} = {generation} AND {EXPIRES_AT_MS} > {now} AND {ATTEMPTS} < {attempts_max} \
         AND (({is_claimable} AND (attribute_not_exists({NOT_BEFORE}) OR {NOT_BEFORE} <= {now})) \
         OR ({is_held} AND {LEASE_UNTIL} <= {now} AND {LEASE_ID} <> {lease_id})))"
    );
    (update, condition)
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
