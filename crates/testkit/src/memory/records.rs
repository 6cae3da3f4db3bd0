//! The records of messages in memory, straight from the contracts of the port.

use std::collections::HashMap;

use relay_core::decide::Decision;
use relay_core::identity::{Generation, RelayId};
use relay_core::lifecycle::{
    Again, Beginning, ClaimRequest, ClaimVerdict, Ending, Event, Life, Phase, Settling, State,
};
use relay_core::message::Message;
use relay_core::outcome::{AttemptRecord, DeadReason, ErrorKind, with_attempt};
use relay_core::ports::{Begun, Claim, Found, Lease, Recorded, Settled, Settlement};
use relay_core::time::Timestamp;

#[derive(Default)]
pub(super) struct Records {
    pub(super) messages: HashMap<RelayId, Message>,
    pub(super) states: HashMap<RelayId, State>,
    /// When messages died that were buried since.
    pub(super) died_at: HashMap<RelayId, Timestamp>,
}

fn is_of(state: &State, life: &Life) -> bool {
    state.life.accepted_id == life.accepted_id && state.life.generation == life.generation
}

impl Records {
    pub(super) fn record(&mut self, message: &Message, now: Timestamp) -> Recorded {
        match self.messages.get(&message.id) {
            Some(kept) if now < kept.expires_at && kept.accepted_id == message.accepted_id => {
                Recorded::New
            }
            Some(kept) if now < kept.expires_at => Recorded::Existing(Box::new(kept.clone())),
            Some(_) | None => {
                self.messages.insert(message.id.clone(), message.clone());
                Recorded::New
            }
        }
    }

    /// The stored state, if it counts for the acceptance.
    fn counting(&self, id: &RelayId, life: &Life, now: Timestamp) -> Option<State> {
        let kept = self.states.get(id);
        kept.filter(|state| state.counts_for(&life.accepted_id, now)).cloned()
    }

    pub(super) fn find(&self, id: &RelayId, now: Timestamp) -> Option<Found> {
        let message = self.messages.get(id).filter(|message| now < message.expires_at)?.clone();
        let life = message.first_life();
        let state = self
            .counting(id, &life, now)
            .unwrap_or_else(|| State::unwritten(life, message.created_at));
        Some(Found { message, state })
    }

    fn state_for(&self, id: &RelayId, life: &Life, now: Timestamp) -> State {
        self.counting(id, life, now).unwrap_or_else(|| State::unwritten(life.clone(), now))
    }

    pub(super) fn mark_queued(&mut self, id: &RelayId, life: &Life, now: Timestamp) {
        // A later generation has a state, or none that counts any more.
        let is_first = life.generation == Generation::default();
        let kept = self.counting(id, life, now);
        let unwritten = || is_first.then(|| State::unwritten(life.clone(), now));
        let Some(mut state) = kept.or_else(unwritten) else { return };
        if is_of(&state, life) && state.phase.status().after(Event::Enqueued).is_some() {
            (state.life, state.phase, state.updated_at) = (life.clone(), Phase::Queued, now);
            self.states.insert(id.clone(), state);
        }
    }

    pub(super) fn claim(&mut self, id: &RelayId, claim: &ClaimRequest) -> Claim {
        let kept = self.states.get(id).cloned();
        let verdict =
            kept.as_ref().map_or(ClaimVerdict::TakeAnew, |state| state.judge_claim(claim));
        let fresh = || State::unwritten(claim.life.clone(), claim.now);
        let kept = kept.unwrap_or_else(fresh);
        let mut state = match verdict {
            ClaimVerdict::Take => kept,
            ClaimVerdict::TakeAnew => fresh(),
            ClaimVerdict::TakenByUs => return ours(&kept, claim),
            ClaimVerdict::Exhausted => return Claim::Exhausted,
            ClaimVerdict::AlreadyFinal => return Claim::AlreadyFinal(Box::new(kept)),
            ClaimVerdict::HeldByOther { until } => return Claim::HeldByOther { until },
            ClaimVerdict::NotYet { until } => return Claim::NotYet { until },
            ClaimVerdict::Superseded => return Claim::Superseded(Box::new(kept)),
            ClaimVerdict::Ahead => return Claim::Ahead,
        };
        state.life = claim.life.clone();
        state.attempts += 1;
        state.phase =
            Phase::Processing { lease_id: claim.lease_id.clone(), lease_until: claim.lease_until };
        state.updated_at = claim.now;
        self.states.insert(id.clone(), state.clone());
        ours(&state, claim)
    }

