//! The records of messages on one DynamoDB table.
//!
//! | item | attribute | type | what |
//! |---|---|---|---|
//! | both | `pk` | S | the relay's id, `msg_…` |
//! | both | `sk` | S | `MESSAGE` or `STATE` |
//! | both | `accepted_id` | S | the acceptance it belongs to |
//! | both | `expires_at_ms` | N | when it stops to exist for every reader, milliseconds since 1970 |
//! | both | `expires_at` | N | the same in seconds, rounded up: DynamoDB's own removal |
//! | MESSAGE | `sender_id`, `message_id`, `target`, `method`, `correlation_id`, `fingerprint` | S | the request |
//! | MESSAGE | `headers` | S | a JSON object |
//! | MESSAGE | `timestamp` | S | the client's, if it sent one |
//! | MESSAGE | `body`, `body_stored` or `body_unretained` | B, S or S | the bytes, or a JSON object that says where they are, or where they will be should the message die |
//! | MESSAGE | `created_at` | N | milliseconds |
//! | STATE | `status` | S | as the API writes it |
//! | STATE | `generation`, `attempts` | N | |
//! | STATE | `generation_started_at`, `updated_at` | N | milliseconds |
//! | STATE | `outcomes` | S | a JSON list; absent while empty |
//! | STATE | `last_lease_id` | S | the hold of the last settled attempt |
//! | STATE | `lease_id`, `lease_until` | S, N | while PROCESSING; milliseconds |
//! | STATE | `not_before` | N | while RETRYING; milliseconds |
//! | STATE | `reason`, `buried` | S, BOOL | while DEAD |
//! | STATE | `dead_shard`, `dead_at` | S, N | while DEAD, or PENDING in a later generation: keys of the index `dead`, which copies `reason` and `buried` |
//!
//! The hot path is one call a transition and reads nothing first. Rare transitions read the state,
//! decide with `relay_core`, and write the whole item on the condition that nothing changed.

mod claim;
mod ending;
mod expression;
mod insert;
mod item;
mod ledger;
mod message;
mod settle;
mod state;
mod table;
mod together;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::future::try_join;
use relay_core::identity::{Generation, RelayId};
use relay_core::lifecycle::{Again, ClaimRequest, Ending, Event, Life, State};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Begun, Claim, Found, PortError, Recorded, Settled, Settlement, Store};
use relay_core::time::Timestamp;

use self::expression::Expression;
use self::item::{name, number, text, time};
pub use self::ledger::DynamoLedger;
use self::table::{Key, Written};
use crate::Clients;

const RECORD: &str = "recording a message";
const FIND: &str = "finding a message";
const GIVE_UP: &str = "giving a message up";
const CANCEL: &str = "cancelling a message";
const MARK_QUEUED: &str = "marking a message as queued";

/// How often a write is tried again because the record changed between reading and writing. Each time
/// somebody else got on with the message, so more than a few are a fault of ours.
const RACES_MAX: usize = 5;

/// The records of messages on one DynamoDB table.
///
/// Calls `dynamodb:PutItem`, `dynamodb:UpdateItem`, `dynamodb:GetItem` and, for several messages at once,
/// `dynamodb:PartiQLInsert` on the table, never on an index.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
}

impl DynamoStore {
    /// The records in `table`.
    pub fn new(clients: &Clients, table: impl Into<String>) -> Self {
        Self { client: clients.dynamodb.clone(), table: table.into() }
    }

    async fn state(&self, action: &'static str, id: &RelayId) -> Result<Option<State>, PortError> {
        let item = self.get(action, &Key::state(id)).await?;
        item.map(|item| state::read(action, &item)).transpose()
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        let mut expression = Expression::default();
        let (key, expires_at) = (name::PARTITION, name::EXPIRES_AT_MS);
        let now = expression.value(time(now));
        let condition = format!("attribute_not_exists({key}) OR {expires_at} <= {now}");
        let item = message::write(message)?;
        match self.put(RECORD, item, condition, expression).await? {
            Written::Done => Ok(Recorded::New),
            Written::Refused(old) => {
                let old = message::read(RECORD, &old)?;
                let is_own = old.accepted_id == message.accepted_id;
                Ok(if is_own { Recorded::New } else { Recorded::Existing(Box::new(old)) })
            }
        }
    }

    async fn record_all(
        &self,
        messages: &[Message],
        now: Timestamp,
    ) -> Vec<Result<Recorded, PortError>> {
        self.record_together(messages, now).await
    }

    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        let key = Key::message(id);
        let (message, state) = try_join(self.get(FIND, &key), self.state(FIND, id)).await?;
        let Some(message) = message else { return Ok(None) };
        let message = message::read(FIND, &message)?;
        if message.expires_at <= now {
            return Ok(None);
        }
        let state = state
            .filter(|state| state.counts_for(&message.accepted_id, now))
            .unwrap_or_else(|| State::unwritten(message.first_life(), message.created_at));
        Ok(Some(Found { message, state }))
    }

    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        if life.generation > Generation::default() {
            return self.note_queued_again(id, life, now).await;
        }
        let item = state::write(id, &together::queued_state(life, now));
        let mut expression = Expression::default();
        let condition = markable(life, now, &mut expression);
        // A worker that was faster is no error.
        let _: Written = self.put(MARK_QUEUED, item, condition, expression).await?;
        Ok(())
    }

    async fn mark_queued_all(
        &self,
        queued: &[(RelayId, Life)],
        now: Timestamp,
    ) -> Vec<Result<(), PortError>> {
        self.mark_together(queued, now).await
    }

    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError> {
        self.claim_state(id, claim).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        self.settle_attempt(settlement).await
    }

    async fn settle_all(&self, settlements: &[Settlement]) -> Vec<Result<Settled, PortError>> {
        self.settle_together(settlements).await
    }

    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.end(GIVE_UP, id, |found| Ending::of(found, life, reason, now)).await
    }

    async fn cancel(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.end(CANCEL, id, |found| Ending::cancelling(found, life, now)).await
    }

    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.note_burial(id, life, now).await
    }

    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        self.begin_next_generation(id, life, again, now).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.get("asking for the table", &Key::nothing()).await?;
        Ok(())
    }
}

/// No state counts for the life, or the one that does is PENDING.
fn markable(life: &Life, now: Timestamp, expression: &mut Expression) -> String {
    let (key, expires_at) = (name::PARTITION, name::EXPIRES_AT_MS);
    let (accepted, generation) = (name::ACCEPTED_ID, name::GENERATION);
    let now = expression.value(time(now));
    let ours = expression.value(text(life.accepted_id.as_str()));
    let of_ours = expression.value(number(life.generation.0));
    let takes = expression.takes(Event::Enqueued);
    format!(
        "attribute_not_exists({key}) OR {accepted} <> {ours} OR {expires_at} <= {now} \
         OR ({accepted} = {ours} AND {generation} = {of_ours} AND {takes})"
    )
}

#[cfg(test)]
mod tests;
