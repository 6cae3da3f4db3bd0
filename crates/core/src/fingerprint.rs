//! The fingerprint that tells a repeated request from a reused message id.

use std::fmt;

use sha2::{Digest, Sha256 as Hash};

use crate::body::Sha256;
use crate::destination::{Method, Target};
use crate::headers::Headers;
use crate::hexadecimal;

/// The parts, as the API names the fields that they are of, in the order in which they are written.
const PARTS: [&str; 5] = ["method", "targetUrl", "headers", "body", "timestamp"];
/// What stands between two parts. No part has one in it.
const BETWEEN: char = '.';
/// How much of its hash a part has, in bytes: 128 bits each, against mistakes, not against the sender itself.
const PART_BYTES: usize = 16;
/// Room for a whole fingerprint: a method, and the other parts.
const CHARACTERS_MAX: usize = "DELETE".len() + (PARTS.len() - 1) * (1 + 2 * PART_BYTES);

/// SHA-256 over everything of a request that reaches the target, part by part: a repeated request has
/// the same fingerprint, and of another one it can be told which parts differ, without keeping values.
///
/// It is kept as it is stored: the parts joined to one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

/// A fingerprint as far as it is written.
struct Parts(String);

impl Parts {
    fn begin(method: Method) -> Self {
        let mut text = String::with_capacity(CHARACTERS_MAX);
        text.push_str(method.as_str());
        Self(text)
    }

    /// Adds the part of these pieces.
    fn hashed<'a>(mut self, pieces: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Hash::new();
        for piece in pieces {
            hash.update((piece.len() as u64).to_be_bytes());
            hash.update(piece.as_bytes());
        }
        let mut part = [0; PART_BYTES];
        part.copy_from_slice(&hash.finalize()[..PART_BYTES]);
        self.0.push(BETWEEN);
        hexadecimal::written(&part, |digits| self.0.push_str(digits));
        self
    }

    /// Adds a part of nothing.
    fn empty(mut self) -> Self {
        self.0.push(BETWEEN);
        self
    }
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
        let parts = Parts::begin(method)
            .hashed([target.as_str()])
            .hashed(headers.iter().flat_map(|(name, value)| [name, value]));
        let parts = hexadecimal::written(body.as_bytes(), |digits| parts.hashed([digits]));
        let parts = match timestamp {
            Some(timestamp) => parts.hashed([timestamp]),
            None => parts.empty(),
        };
        Self(parts.0)
    }

    /// The request's fields in which two fingerprints differ, as the API names them. Empty if they
    /// are the same.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        if self == other {
            return Vec::new();
        }
        let parts = self.0.split(BETWEEN).zip(other.0.split(BETWEEN));
        PARTS
            .into_iter()
            .zip(parts)
            .filter_map(|(field, (own, others))| (own != others).then_some(field))
            .collect()
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads what was stored; nothing for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        (text.split(BETWEEN).count() == PARTS.len()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
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
