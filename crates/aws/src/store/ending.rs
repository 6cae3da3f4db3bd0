//! The rare transitions: giving up between attempts, noting a burial, and setting a dead letter going
//! again. They read or know the state, and write it whole.

use aws_sdk_dynamodb::types::AttributeValue;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Ending, Event, Life, Phase, State, Status};
use relay_core::outcome::DeadReason;
use relay_core::ports::{PortError, Redriven, Settled};
use relay_core::time::Timestamp;

use super::expression::{Expression, all};
use super::item::{name, text, time};
use super::table::{Key, Updated, Written};
use super::{DynamoStore, RACES_MAX, state};
use crate::error::failed;

const GIVE_UP: &str = "giving a message up";
const MARK_BURIED: &str = "marking a message as buried";
const REDRIVE: &str = "redriving a message";

impl DynamoStore {
    /// See [`relay_core::ports::Store::give_up`].
    pub(super) async fn end_as_dead(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        let mut found = self.state(GIVE_UP, id).await?;
        for _ in 0..RACES_MAX {
            let next = match Ending::of(found.as_ref(), life, reason, now) {
                Ending::Write(next) => next,
                Ending::Already(state) => return Ok(Settled::Done(Box::new(state))),
                Ending::Refused => return Ok(Settled::Lost),
            };
            let mut expression = Expression::default();
            let condition = expression.unchanged(found.as_ref());
            found = match self.put(GIVE_UP, state::write(id, &next), condition, expression).await? {
                Written::Done => return Ok(Settled::Done(Box::new(next))),
                Written::Refused(old) if old.is_empty() => None,
                Written::Refused(old) => Some(state::read(GIVE_UP, &old)?),
            };
        }
        Err(failed(GIVE_UP, "the record kept changing"))
    }

    /// See [`relay_core::ports::Store::mark_buried`].
    pub(super) async fn note_burial(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let mut expression = Expression::default();
        let condition = all(&[
            expression.of_life(life),
            expression.equals(name::STATUS, text(Status::Dead.as_str())),
            expression.equals(name::BURIED, AttributeValue::Bool(false)),
        ]);
        let buried = expression.equals(name::BURIED, AttributeValue::Bool(true));
        let update = format!("SET {buried}, {}", expression.equals(name::UPDATED_AT, time(now)));
        // A record that moved on, or knows already, is no error.
        let _: Updated =
            self.update(MARK_BURIED, Key::state(id), update, condition, expression).await?;
        Ok(())
    }

    /// See [`relay_core::ports::Store::redrive`].
    pub(super) async fn begin_next_generation(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Redriven, PortError> {
        let next = Life {
            accepted_id: life.accepted_id.clone(),
            generation: life.generation.next(),
            generation_started_at: now,
            expires_at: life.expires_at,
        };
        let mut expression = Expression::default();
        let condition = all(&[
            expression.of_life(life),
            expression.not_expired(now),
            expression.takes(Event::Redriven),
        ]);
        let item = state::write(id, &State::unwritten(next.clone(), now));
        let old = match self.put(REDRIVE, item, condition, expression).await? {
            Written::Done => return Ok(Redriven::Pending(next)),
            Written::Refused(old) if old.is_empty() => return Ok(Redriven::NotDead),
            Written::Refused(old) => state::read(REDRIVE, &old)?,
        };
        let is_begun = old.counts_for(&next.accepted_id, now)
            && old.life.generation == next.generation
            && old.phase == Phase::Pending;
        Ok(if is_begun { Redriven::Pending(old.life) } else { Redriven::NotDead })
    }
}
