//! Ids for requests, in the form of a UUID. Unique, not secret.

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};

/// Bytes after which a UUID has a dash.
const DASHES_BEFORE: [usize; 4] = [4, 6, 8, 10];

/// A new random id such as `0f9c1a52-…`.
#[must_use]
pub fn unique_id() -> String {
    // Every RandomState has keys of its own, so hashing nothing gives a new number each time.
    let number = || RandomState::new().hash_one(());
    let (high, low) = (number(), number());
    let mut id = String::with_capacity(36);
    for (index, byte) in high.to_be_bytes().into_iter().chain(low.to_be_bytes()).enumerate() {
        if DASHES_BEFORE.contains(&index) {
            id.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::unique_id;
    use std::collections::BTreeSet;

    #[test]
    fn ids_look_like_uuids_and_differ() {
        let ids: BTreeSet<String> = (0..1000).map(|_| unique_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in &ids {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        }
    }
}
