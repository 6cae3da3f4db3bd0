//! All records in memory at once, in small pages, so that whoever reads them meets more than one.

use async_trait::async_trait;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Phase, State};
use relay_core::message::Message;
use relay_core::ports::{
    Cursor, DEAD_SHARDS, DeadEntry, DeadWanted, Ledger, Page, PortError, Standing,
};
use relay_core::time::Timestamp;

use super::records::Records;
use super::store::MemoryStore;

/// Most items on a page.
const PAGE_ITEMS_MAX: usize = 3;

impl Records {
    fn entry(&self, id: &RelayId, state: &State) -> Option<DeadEntry> {
        let (standing, at) = match &state.phase {
            Phase::Dead { reason, buried: false } => {
                (Standing::Dead { reason: *reason, buried: false }, state.updated_at)
            }
            Phase::Dead { reason, buried: true } => {
                (Standing::Dead { reason: *reason, buried: true }, *self.died_at.get(id)?)
            }
            Phase::Pending if state.life.generation.0 > 0 => (Standing::SetGoing, state.updated_at),
            Phase::Pending
            | Phase::Queued
            | Phase::Processing { .. }
            | Phase::Retrying { .. }
            | Phase::Delivered
            | Phase::Cancelled => return None,
        };
        Some(DeadEntry { id: id.clone(), at, standing })
    }
}

/// Whatever spreads messages over all parts.
fn shard_of(id: &RelayId) -> u8 {
    id.as_str().bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte))
        % DEAD_SHARDS
}

/// The items after the one that the cursor names.
fn page<T>(items: Vec<T>, after: Option<&Cursor>, name: impl Fn(&T) -> String) -> Page<T> {
    let is_later = |item: &T, last: &Cursor| name(item) > last.0;
    let mut rest: Vec<T> =
        items.into_iter().filter(|item| after.is_none_or(|last| is_later(item, last))).collect();
    let is_last = rest.len() <= PAGE_ITEMS_MAX;
    rest.truncate(PAGE_ITEMS_MAX);
    let next = if is_last { None } else { rest.last().map(|item| Cursor(name(item))) };
    Page { items: rest, next }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn dead(
        &self,
        shard: u8,
        wanted: DeadWanted,
        from: Timestamp,
        until: Timestamp,
        after: Option<&Cursor>,
    ) -> Result<Page<DeadEntry>, PortError> {
        let entries: Vec<DeadEntry> = self.with(|records| {
            let states = records.states.iter().filter(|(id, _)| shard_of(id) == shard);
            states.filter_map(|(id, state)| records.entry(id, state)).collect()
        });
        let mut entries: Vec<DeadEntry> = entries
            .into_iter()
            .filter(|entry| from <= entry.at && entry.at < until)
            .filter(|entry| match wanted {
                DeadWanted::OldestFirst | DeadWanted::NewestFirst => true,
                DeadWanted::Unfinished => {
                    !matches!(entry.standing, Standing::Dead { buried: true, .. })
                }
            })
            .collect();
        // What sorts as the order that is wanted.
        let rank = |entry: &DeadEntry| {
            let millis = entry.at.as_millis();
            let rank = match wanted {
                DeadWanted::OldestFirst | DeadWanted::Unfinished => millis,
                DeadWanted::NewestFirst => u64::MAX - millis,
            };
            format!("{rank:020} {}", entry.id)
        };
        entries.sort_by_key(rank);
        Ok(page(entries, after, rank))
    }

    async fn unfinished(&self, after: Option<&Cursor>) -> Result<Page<RelayId>, PortError> {
        let mut ids: Vec<RelayId> = self.with(|records| {
            // A final state of an earlier acceptance says nothing of this one.
            let is_final = |message: &Message| {
                records.states.get(&message.id).is_some_and(|state| {
                    state.phase.status().is_final() && state.life.accepted_id == message.accepted_id
                })
            };
            let open = records.messages.values().filter(|message| !is_final(message));
            open.map(|message| message.id.clone()).collect()
        });
        ids.sort();
        Ok(page(ids, after, ToString::to_string))
    }
}
