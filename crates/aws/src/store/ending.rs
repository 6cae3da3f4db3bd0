//! The rare transitions: giving up and cancelling between attempts, noting a burial, and setting a dead letter going
//! again. They read or know the state, and write it whole.

use aws_sdk_dynamodb::types::AttributeValue;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, Beginning, Ending, Event, Life, State, Status};
use relay_core::ports::{Begun, PortError, Settled};
use relay_core::time::Timestamp;

use super::expression::{Expression, all};
use super::item::{name, text, time};
use super::table::{Key, Updated, Written};
use super::{DynamoStore, MARK_QUEUED, RACES_MAX, state};
use crate::error::failed;

const MARK_BURIED: &str = "marking a message as buried";
const BEGIN_AGAIN: &str = "setting a message going again";

impl DynamoStore {
    /// Ends a message between attempts, in the way that `ending` makes of the state that is there.
    pub(super) async fn end(
        &self,
        action: &'static str,
        id: &RelayId,
        ending: impl Fn(Option<&State>) -> Ending,
    ) -> Result<Settled, PortError> {
        let mut found = self.state(action, id).await?;
        for _ in 0..RACES_MAX {
            let next = match ending(found.as_ref()) {
                Ending::Write(next) => next,
                Ending::Already(state) => return Ok(Settled::Done(Box::new(state))),
                Ending::Refused => return Ok(Settled::Lost),
            };
            let mut expression = Expression::default();
            let condition = expression.unchanged(found.as_ref());
            found = match self.put(action, state::write(id, &next), condition, expression).await? {
                Written::Done => return Ok(Settled::Done(Box::new(next))),
                Written::Refused(old) if old.is_empty() => None,
                Written::Refused(old) => Some(state::read(action, &old)?),
            };
        }
        Err(failed(action, "the record kept changing"))
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

    /// See [`relay_core::ports::Store::begin_again`].
    pub(super) async fn begin_next_generation(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        let mut found = self.state(BEGIN_AGAIN, id).await?;
        for _ in 0..RACES_MAX {
            let next = match Beginning::of(found.as_ref(), life, again, now) {
                Beginning::Write(next) => next,
                Beginning::Already(life) => return Ok(Begun::Pending(life)),
                Beginning::Refused => return Ok(Begun::Refused),
            };
            let mut expression = Expression::default();
            let condition = expression.unchanged(found.as_ref());
            let item = state::write(id, &next);
            found = match self.put(BEGIN_AGAIN, item, condition, expression).await? {
                Written::Done => return Ok(Begun::Pending(next.life)),
                Written::Refused(old) if old.is_empty() => None,
                Written::Refused(old) => Some(state::read(BEGIN_AGAIN, &old)?),
            };
        }
        Err(failed(BEGIN_AGAIN, "the record kept changing"))
    }

    /// Notes that the queue has a later generation: all but the status stays, the outcomes of earlier
    /// generations above all.
    pub(super) async fn note_queued_again(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let mut expression = Expression::default();
        let condition = all(&[
            expression.of_life(life),
            expression.not_expired(now),
            expression.takes(Event::Enqueued),
        ]);
        let queued = expression.equals(name::STATUS, text(Status::Queued.as_str()));
        let at = expression.equals(name::UPDATED_AT, time(now));
        let index = [name::DEAD_SHARD, name::DEAD_AT].join(", ");
        let update = format!("SET {queued}, {at} REMOVE {index}");
        // A worker that was faster is no error.
        let _: Updated =
            self.update(MARK_QUEUED, Key::state(id), update, condition, expression).await?;
        Ok(())
    }
}
