//! Keeps what arrived, within bounds, oldest out first.

use serde::Serialize;
use std::collections::{HashMap, VecDeque};

/// Requests that are kept.
const ENTRIES_MAX: usize = 10_000;
/// Characters of bodies that are kept, all requests together.
const BODY_CHARACTERS_MAX: usize = 256 * 1024 * 1024;
/// Messages whose failures are counted; past that, counting begins anew.
const COUNTED_MAX: usize = 100_000;

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// HTTP method.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Query as sent, without the question mark.
    pub query: String,
    /// Header names in lower case and their values, in order of arrival per name.
    pub headers: Vec<(String, String)>,
    /// The body in base64; only its start if `bodyBytes` is over 8 MiB.
    pub body: String,
    /// Length of the whole body.
    pub body_bytes: u64,
    /// SHA-256 of the whole body, in hexadecimal.
    pub body_sha256: String,
    /// Time of arrival, RFC 3339.
    pub received_at: String,
    /// The same in milliseconds since 1970.
    pub received_at_ms: i64,
    /// The status it is answered with.
    pub status: u16,
}

impl Received {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Everything that arrived and is still kept.
#[derive(Debug, Default)]
pub(super) struct Store {
    entries: VecDeque<Received>,
    body_characters: usize,
    failures: HashMap<String, u32>,
}

impl Store {
    pub(super) fn add(&mut self, entry: Received) {
        self.body_characters += entry.body.len();
        self.entries.push_back(entry);
        while self.entries.len() > ENTRIES_MAX || self.body_characters > BODY_CHARACTERS_MAX {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.body_characters -= oldest.body.len();
        }
    }

    /// What arrived for this message and at this path, where they are given.
    pub(super) fn find(&self, webhook_id: Option<&str>, path: Option<&str>) -> Vec<Received> {
        self.entries
            .iter()
            .filter(|entry| webhook_id.is_none_or(|id| entry.header("webhook-id") == Some(id)))
            .filter(|entry| path.is_none_or(|path| entry.path == path))
            .cloned()
            .collect()
    }

    /// Whether a message is to fail once more, being told to fail `times` times.
    pub(super) fn fails_again(&mut self, path: &str, message: &str, times: u32) -> bool {
        if self.failures.len() >= COUNTED_MAX {
            self.failures.clear();
        }
        let failures = self.failures.entry(format!("{path} {message}")).or_default();
        let fails = *failures < times;
        *failures += u32::from(fails);
        fails
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, id: &str, body_characters: usize) -> Received {
        Received {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: vec![("webhook-id".to_owned(), id.to_owned())],
            body: "x".repeat(body_characters),
            body_bytes: 0,
            body_sha256: String::new(),
            received_at: String::new(),
            received_at_ms: 0,
            status: 200,
        }
    }

    #[test]
    fn entries_are_found_by_message_and_path() {
        let mut store = Store::default();
        for (path, id) in [("/a", "1"), ("/b", "1"), ("/a", "2")] {
            store.add(entry(path, id, 1));
        }
        assert_eq!(store.find(None, None).len(), 3);
        assert_eq!(store.find(Some("1"), None).len(), 2);
        assert_eq!(store.find(Some("1"), Some("/a")).len(), 1);
        store.clear();
        assert_eq!(store.find(None, None), []);
    }

    #[test]
    fn the_oldest_go_first() {
        let mut store = Store::default();
        for number in 0..=ENTRIES_MAX {
            store.add(entry("/a", &number.to_string(), 0));
        }
        assert_eq!(store.entries.len(), ENTRIES_MAX);
        assert_eq!(store.find(Some("0"), None), []);
        store.add(entry("/a", "large", BODY_CHARACTERS_MAX));
        store.add(entry("/a", "one more", 1));
        assert_eq!(store.entries.len(), 1, "the large one made room, then went");
    }

    #[test]
    fn each_message_fails_for_itself() {
        let mut store = Store::default();
        let mut fails = |id| store.fails_again("/demo/flaky/2", id, 2);
        assert_eq!(
            [fails("a"), fails("b"), fails("a"), fails("a"), fails("b")],
            [true, true, true, false, true]
        );
    }
}
