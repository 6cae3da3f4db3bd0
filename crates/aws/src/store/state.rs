//! STATE: where a message is in its life, to and from an item.

use aws_sdk_dynamodb::types::AttributeValue;
use relay_core::identity::{AcceptedId, Generation, LeaseId, RelayId};
use relay_core::lifecycle::{Life, Phase, State, Status};
use relay_core::outcome::DeadReason;
use relay_core::ports::{DEAD_SHARDS, PortError};

use super::item::{Attributes, Item, Reader, name, number, removal_time, text, time};
use super::table::Key;

/// How many attributes a state has at most.
const ATTRIBUTES_MAX: usize = 16;

/// The item of a state.
pub(super) fn write(id: &RelayId, state: &State) -> Attributes {
    let mut item = Attributes::with_capacity(ATTRIBUTES_MAX);
    item.extend(Key::state(id).into_attributes());
    let mut set = |name, value| item.push((name, value));
    for (name, value) in life(&state.life) {
        set(name, value);
    }
    set(name::STATUS, text(state.phase.status().as_str()));
    set(name::ATTEMPTS, number(state.attempts));
    set(name::UPDATED_AT, time(state.updated_at));
    if let Some(lease_id) = &state.last_lease_id {
        set(name::LAST_LEASE_ID, text(lease_id.as_str()));
    }
    if !state.outcomes.is_empty() {
        // Every field is text or a number: this cannot fail.
        set(name::OUTCOMES, text(serde_json::to_string(&state.outcomes).unwrap_or_default()));
    }
    match &state.phase {
        Phase::Processing { lease_id, lease_until } => {
            set(name::LEASE_ID, text(lease_id.as_str()));
            set(name::LEASE_UNTIL, time(*lease_until));
        }
        Phase::Retrying { not_before } => {
            set(name::NOT_BEFORE, time(*not_before));
        }
        Phase::Dead { reason, buried } => {
            set(name::REASON, text(reason.as_str()));
            set(name::BURIED, AttributeValue::Bool(*buried));
        }
        Phase::Pending | Phase::Queued | Phase::Delivered | Phase::Cancelled => {}
    }
    if is_indexed(state) {
        set(name::DEAD_SHARD, text(dead_shard(id)));
        set(name::DEAD_AT, time(state.updated_at));
    }
    item
}

