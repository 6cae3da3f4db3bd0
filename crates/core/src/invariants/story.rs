//! What was seen of one message.

mod calling;

use super::copies::Copies;
use super::unclaimed::Unclaimed;
use super::{Bounds, Broken, ENDING_TIME, Host, Invariant, Observed, step};
use crate::body::{Body, Sha256};
use crate::identity::{Generation, LeaseId, RelayId};
use crate::lifecycle::{Life, Phase, State};
use crate::message::Message;
use crate::time::Timestamp;

/// A claim, from which one call may follow.
struct Hold {
    by: Host,
    lease_id: LeaseId,
    generation: Generation,
    attempt: u32,
    called: bool,
    /// A late yes to an earlier attempt ended the message while this one was held.
    overtaken: bool,
}

struct Call {
    by: Host,
    attempt: u32,
    generation: Generation,
    claimed: bool,
}

/// What was seen of one message.
pub(super) struct Story {
    id: RelayId,
    body: Sha256,
    state: State,
    /// The relay has the body for as long as the record: from the beginning, or since the message died.
    retained: bool,
    /// Somebody was told that it is accepted.
    accepted: bool,
    /// Somebody was told that it is cancelled.
    withdrawn: bool,
    /// A target took it in this generation.
    taken: bool,
    holds: Vec<Hold>,
    unclaimed: Unclaimed,
    calls: Vec<Call>,
    copies: Copies,
    letters: Copies,
    /// Letters that ever were, those included that somebody took away.
    buried: Copies,
    /// Letters that the queue ever moved on its own.
    moved: Copies,
}

impl Story {
    pub(super) fn new(message: &Message) -> Self {
        Self {
            id: message.id.clone(),
            body: message.body.sha256(),
            state: State::unwritten(message.first_life(), message.created_at),
            retained: !matches!(message.body, Body::Unretained(_)),
            accepted: false,
            withdrawn: false,
            taken: false,
            holds: Vec::new(),
            unclaimed: Unclaimed::default(),
            calls: Vec::new(),
            copies: Copies::default(),
            letters: Copies::default(),
            buried: Copies::default(),
            moved: Copies::default(),
        }
    }

    pub(super) fn id(&self) -> RelayId {
        self.id.clone()
    }

    /// The id is used again after its record expired: everything begins anew but the copies that are about.
    pub(super) fn accept_anew(&mut self, message: &Message) -> Result<(), Broken> {
        if message.created_at < self.state.life.expires_at {
            let detail = "recorded over a live record".to_owned();
            return Err((Invariant::AcceptedIsDurable, detail));
        }
        let life = &self.state.life;
        if life.expires_at.since(life.generation_started_at) >= ENDING_TIME {
            self.end_of_life()?;
        }
        let fresh = Self::new(message);
        let (copies, letters) =
            (std::mem::take(&mut self.copies), std::mem::take(&mut self.letters));
        *self = Self { copies, letters, calls: std::mem::take(&mut self.calls), ..fresh };
        Ok(())
    }

    /// A client was told that a message with this body is accepted.
    pub(super) fn accepted(
        &mut self,
        at: Timestamp,
        body: Sha256,
        bounds: &Bounds,
    ) -> Result<(), Broken> {
        if body != self.body {
            let detail = "accepted in place of another body".to_owned();
            return Err((Invariant::BytesAreIntact, detail));
        }
        self.accepted = true;
        self.not_stranded(at, bounds)
    }

    pub(super) fn observe(
        &mut self,
        at: Timestamp,
        seen: &Observed,
        bounds: &Bounds,
    ) -> Result<(), Broken> {
        match seen {
            Observed::Written { by, state, .. } => self.written(at, *by, state, bounds),
            Observed::Called { by, attempt, body, .. } => self.called(*by, *attempt, *body, bounds),
            Observed::Returned { by, attempt, result, .. } => {
                self.returned(*by, *attempt, *result);
                Ok(())
            }
            Observed::Queued { life, fresh, .. } => {
                self.copies.add(life);
                if *fresh {
                    self.unclaimed.sent(life);
                }
                self.is_known(life)
            }
            Observed::Withdrawn { .. } => self.withdrawn(),
            Observed::Unqueued { life, .. } => {
                self.copies.remove(life);
                self.not_stranded(at, bounds)
            }
            Observed::Buried { life, .. } => {
                self.letters.add(life);
                self.buried.add(life);
                self.may_be_buried(life)
            }
            Observed::Moved { life, .. } => {
                self.letters.add(life);
                self.moved.add(life);
                self.copies.remove(life);
                self.not_stranded(at, bounds)
            }
            Observed::Exhumed { life, .. } => {
                self.letters.remove(life);
                self.not_stranded(at, bounds)
            }
            Observed::Posted { .. } | Observed::Answered { .. } | Observed::Recorded(_) => Ok(()),
        }
    }

