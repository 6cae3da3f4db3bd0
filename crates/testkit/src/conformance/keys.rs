//! What every keeper of API keys must do. Time is an argument of the port, so no case waits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use relay_core::access::{
    AllowedIps, ApiKey, KeyId, KeyRecord, MasterSecrets, RateLimit, Scope, Senders,
};
use relay_core::identity::SenderId;
use relay_core::ports::{Cursor, Keys, RevisionWritten, StoredKey};

use super::{Case, cases};
use crate::sample::{START, at, key_rules};

/// Keys under test.
pub type Subject = Arc<dyn Keys>;

/// How many environments write at once.
const AT_ONCE: u8 = 8;
/// Keys of the case about lists: more than any page that an implementation is tested with.
const LISTED: u8 = 40;
/// Most pages that a list of the keys of all cases can have: one for each key, and one for each of sixteen parts.
const PAGES_MAX: usize = 100;

/// Every case. They share the subject; each has keys of its own.
pub fn all() -> Vec<Case<Subject>> {
    use self as suite;
    cases![suite::{
        a_key_that_was_never_written_is_not_there,
        every_part_of_a_record_is_read_as_it_was_written,
        a_write_needs_the_revision_before_it,
        of_writes_at_once_one_wins,
        f36_a_repeated_write_recognises_itself,
        a_use_is_noted_and_never_goes_back,
        a_use_of_a_key_that_is_not_there_leaves_none,
        a_write_keeps_the_last_use,
        every_key_is_listed_once,
    }]
}

/// Runs every case.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all(keys: Subject) {
    super::run(all(), |_| std::future::ready(Arc::clone(&keys))).await;
}

/// Key `number` of a case; no two cases share one.
fn key(case: u8, number: u8) -> ApiKey {
    let mut id = [case; 16];
    id[0] = number;
    ApiKey::draw(id, [[case; 16], [number; 16]])
}

fn record(case: u8, number: u8) -> KeyRecord {
    KeyRecord::new(&key(case, number), key_rules(), None, START, format!("write-{case}-{number}"))
}

fn of(record: &KeyRecord) -> Option<StoredKey> {
    Some(StoredKey { record: record.clone(), last_used_at: None })
}

async fn a_key_that_was_never_written_is_not_there(keys: Subject) {
    assert_eq!(keys.find(key(1, 1).id()).await, Ok(None));
}

async fn every_part_of_a_record_is_read_as_it_was_written(keys: Subject) {
    let masters = MasterSecrets::parse(&format!(r#"{{"current":"a","a":"{}"}}"#, "x".repeat(64)));
    let master = masters.unwrap().current().clone();
    let mut rules = key_rules();
    let only = ["billing", "STATE", "a_-1"].map(|sender| SenderId::parse(sender).unwrap());
    rules.name = "ключ \"of\" the\u{1f511}\n".to_owned();
    rules.senders = Senders::Only(only.into());
    rules.scopes = [Scope::Admin, Scope::Operate].into();
    let blocks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| AllowedIps::parse_block(text).unwrap());
    rules.allowed_ips = AllowedIps::new(blocks);
    rules.expires_at = Some(at(99));
    rules.rate_limit = Some(RateLimit { per_second: 7, burst: 70 });
    rules.require_signature = true;
    let hour = Duration::from_hours(1);
    let first = KeyRecord::new(&key(2, 1), rules, Some(master), START, "first".to_owned());
    let rotated = first.clone().rotated(&key(2, 2), None, hour, at(1), "second".to_owned());
    let second = rotated.unwrap();
    let third = second.clone().revoked(at(2), "third".to_owned());
    for record in [first, second, third] {
        assert_eq!(keys.write(&record).await, Ok(RevisionWritten::Done));
        assert_eq!(keys.find(&record.id).await, Ok(of(&record)));
    }
}

async fn a_write_needs_the_revision_before_it(keys: Subject) {
    let first = record(3, 1);
    let second = first.clone().changed("second".to_owned());
    assert_eq!(keys.write(&second).await, Ok(RevisionWritten::Changed(None)));
    assert_eq!(keys.find(&first.id).await, Ok(None));
    assert_eq!(keys.write(&first).await, Ok(RevisionWritten::Done));
    for revision in [0, 1, 3, u64::MAX] {
        let odd = KeyRecord { revision, write_id: "odd".to_owned(), ..first.clone() };
        let refused = keys.write(&odd).await;
        assert_eq!(refused, Ok(RevisionWritten::Changed(Some(first.clone()))), "{revision}");
    }
    assert_eq!(keys.write(&second).await, Ok(RevisionWritten::Done));
    assert_eq!(keys.find(&first.id).await, Ok(of(&second)));
}

async fn of_writes_at_once_one_wins(keys: Subject) {
    let first = record(4, 1);
    keys.write(&first).await.unwrap();
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|write| {
            let (keys, next) =
                (Arc::clone(&keys), first.clone().changed(format!("at-once-{write}")));
            tokio::spawn(async move { (keys.write(&next).await, next) })
        })
        .collect();
    let (mut won, mut found) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            (Ok(RevisionWritten::Done), next) => won.push(next),
            (Ok(RevisionWritten::Changed(instead)), _) => found.push(instead.unwrap()),
            (Err(error), _) => panic!("{error}"),
        }
    }
    assert_eq!(won.len(), 1, "{won:?}");
    assert!(found.iter().all(|found| *found == won[0]), "{found:?}");
    assert_eq!(keys.find(&first.id).await, Ok(of(&won[0])));
}

