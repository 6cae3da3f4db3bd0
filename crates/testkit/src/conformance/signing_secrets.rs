//! What every keeper of signing records must do. Time is in the records, so no case waits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use relay_core::access::{MasterId, SigningRecord};
use relay_core::identity::SenderId;
use relay_core::ports::{Cursor, RevisionWritten, SigningSecrets};

use super::{Case, cases};
use crate::sample::{START, at, masters};

/// Signing records under test.
pub type Subject = Arc<dyn SigningSecrets>;

/// How many environments write at once.
const AT_ONCE: u8 = 8;
/// Senders of the case about lists: more than any page that an implementation is tested with.
const LISTED: usize = 40;
/// Most pages that a list of the senders of all cases can have: one for each, and one for each of sixteen parts.
const PAGES_MAX: usize = 100;

/// Every case. They share the subject; each has senders of its own.
pub fn all() -> Vec<Case<Subject>> {
    use self as suite;
    cases![suite::{
        a_sender_without_secrets_has_no_record,
        a_record_is_read_as_it_was_written_through_all_rotations,
        a_write_needs_the_revision_before_it,
        of_writes_at_once_one_wins,
        f36_a_repeated_write_recognises_itself,
        senders_do_not_meet,
        every_sender_is_listed_once,
    }]
}

/// Runs every case.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all(secrets: Subject) {
    super::run(all(), |_| std::future::ready(Arc::clone(&secrets))).await;
}

fn sender(name: &str) -> SenderId {
    SenderId::parse(name).unwrap()
}

fn master() -> MasterId {
    masters().current().clone()
}

fn record(name: &str) -> SigningRecord {
    SigningRecord::new(sender(name), master(), format!("nonce-{name}"), START, "first".to_owned())
}

fn rotated(record: &SigningRecord, write: &str) -> SigningRecord {
    let (nonce, now) = (format!("nonce-{write}"), at(record.revision * 10));
    let grace = Duration::from_millis(5);
    record.clone().rotated(master(), nonce, grace, now, write.to_owned()).unwrap()
}

async fn a_sender_without_secrets_has_no_record(secrets: Subject) {
    assert_eq!(secrets.find(&sender("nobody")).await, Ok(None));
}

async fn a_record_is_read_as_it_was_written_through_all_rotations(secrets: Subject) {
    let mut written = record("rotating");
    for write in ["second", "third", "fourth", "fifth"] {
        assert_eq!(secrets.write(&written).await, Ok(RevisionWritten::Done));
        assert_eq!(secrets.find(&written.sender).await, Ok(Some(written.clone())));
        written = rotated(&written, write);
    }
}

async fn a_write_needs_the_revision_before_it(secrets: Subject) {
    let first = record("revisions");
    let second = rotated(&first, "second");
    assert_eq!(secrets.write(&second).await, Ok(RevisionWritten::Changed(None)));
    assert_eq!(secrets.find(&first.sender).await, Ok(None));
    assert_eq!(secrets.write(&first).await, Ok(RevisionWritten::Done));
    for revision in [0, 1, 3, u64::MAX] {
        let odd = SigningRecord { revision, write_id: "odd".to_owned(), ..first.clone() };
        let refused = secrets.write(&odd).await;
        assert_eq!(refused, Ok(RevisionWritten::Changed(Some(first.clone()))), "{revision}");
    }
    assert_eq!(secrets.write(&second).await, Ok(RevisionWritten::Done));
    assert_eq!(secrets.find(&first.sender).await, Ok(Some(second)));
}

async fn of_writes_at_once_one_wins(secrets: Subject) {
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|write| {
            let secrets = Arc::clone(&secrets);
            let first = SigningRecord { write_id: format!("write-{write}"), ..record("race") };
            tokio::spawn(async move { (secrets.write(&first).await, first) })
        })
        .collect();
    let (mut won, mut found) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            (Ok(RevisionWritten::Done), first) => won.push(first),
            (Ok(RevisionWritten::Changed(instead)), _) => found.push(instead.unwrap()),
            (Err(error), _) => panic!("{error}"),
        }
    }
    assert_eq!(won.len(), 1, "{won:?}");
    assert!(found.iter().all(|found| *found == won[0]), "{found:?}");
    assert_eq!(secrets.find(&sender("race")).await, Ok(Some(won.remove(0))));
}

async fn f36_a_repeated_write_recognises_itself(secrets: Subject) {
    let first = record("again");
    let second = rotated(&first, "second");
    for written in [&first, &second] {
        for _ in 0..2 {
            assert_eq!(secrets.write(written).await, Ok(RevisionWritten::Done));
        }
    }
    // What came between is not undone.
    let late = secrets.write(&first).await;
    assert_eq!(late, Ok(RevisionWritten::Changed(Some(second))));
}

async fn senders_do_not_meet(secrets: Subject) {
    secrets.write(&record("one")).await.unwrap();
    for other in ["One", "one-", "on", "STATE"] {
        assert_eq!(secrets.find(&sender(other)).await, Ok(None), "{other}");
    }
}

async fn every_sender_is_listed_once(secrets: Subject) {
    let mut written = BTreeMap::new();
    for number in 0..LISTED {
        let record = record(&format!("listed-{number}"));
        secrets.write(&record).await.unwrap();
        written.insert(record.sender.to_string(), record);
    }
    let mut after: Option<Cursor> = None;
    let mut listed: BTreeMap<String, SigningRecord> = BTreeMap::new();
    for page in 0.. {
        assert!(page < PAGES_MAX, "the list does not end");
        let next = secrets.list(after.as_ref()).await.unwrap();
        for item in next.items {
            let twice = listed.insert(item.sender.to_string(), item);
            assert_eq!(twice, None);
        }
        after = next.next;
        if after.is_none() {
            break;
        }
    }
    listed.retain(|name, _| written.contains_key(name));
    assert_eq!(listed, written);
}