    pub(super) fn settle(&mut self, settlement: &Settlement) -> Settled {
        let lease = &settlement.lease;
        if !lease.claimed {
            return self.settle_unclaimed(settlement);
        }
        let Some(state) = self.states.get_mut(&settlement.id) else { return Settled::Lost };
        if !is_of(state, &settlement.life) {
            return Settled::Lost;
        }
        let is_held = matches!(&state.phase, Phase::Processing { lease_id, .. }
            if *lease_id == lease.lease_id && state.attempts == lease.attempt);
        let is_late_delivery = settlement.decision == Decision::Delivered
            && state.phase.status().after(Event::Delivered).is_some();
        if !is_held && state.last_lease_id.as_ref() == Some(&lease.lease_id) {
            return Settled::Done(Box::new(state.clone()));
        }
        if !is_held && !is_late_delivery {
            return Settled::Lost;
        }
        state.outcomes = with_attempt(state.outcomes.clone(), settlement.attempt.clone());
        state.last_lease_id = Some(lease.lease_id.clone());
        state.updated_at = settlement.now;
        state.phase = settlement.phase();
        Settled::Done(Box::new(state.clone()))
    }

    fn settle_unclaimed(&mut self, settlement: &Settlement) -> Settled {
        match Settling::unclaimed(self.states.get(&settlement.id), settlement) {
            Settling::Write(state) => {
                self.states.insert(settlement.id.clone(), state.clone());
                Settled::Done(Box::new(state))
            }
            Settling::Already(state) => Settled::Done(Box::new(state)),
            Settling::Lost => Settled::Lost,
        }
    }

    pub(super) fn give_up(
        &mut self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Settled {
        let is_over = self.states.get(id).is_some_and(|state| state.comes_after(life));
        let mut state = self.state_for(id, life, now);
        if is_over || life.expires_at <= now || !is_of(&state, life) {
            return Settled::Lost;
        }
        match &state.phase {
            Phase::Dead { reason: known, .. } if *known == reason => {
                return Settled::Done(Box::new(state));
            }
            Phase::Processing { lease_until, .. } if *lease_until <= now => {
                let lost = AttemptRecord {
                    attempt: state.attempts,
                    generation: state.life.generation,
                    at: state.updated_at,
                    status: None,
                    error: Some(ErrorKind::Unknown),
                    millis: 0,
                    answer: String::new(),
                };
                state.outcomes = with_attempt(state.outcomes, lost);
            }
            Phase::Retrying { not_before }
                if reason == DeadReason::ReceiveCountExceeded && now < *not_before =>
            {
                return Settled::Lost;
            }
            Phase::Pending | Phase::Queued | Phase::Retrying { .. } => {}
            Phase::Processing { .. } | Phase::Delivered | Phase::Dead { .. } | Phase::Cancelled => {
                return Settled::Lost;
            }
        }
        state.phase = Phase::Dead { reason, buried: false };
        state.updated_at = now;
        self.states.insert(id.clone(), state.clone());
        Settled::Done(Box::new(state))
    }

    pub(super) fn cancel(&mut self, id: &RelayId, life: &Life, now: Timestamp) -> Settled {
        match Ending::cancelling(self.states.get(id), life, now) {
            Ending::Write(state) => {
                self.states.insert(id.clone(), state.clone());
                Settled::Done(Box::new(state))
            }
            Ending::Already(state) => Settled::Done(Box::new(state)),
            Ending::Refused => Settled::Lost,
        }
    }

    pub(super) fn mark_buried(&mut self, id: &RelayId, life: &Life, now: Timestamp) {
        let Some(state) = self.states.get_mut(id).filter(|state| is_of(state, life)) else {
            return;
        };
        if let Phase::Dead { buried: buried @ false, .. } = &mut state.phase {
            *buried = true;
            self.died_at.insert(id.clone(), state.updated_at);
            state.updated_at = now;
        }
    }

    pub(super) fn begin_again(
        &mut self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Begun {
        match Beginning::of(self.states.get(id), life, again, now) {
            Beginning::Write(state) => {
                self.states.insert(id.clone(), state.clone());
                Begun::Pending(state.life)
            }
            Beginning::Already(life) => Begun::Pending(life),
            Beginning::Refused => Begun::Refused,
        }
    }
}

/// The hold that `state` shows after a claim.
fn ours(state: &State, claim: &ClaimRequest) -> Claim {
    let until = match &state.phase {
        Phase::Processing { lease_until, .. } => *lease_until,
        Phase::Pending
        | Phase::Queued
        | Phase::Retrying { .. }
        | Phase::Delivered
        | Phase::Dead { .. }
        | Phase::Cancelled => claim.lease_until,
    };
    Claim::Ours(Lease {
        lease_id: claim.lease_id.clone(),
        until,
        attempt: state.attempts,
        outcomes: state.outcomes.clone(),
        claimed: true,
    })
}