async fn f36_a_repeated_write_recognises_itself(keys: Subject) {
    let first = record(5, 1);
    let second = first.clone().changed("second".to_owned());
    for written in [&first, &second] {
        for _ in 0..2 {
            assert_eq!(keys.write(written).await, Ok(RevisionWritten::Done));
        }
    }
    // What came between is not undone.
    let late = keys.write(&first).await;
    assert_eq!(late, Ok(RevisionWritten::Changed(Some(second))));
}

async fn a_use_is_noted_and_never_goes_back(keys: Subject) {
    let record = record(6, 1);
    keys.write(&record).await.unwrap();
    for (noted, expected) in [(at(5), at(5)), (at(5), at(5)), (at(3), at(5)), (at(9), at(9))] {
        assert_eq!(keys.note_use(&record.id, noted).await, Ok(()));
        let found = keys.find(&record.id).await.unwrap().unwrap();
        assert_eq!((found.last_used_at, found.record), (Some(expected), record.clone()));
    }
}

async fn a_use_of_a_key_that_is_not_there_leaves_none(keys: Subject) {
    let id = key(7, 1).id().clone();
    assert_eq!(keys.note_use(&id, START).await, Ok(()));
    assert_eq!(keys.find(&id).await, Ok(None));
    assert_eq!(keys.write(&record(7, 1)).await, Ok(RevisionWritten::Done));
    assert_eq!(keys.find(&id).await, Ok(of(&record(7, 1))));
}

async fn a_write_keeps_the_last_use(keys: Subject) {
    let first = record(8, 1);
    keys.write(&first).await.unwrap();
    keys.note_use(&first.id, at(1)).await.unwrap();
    let second = first.revoked(at(2), "second".to_owned());
    keys.write(&second).await.unwrap();
    let found = keys.find(&second.id).await.unwrap();
    assert_eq!(found, Some(StoredKey { record: second, last_used_at: Some(at(1)) }));
}

async fn every_key_is_listed_once(keys: Subject) {
    let mut written = BTreeMap::new();
    for number in 0..LISTED {
        let mut record = record(9, number);
        keys.write(&record).await.unwrap();
        if number % 2 == 0 {
            record = record.revoked(at(1), "revoked".to_owned());
            keys.write(&record).await.unwrap();
        }
        keys.note_use(&record.id, at(u64::from(number))).await.unwrap();
        let last_used_at = Some(at(u64::from(number)));
        written.insert(record.id.clone(), StoredKey { record, last_used_at });
    }
    let mut after: Option<Cursor> = None;
    let mut listed: BTreeMap<KeyId, StoredKey> = BTreeMap::new();
    for page in 0.. {
        assert!(page < PAGES_MAX, "the list does not end");
        let next = keys.list(after.as_ref()).await.unwrap();
        for item in next.items {
            let twice = listed.insert(item.record.id.clone(), item);
            assert_eq!(twice, None);
        }
        after = next.next;
        if after.is_none() {
            break;
        }
    }
    listed.retain(|id, _| written.contains_key(id));
    assert_eq!(listed, written);
}
