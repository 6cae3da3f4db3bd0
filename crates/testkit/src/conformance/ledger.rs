//! What every ledger must do, beside the store whose records it tells of. Its pages should be short here, so
//! that there is more than one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use relay_core::decide::Decision;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{
    Begun, Claim, DEAD_SHARDS, DeadEntry, DeadWanted, Ledger, Recorded, Settlement, Standing, Store,
};
use relay_core::time::Timestamp;

use super::{Case, cases};
use crate::sample::{self, START, at};

/// Dead messages of the cases about pages: several for every part of the index.
const MANY: u64 = 100;
/// Pages after which a ledger that goes on has lost its way.
const PAGES_MAX: usize = 1_000;

/// A ledger under test, and the store of the same records. Each case has its own.
#[derive(Clone)]
pub struct Subject {
    /// The records.
    pub store: Arc<dyn Store>,
    /// All of them at once.
    pub ledger: Arc<dyn Ledger>,
}

/// Every case.
pub fn all() -> Vec<Case<Subject>> {
    use self as suite;
    cases![suite::{
        nothing_is_in_an_empty_table,
        f20_the_dead_are_found_until_the_queue_has_them_again,
        f20_burying_does_not_change_when_a_message_died,
        f20_f22_only_what_asks_for_something_is_unfinished,
        the_dead_are_found_by_time,
        the_dead_come_in_order_each_once,
        f43_what_is_not_known_to_be_final_is_found,
        f43_every_page_of_a_long_table_is_read,
        f45_an_ended_life_does_not_hide_a_message_accepted_anew,
    }]
}

/// Runs every case on a ledger of its own, which `make` makes for the case of the given name.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all<Making: Future<Output = Subject>>(make: impl Fn(&'static str) -> Making) {
    super::run(all(), make).await;
}

impl Subject {
    async fn recorded(&self, name: &str) -> Message {
        let message = sample::message(name, 1);
        assert_eq!(self.store.record(&message, START).await, Ok(Recorded::New));
        message
    }

    async fn died(&self, name: &str, now: Timestamp) -> (Message, Life) {
        let message = self.recorded(name).await;
        let life = message.first_life();
        self.store.give_up(&message.id, &life, DeadReason::Gone, now).await.unwrap();
        (message, life)
    }

    /// Claims and settles.
    async fn attempt(&self, message: &Message, decision: Decision) {
        let life = message.first_life();
        let claimed = self.store.claim(&message.id, &sample::claim(&life, 1, at(1))).await;
        let Ok(Claim::Ours(lease)) = claimed else { panic!("not claimed: {claimed:?}") };
        let attempt = sample::attempt(1, 200);
        let settlement =
            Settlement { id: message.id.clone(), life, lease, attempt, decision, now: at(1) };
        self.store.settle(&settlement).await.unwrap();
    }