    pub(super) fn at_rest(&self, at: Timestamp, bounds: &Bounds) -> Result<(), Broken> {
        if let Some(call) = self.calls.first() {
            let detail = format!("attempt {} is still under way", call.attempt);
            return Err((Invariant::AcceptedIsDurable, detail));
        }
        if self.is_expired(at, bounds) {
            return Ok(());
        }
        self.end_of_life()?;
        let is_dead = matches!(self.state.phase, Phase::Dead { .. });
        if is_dead && self.letters.of(&self.state.life) == 0 {
            return Err((Invariant::DeadIsBuried, "DEAD without a letter".to_owned()));
        }
        if matches!(self.state.phase, Phase::Dead { buried: false, .. }) {
            return Err((Invariant::DeadIsBuried, "a burial that nobody noted".to_owned()));
        }
        let of_others = self.letters.iter().find(|(accepted, generation, count)| {
            let life = &self.state.life;
            let is_of = *accepted == life.accepted_id && *generation == life.generation;
            *count > 0 && *accepted == life.accepted_id && !(is_dead && is_of)
        });
        match of_others {
            Some((_, generation, _)) if bounds.reconciled => {
                let status = self.state.phase.status().as_str();
                let detail = format!("{status}, and a letter of generation {generation}");
                Err((Invariant::LettersAreOfTheDead, detail))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the record has expired by some host's clock.
    fn is_expired(&self, at: Timestamp, bounds: &Bounds) -> bool {
        self.state.life.expires_at <= at.plus(bounds.clock_difference)
    }

    /// Whether the life so far has come to a proper end.
    fn end_of_life(&self) -> Result<(), Broken> {
        let status = self.state.phase.status();
        let is_begun = self.accepted || self.state.phase != Phase::Pending;
        if is_begun && !status.is_final() {
            let detail = format!("it ends as {}", status.as_str());
            return Err((Invariant::AcceptedIsDurable, detail));
        }
        Ok(())
    }

    fn written(
        &mut self,
        at: Timestamp,
        by: Host,
        state: &State,
        bounds: &Bounds,
    ) -> Result<(), Broken> {
        step::check(&self.state, state, bounds)?;
        let before = std::mem::replace(&mut self.state, state.clone());
        if before.life.generation != state.life.generation {
            (self.taken, self.accepted) = (false, true);
            if before.phase == Phase::Delivered && !self.retained {
                let detail = "sent again though its body was not kept".to_owned();
                return Err((Invariant::BytesAreIntact, detail));
            }
        }
        match &self.state.phase {
            Phase::Processing { lease_id, .. } => self.holds.push(Hold {
                by,
                lease_id: lease_id.clone(),
                generation: state.life.generation,
                attempt: state.attempts,
                called: false,
                overtaken: false,
            }),
            Phase::Delivered if !self.taken => {
                let detail = "no target said yes".to_owned();
                return Err((Invariant::DeliveredWasTaken, detail));
            }
            Phase::Delivered => {
                let settled_by = self.state.last_lease_id.as_ref();
                for hold in &mut self.holds {
                    hold.overtaken |= Some(&hold.lease_id) != settled_by;
                }
            }
            Phase::Dead { buried: true, .. } if self.buried.of(&self.state.life) == 0 => {
                let detail = "noted as buried before it was".to_owned();
                return Err((Invariant::DeadIsBuried, detail));
            }
            Phase::Dead { .. } => self.retained = true,
            Phase::Pending | Phase::Queued | Phase::Retrying { .. } | Phase::Cancelled => {}
        }
        self.not_stranded(at, bounds)
    }

    /// Whoever was told that a message is cancelled can rely on it: the record says so, and stays.
    fn withdrawn(&mut self) -> Result<(), Broken> {
        self.withdrawn = true;
        if self.state.phase == Phase::Cancelled {
            return Ok(());
        }
        let detail = format!("cancelled, and it is {}", self.state.phase.status().as_str());
        Err((Invariant::RecordFirst, detail))
    }

    /// A copy is of a life that the record shows or has shown.
    fn is_known(&self, life: &Life) -> Result<(), Broken> {
        let is_ahead = life.accepted_id == self.state.life.accepted_id
            && life.generation > self.state.life.generation;
        if is_ahead {
            let detail = format!("a copy of generation {}", life.generation);
            return Err((Invariant::RecordFirst, detail));
        }
        Ok(())
    }

    fn may_be_buried(&self, life: &Life) -> Result<(), Broken> {
        let is_current = life.accepted_id == self.state.life.accepted_id
            && life.generation >= self.state.life.generation;
        if is_current && !matches!(self.state.phase, Phase::Dead { .. }) {
            let status = self.state.phase.status().as_str();
            return Err((Invariant::DeadIsBuried, format!("buried while {status}")));
        }
        Ok(())
    }

    /// Whoever is not final is in the queue, and so is whoever is DEAD until the burial is noted. A message that
    /// nobody was told of may wait for its client's retry, and one that has expired by some host's clock is gone.
    fn not_stranded(&self, at: Timestamp, bounds: &Bounds) -> Result<(), Broken> {
        let life = &self.state.life;
        if self.is_expired(at, bounds) {
            return Ok(());
        }
        // What the queue gave up on its own is the reconciler's to find.
        let is_found = bounds.reconciled && self.moved.of(life) > 0;
        let is_in_queue = self.copies.of(life) > 0 || is_found;
        let is_safe = match &self.state.phase {
            Phase::Delivered | Phase::Cancelled => true,
            Phase::Dead { buried: true, .. } => is_in_queue || self.letters.of(life) > 0,
            Phase::Dead { buried: false, .. } => is_in_queue,
            Phase::Pending => !self.accepted || life.generation > Generation(0) || is_in_queue,
            Phase::Queued | Phase::Processing { .. } | Phase::Retrying { .. } => is_in_queue,
        };
        if is_safe {
            return Ok(());
        }
        let status = self.state.phase.status().as_str();
        Err((Invariant::NothingIsStranded, format!("{status}, and no copy of it is left")))
    }
}
