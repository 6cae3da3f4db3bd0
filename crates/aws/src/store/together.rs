//! What is done for several messages at once: by few calls where nothing is in the way, and singly where something is.

use futures::StreamExt;
use futures::future::Either;
use futures::stream;
use relay_core::identity::{Generation, RelayId};
use relay_core::lifecycle::{Life, Phase, State};
use relay_core::message::Message;
use relay_core::ports::{PortError, Recorded, Settled, Settlement, Store};
use relay_core::time::Timestamp;

use super::insert::Inserted;
use super::{DynamoStore, MARK_QUEUED, RECORD, message, settle, state};

/// Single calls under way at once, for messages that cannot be written together: enough to answer for a hundred
/// duplicates within some round trips, and few enough not to open a connection for each.
const SINGLES_AT_ONCE: usize = 16;

impl DynamoStore {
    /// See [`Store::record_all`]. What is there already decides in a call of its own: a record that has expired counts as
    /// absent, and one of our own as new.
    pub(super) async fn record_together(
        &self,
        messages: &[Message],
        now: Timestamp,
    ) -> Vec<Result<Recorded, PortError>> {
        let build = |number: usize| message::write(&messages[number]).map(Some);
        let inserted = self.insert_all(RECORD, messages.len(), &build).await;
        let answers =
            inserted.into_iter().zip(messages).map(|(inserted, message)| match inserted {
                Ok(Inserted::New) => Either::Left(Ok(Recorded::New)),
                Ok(Inserted::Open) => Either::Right(self.record(message, now)),
                Err(error) => Either::Left(Err(error)),
            });
        side_by_side(answers).await
    }

    /// See [`Store::mark_queued_all`]. Only a first generation can have no state yet.
    pub(super) async fn mark_together(
        &self,
        queued: &[(RelayId, Life)],
        now: Timestamp,
    ) -> Vec<Result<(), PortError>> {
        let build = |number: usize| {
            let (id, life) = &queued[number];
            let is_first = life.generation == Generation::default();
            Ok(is_first.then(|| state::write(id, &queued_state(life, now))))
        };
        let inserted = self.insert_all(MARK_QUEUED, queued.len(), &build).await;
        let answers =
            inserted.into_iter().zip(queued).map(|(inserted, (id, life))| match inserted {
                Ok(Inserted::New) => Either::Left(Ok(())),
                Ok(Inserted::Open) => Either::Right(self.mark_queued(id, life, now)),
                Err(error) => Either::Left(Err(error)),
            });
        side_by_side(answers).await
    }

    /// See [`Store::settle_all`]. An attempt that was claimed has a state.
    pub(super) async fn settle_together(
        &self,
        settlements: &[Settlement],
    ) -> Vec<Result<Settled, PortError>> {
        let written = |settlement: &Settlement| {
            (!settlement.lease.claimed).then(|| settle::settled(settlement))
        };
        let states: Vec<Option<State>> = settlements.iter().map(written).collect();
        let build = |number: usize| {
            let (state, settlement) = (&states[number], &settlements[number]);
            Ok(state.as_ref().map(|state| state::write(&settlement.id, state)))
        };
        let inserted = self.insert_all(settle::SETTLE, settlements.len(), &build).await;
        let answers = inserted.into_iter().zip(states).zip(settlements);
        let answers = answers.map(|((inserted, state), settlement)| match (inserted, state) {
            (Ok(Inserted::New), Some(state)) => Either::Left(Ok(Settled::Done(Box::new(state)))),
            (Ok(Inserted::New | Inserted::Open), _) => Either::Right(self.settle(settlement)),
            (Err(error), _) => Either::Left(Err(error)),
        });
        side_by_side(answers).await
    }
}

/// The state that the queue's having a message of a first generation makes.
pub(super) fn queued_state(life: &Life, now: Timestamp) -> State {
    let mut state = State::unwritten(life.clone(), now);
    state.phase = Phase::Queued;
    state
}

/// The answers in their order: those that are known, and those that calls bring. Of these there are none as a rule.
async fn side_by_side<T, F>(
    answers: impl Iterator<Item = Either<Result<T, PortError>, F>>,
) -> Vec<Result<T, PortError>>
where
    F: Future<Output = Result<T, PortError>>,
{
    let (mut known, mut calls) = (Vec::with_capacity(answers.size_hint().0), Vec::new());
    for answer in answers {
        match answer {
            Either::Left(answer) => known.push(Some(answer)),
            Either::Right(call) => {
                calls.push(call);
                known.push(None);
            }
        }
    }
    let called: Vec<_> = stream::iter(calls).buffered(SINGLES_AT_ONCE).collect().await;
    let mut called = called.into_iter();
    known.into_iter().filter_map(|answer| answer.or_else(|| called.next())).collect()
}