    /// The entries of all parts.
    async fn dead(
        &self,
        wanted: DeadWanted,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<Vec<DeadEntry>> {
        let mut parts = Vec::new();
        for shard in 0..DEAD_SHARDS {
            let (mut part, mut after) = (Vec::new(), None);
            for _ in 0..PAGES_MAX {
                let page = self.ledger.dead(shard, wanted, from, until, after.as_ref()).await;
                let page = page.unwrap();
                part.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(after, None, "no end after {PAGES_MAX} pages");
            parts.push(part);
        }
        parts
    }

    async fn all_dead(&self, wanted: DeadWanted) -> Vec<DeadEntry> {
        self.dead(wanted, START, at(1_000_000)).await.concat()
    }

    async fn unfinished(&self) -> Vec<RelayId> {
        let (mut ids, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.ledger.unfinished(after.as_ref()).await.unwrap();
            ids.extend(page.items);
            after = page.next;
            if after.is_none() {
                return ids;
            }
        }
        panic!("no end after {PAGES_MAX} pages");
    }
}

fn dead_entry(message: &Message, at: Timestamp, buried: bool) -> DeadEntry {
    let standing = Standing::Dead { reason: DeadReason::Gone, buried };
    DeadEntry { id: message.id.clone(), at, standing }
}

async fn nothing_is_in_an_empty_table(subject: Subject) {
    assert_eq!(subject.all_dead(DeadWanted::OldestFirst).await, []);
    assert_eq!(subject.unfinished().await, []);
}

async fn f20_the_dead_are_found_until_the_queue_has_them_again(subject: Subject) {
    let wanted = DeadWanted::OldestFirst;
    let (message, life) = subject.died("ledger-dead", at(5)).await;
    assert_eq!(subject.all_dead(wanted).await, [dead_entry(&message, at(5), false)]);
    subject.store.mark_buried(&message.id, &life, at(6)).await.unwrap();
    assert_eq!(subject.all_dead(wanted).await, [dead_entry(&message, at(5), true)]);
    let begun = subject.store.begin_again(&message.id, &life, Again::Redrive, at(9)).await;
    let Ok(Begun::Pending(next)) = begun else { panic!("not begun: {begun:?}") };
    let going = DeadEntry { id: message.id.clone(), at: at(9), standing: Standing::SetGoing };
    assert_eq!(subject.all_dead(wanted).await, [going]);
    subject.store.mark_queued(&message.id, &next, at(10)).await.unwrap();
    assert_eq!(subject.all_dead(wanted).await, []);
}

async fn f20_burying_does_not_change_when_a_message_died(subject: Subject) {
    let (message, life) = subject.died("ledger-buried", at(5)).await;
    subject.store.mark_buried(&message.id, &life, at(500)).await.unwrap();
    let found = subject.dead(DeadWanted::OldestFirst, at(5), at(6)).await.concat();
    assert_eq!(found, [dead_entry(&message, at(5), true)]);
}

async fn f20_f22_only_what_asks_for_something_is_unfinished(subject: Subject) {
    let (buried, life) = subject.died("ledger-in-order", at(1)).await;
    subject.store.mark_buried(&buried.id, &life, at(2)).await.unwrap();
    let (unburied, _) = subject.died("ledger-unburied", at(3)).await;
    let (going, life) = subject.died("ledger-going", at(4)).await;
    subject.store.mark_buried(&going.id, &life, at(5)).await.unwrap();
    subject.store.begin_again(&going.id, &life, Again::Redrive, at(6)).await.unwrap();
    let found = subject.all_dead(DeadWanted::Unfinished).await.into_iter();
    let found: BTreeSet<_> = found.map(|entry| entry.id).collect();
    assert_eq!(found, BTreeSet::from([unburied.id, going.id]));
}

async fn the_dead_are_found_by_time(subject: Subject) {
    let (message, _) = subject.died("ledger-time", at(50)).await;
    for (from, until, is_found) in [
        (50, 51, true),
        (0, 51, true),
        (50, 900, true),
        (51, 900, false),
        (0, 50, false),
        (50, 50, false),
        (60, 40, false),
    ] {
        let found = subject.dead(DeadWanted::OldestFirst, at(from), at(until)).await.concat();
        let expected = if is_found { vec![dead_entry(&message, at(50), false)] } else { vec![] };
        assert_eq!(found, expected, "from {from} until {until}");
    }
    let from_ever = subject.dead(DeadWanted::NewestFirst, Timestamp::from_millis(0), at(51)).await;
    assert_eq!(from_ever.concat().len(), 1);
}

async fn the_dead_come_in_order_each_once(subject: Subject) {
    let mut died = BTreeSet::new();
    for number in 0..MANY {
        // Not in the order of their time.
        let now = at((number * 37) % MANY);
        died.insert(subject.died(&format!("ledger-many-{number}"), now).await.0.id);
    }
    for wanted in [DeadWanted::OldestFirst, DeadWanted::Unfinished, DeadWanted::NewestFirst] {
        let parts = subject.dead(wanted, START, at(MANY)).await;
        for part in &parts {
            assert!(!part.is_empty(), "messages spread over all parts");
            let mut times: Vec<Timestamp> = part.iter().map(|entry| entry.at).collect();
            if wanted == DeadWanted::NewestFirst {
                times.reverse();
            }
            assert!(times.is_sorted(), "{wanted:?}: {times:?}");
        }
        let entries = parts.concat();
        assert_eq!(entries.len() as u64, MANY);
        let ids: BTreeSet<RelayId> = entries.into_iter().map(|entry| entry.id).collect();
        assert_eq!(ids, died);
    }
}

async fn f43_what_is_not_known_to_be_final_is_found(subject: Subject) {
    let pending = subject.recorded("ledger-pending").await;
    let queued = subject.recorded("ledger-queued").await;
    subject.store.mark_queued(&queued.id, &queued.first_life(), at(1)).await.unwrap();
    let held = subject.recorded("ledger-held").await;
    let claim = sample::claim(&held.first_life(), 1, at(1));
    subject.store.claim(&held.id, &claim).await.unwrap();
    let waiting = subject.recorded("ledger-waiting").await;
    subject.attempt(&waiting, Decision::Retry { not_before: at(2) }).await;
    let delivered = subject.recorded("ledger-delivered").await;
    subject.attempt(&delivered, Decision::Delivered).await;
    subject.died("ledger-over", at(1)).await;
    let found: BTreeSet<RelayId> = subject.unfinished().await.into_iter().collect();
    let mut expected = BTreeSet::from([pending.id, queued.id, held.id, waiting.id]);
    // A page may end between the two halves of a record: one that is final may be among them then.
    assert!(found.is_superset(&expected), "{found:?}");
    expected.extend([delivered.id, sample::message("ledger-over", 1).id]);
    assert!(found.is_subset(&expected), "{found:?}");
}

async fn f43_every_page_of_a_long_table_is_read(subject: Subject) {
    let mut open = BTreeSet::new();
    for number in 0..MANY / 4 {
        open.insert(subject.recorded(&format!("ledger-open-{number}")).await.id);
    }
    let found: BTreeSet<RelayId> = subject.unfinished().await.into_iter().collect();
    assert_eq!(found, open);
}

async fn f45_an_ended_life_does_not_hide_a_message_accepted_anew(subject: Subject) {
    let first = subject.recorded("ledger-anew").await;
    subject.attempt(&first, Decision::Delivered).await;
    let mut anew = sample::message("ledger-anew", 2);
    anew.created_at = first.expires_at;
    anew.expires_at = first.expires_at.plus(sample::TTL);
    assert_eq!(subject.store.record(&anew, anew.created_at).await, Ok(Recorded::New));
    assert!(subject.unfinished().await.contains(&anew.id));
}