/// The attributes that name the life a state belongs to.
pub(super) fn life(life: &Life) -> [(&'static str, AttributeValue); 5] {
    [
        (name::ACCEPTED_ID, text(life.accepted_id.as_str())),
        (name::GENERATION, number(life.generation.0)),
        (name::GENERATION_STARTED_AT, time(life.generation_started_at)),
        (name::EXPIRES_AT_MS, time(life.expires_at)),
        (name::EXPIRES_AT, removal_time(life.expires_at)),
    ]
}

/// Whether the state is found through the index: dead letters, and those being set going again until
/// the queue is known to have them.
fn is_indexed(state: &State) -> bool {
    match state.phase {
        Phase::Dead { .. } => true,
        Phase::Pending => state.life.generation > Generation::default(),
        Phase::Queued
        | Phase::Processing { .. }
        | Phase::Retrying { .. }
        | Phase::Delivered
        | Phase::Cancelled => false,
    }
}

/// Which part of the index a message belongs to. The id is a hash, so its end spreads evenly.
fn dead_shard(id: &RelayId) -> String {
    let last = id.as_str().bytes().next_back().unwrap_or_default();
    part(last % DEAD_SHARDS)
}

/// The partition key of a part of the index.
pub(super) fn part(shard: u8) -> String {
    format!("DEAD#{shard}")
}

/// The state of an item.
pub(super) fn read(action: &'static str, item: &Item) -> Result<State, PortError> {
    let reader = Reader::new(action, item);
    let last_lease_id =
        reader.has(name::LAST_LEASE_ID).then(|| lease_id(&reader, name::LAST_LEASE_ID));
    let outcomes = reader.has(name::OUTCOMES).then(|| reader.json(name::OUTCOMES));
    Ok(State {
        life: Life {
            accepted_id: AcceptedId::from_stored(reader.text(name::ACCEPTED_ID)?.to_owned()),
            generation: Generation(reader.count(name::GENERATION)?),
            generation_started_at: reader.time(name::GENERATION_STARTED_AT)?,
            expires_at: reader.time(name::EXPIRES_AT_MS)?,
        },
        phase: phase(&reader)?,
        attempts: reader.count(name::ATTEMPTS)?,
        outcomes: outcomes.transpose()?.unwrap_or_default(),
        last_lease_id: last_lease_id.transpose()?,
        updated_at: reader.time(name::UPDATED_AT)?,
    })
}

fn lease_id(reader: &Reader<'_>, attribute: &str) -> Result<LeaseId, PortError> {
    reader.text(attribute).map(|id| LeaseId::from_stored(id.to_owned()))
}

fn phase(reader: &Reader<'_>) -> Result<Phase, PortError> {
    Ok(match reader.parsed(name::STATUS, "a status", Status::parse)? {
        Status::Pending => Phase::Pending,
        Status::Queued => Phase::Queued,
        Status::Processing => Phase::Processing {
            lease_id: lease_id(reader, name::LEASE_ID)?,
            lease_until: reader.time(name::LEASE_UNTIL)?,
        },
        Status::Retrying => Phase::Retrying { not_before: reader.time(name::NOT_BEFORE)? },
        Status::Delivered => Phase::Delivered,
        Status::Dead => Phase::Dead {
            reason: reader.parsed(name::REASON, "a reason", DeadReason::parse)?,
            buried: reader.boolean(name::BURIED)?,
        },
        Status::Cancelled => Phase::Cancelled,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::item::item;
    use super::*;
    use relay_core::identity::{MessageId, SenderId};
    use relay_core::outcome::AttemptRecord;
    use relay_core::time::Timestamp;

    fn id(message: &str) -> RelayId {
        RelayId::of(&SenderId::parse("s").unwrap(), &MessageId::parse(message).unwrap())
    }

    fn state(phase: Phase, generation: u32) -> State {
        let life = Life {
            accepted_id: AcceptedId::from_random([1; 16]),
            generation: Generation(generation),
            generation_started_at: Timestamp::from_millis(5),
            expires_at: Timestamp::from_millis(10_001),
        };
        let mut state = State::unwritten(life, Timestamp::from_millis(7));
        state.phase = phase;
        state
    }

    fn every_phase() -> Vec<Phase> {
        let held = LeaseId::from_random([2; 16]);
        let then = Timestamp::from_millis(9);
        vec![
            Phase::Pending,
            Phase::Queued,
            Phase::Processing { lease_id: held, lease_until: then },
            Phase::Retrying { not_before: then },
            Phase::Delivered,
            Phase::Dead { reason: DeadReason::Gone, buried: true },
            Phase::Cancelled,
        ]
    }

    #[test]
    fn every_state_is_read_as_it_was_written() {
        for phase in every_phase() {
            let mut state = state(phase, 2);
            state.attempts = 3;
            state.last_lease_id = Some(LeaseId::from_random([3; 16]));
            state.outcomes = vec![AttemptRecord {
                attempt: 3,
                generation: Generation(2),
                at: Timestamp::from_millis(6),
                status: Some(503),
                error: None,
                millis: 4,
                answer: "no \u{0} \u{1f600}".to_owned(),
            }];
            assert_eq!(read("reading", &item(write(&id("1"), &state))), Ok(state));
        }
    }

    #[test]
    fn only_the_dead_and_the_redriven_are_in_the_index() {
        let told: Vec<_> = [0, 1]
            .into_iter()
            .flat_map(|generation| every_phase().into_iter().map(move |phase| (phase, generation)))
            .map(|(phase, generation)| state(phase, generation))
            .filter(|state| item(write(&id("1"), state)).contains_key(name::DEAD_SHARD))
            .map(|state| (state.phase.status(), state.life.generation.0))
            .collect();
        assert_eq!(told, [(Status::Dead, 0), (Status::Pending, 1), (Status::Dead, 1)]);
    }

    #[test]
    fn dead_letters_spread_over_all_parts_of_the_index() {
        let shards: std::collections::BTreeSet<_> =
            (0..500).map(|number| dead_shard(&id(&number.to_string()))).collect();
        assert_eq!(shards.len(), usize::from(DEAD_SHARDS));
    }

    #[test]
    fn removal_is_never_before_the_end() {
        assert_eq!(removal_time(Timestamp::from_millis(10_001)), number(11_u32));
        assert_eq!(removal_time(Timestamp::from_millis(10_000)), number(10_u32));
    }

    #[test]
    fn what_is_unreadable_is_named() {
        let mut item = item(write(&id("1"), &state(Phase::Queued, 0)));
        item.insert(name::STATUS.to_owned(), text("SLEEPING"));
        let error = read("claiming", &item).unwrap_err();
        assert_eq!(
            error.to_string(),
            "claiming found something unreadable: status of STATE must be a status"
        );
        item.remove(name::ATTEMPTS);
        item.insert(name::STATUS.to_owned(), text("RETRYING"));
        let error = read("claiming", &item).unwrap_err();
        assert_eq!(
            error.to_string(),
            "claiming found something unreadable: not_before of STATE must be a whole number"
        );
    }
}
