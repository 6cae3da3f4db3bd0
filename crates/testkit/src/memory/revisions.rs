//! What keys and signing records in memory share: one record per name, the condition on its revision, and pages.

use std::collections::BTreeMap;

use relay_core::access::{KeyRecord, SigningRecord};
use relay_core::ports::{Cursor, Page, RevisionWritten};

/// Most items on a page, so that whoever reads all meets more than one.
const PAGE_ITEMS_MAX: usize = 3;

/// A record that has revisions.
pub(super) trait Revised: Clone {
    /// Its revision, and who wrote it.
    fn revision(&self) -> (u64, &str);
}

impl Revised for KeyRecord {
    fn revision(&self) -> (u64, &str) {
        (self.revision, &self.write_id)
    }
}

impl Revised for SigningRecord {
    fn revision(&self) -> (u64, &str) {
        (self.revision, &self.write_id)
    }
}

/// Writes `record` under `name` if its revision is the next one, or if it is there already.
pub(super) fn write<R: Revised>(
    records: &mut BTreeMap<String, R>,
    name: &str,
    record: &R,
) -> RevisionWritten<R> {
    let found = records.get(name);
    let before = found.map_or(0, |found| found.revision().0);
    let is_own = found.is_some_and(|found| found.revision() == record.revision());
    if is_own {
        return RevisionWritten::Done;
    }
    if before.checked_add(1) != Some(record.revision().0) {
        return RevisionWritten::Changed(found.cloned());
    }
    records.insert(name.to_owned(), record.clone());
    RevisionWritten::Done
}

/// The records after the one that the cursor names.
pub(super) fn page<R: Clone>(records: &BTreeMap<String, R>, after: Option<&Cursor>) -> Page<R> {
    let rest = records.iter().filter(|(name, _)| after.is_none_or(|last| **name > last.0));
    let mut rest: Vec<_> = rest.take(PAGE_ITEMS_MAX + 1).collect();
    let is_last = rest.len() <= PAGE_ITEMS_MAX;
    rest.truncate(PAGE_ITEMS_MAX);
    let next = if is_last { None } else { rest.last().map(|(name, _)| Cursor((*name).clone())) };
    Page { items: rest.into_iter().map(|(_, record)| record.clone()).collect(), next }
}
