//! The fingerprint that tells a repeated request from a reused message id.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256 as Hash};

use crate::body::Sha256;
use crate::destination::{Method, Target};
use crate::headers::Headers;

/// SHA-256 over everything of a request that reaches the target, part by part: a repeated request has
/// the same fingerprint, and of another one it can be told which parts differ, without keeping values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    method: String,
    target: String,
    headers: String,
    body: String,
    timestamp: String,
}

/// Half a hash a part: 128 bits each, against mistakes, not against the sender itself.
fn part(pieces: &[&str]) -> String {
    let mut hash = Hash::new();
    for piece in pieces {
        hash.update((piece.len() as u64).to_be_bytes());
        hash.update(piece.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}

impl Fingerprint {
    /// The fingerprint of a request. The timestamp counts only if the client sent one.
    pub fn of(
        method: Method,
        target: &Target,
        headers: &Headers,
        body: Sha256,
        timestamp: Option<&str>,
    ) -> Self {
        let pairs: Vec<&str> = headers.iter().flat_map(|(name, value)| [name, value]).collect();
        Self {
            method: method.as_str().to_owned(),
            target: part(&[target.as_str()]),
            headers: part(&pairs),
            body: part(&[&body.to_string()]),
            timestamp: timestamp.map(|timestamp| part(&[timestamp])).unwrap_or_default(),
        }
    }

    /// The request's fields in which two fingerprints differ, as the API names them. Empty if they
    /// are the same.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("method", self.method != other.method),
            ("targetUrl", self.target != other.target),
            ("headers", self.headers != other.headers),
            ("body", self.body != other.body),
            ("timestamp", self.timestamp != other.timestamp),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

/// The parts joined: one text to store.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, headers, body, timestamp } = self;
        write!(formatter, "{method}.{target}.{headers}.{body}.{timestamp}")
    }
}

impl Fingerprint {
    /// Reads what [`Display`](fmt::Display) wrote; nothing for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: [&str; 5] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
        let [method, target, headers, body, timestamp] = parts.map(str::to_owned);
        Some(Self { method, target, headers, body, timestamp })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn of(target: &str, headers: &[(&str, &str)], body: &[u8], time: Option<&str>) -> Fingerprint {
        Fingerprint::of(
            Method::Post,
            &Target::parse(target).unwrap(),
            &Headers::parse(headers.iter().copied()).unwrap(),
            Sha256::of(body),
            time,
        )
    }

    #[test]
    fn order_and_case_of_header_names_do_not_count() {
        let one = of("https://a.example", &[("X-A", "1"), ("X-B", "2")], b"{}", None);
        let other = of("https://a.example/", &[("x-b", "2"), ("x-a", "1")], b"{}", None);
        assert_eq!(one.differences(&other), [""; 0]);
    }

    #[test]
    fn f04_what_differs_is_named() {
        let one = of("https://a.example", &[("x-a", "1")], b"{}", None);
        let other = of("https://b.example", &[("x-a", "2")], b"{ }", Some("2026-11-21T05:00:00Z"));
        assert_eq!(one.differences(&other), ["targetUrl", "headers", "body", "timestamp"]);
    }

    #[test]
    fn names_and_values_cannot_be_shifted_into_each_other() {
        let one = of("https://a.example", &[("x-a", "bc")], b"", None);
        let other = of("https://a.example", &[("x-ab", "c")], b"", None);
        assert_eq!(one.differences(&other), ["headers"]);
    }

    #[test]
    fn a_stored_fingerprint_is_read_again() {
        for time in [None, Some("2026-11-21T05:00:00Z")] {
            let one = of("https://a.example", &[], b"", time);
            assert_eq!(Fingerprint::parse(&one.to_string()), Some(one));
        }
        assert_eq!(Fingerprint::parse("x"), None);
    }
}
