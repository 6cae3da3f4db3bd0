//! The table of log fields, and which lines of plain success are written.
//!
//! docs/LOGGING.md has the same rows. Every field that a function logs is one of these; how lines are written is the
//! adapters' business.

mod fields;

use crate::identity::RelayId;

pub use fields::FIELDS;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// RFC 3339, in UTC, with milliseconds.
    Time,
    /// A whole number of milliseconds.
    Milliseconds,
    /// A whole number of bytes.
    Bytes,
}

impl Kind {
    /// As documents write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Flag => "true or false",
            Self::Time => "time",
            Self::Milliseconds => "ms",
            Self::Bytes => "bytes",
        }
    }
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// What it is called.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The lines that have it.
    pub lines: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// The field of this name.
pub fn field_named(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// Whether the plain success of this message is written when that of `percent` in a hundred messages is. The message
/// itself decides, so that all functions write of it or none does, and the messages written of are the same for
/// everybody.
pub fn writes_success(id: &RelayId, percent: u8) -> bool {
    percent >= 100 || part_of(id) % 100 < u64::from(percent)
}

/// A number spread evenly over all messages: ids are hashes. The last signs, because keys and shards go by others.
fn part_of(id: &RelayId) -> u64 {
    const SIGNS: usize = 12;
    let digit = |sign: u8| match sign {
        b'a'..=b'z' => u64::from(sign - b'a'),
        _ => u64::from(sign.wrapping_sub(b'2')) + 26,
    };
    id.as_str().bytes().rev().take(SIGNS).fold(0, |sum, sign| sum * 32 + digit(sign))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeSet;

    use super::*;
    use crate::identity::{MessageId, SenderId};

    #[test]
    fn no_field_stands_in_the_table_twice() {
        let names: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
        let is_name =
            |name: &str| name.bytes().all(|sign| sign.is_ascii_lowercase() || sign == b'_');
        for field in FIELDS {
            assert!(is_name(field.name), "{}", field.name);
            assert!(field.meaning.ends_with('.'), "{}", field.name);
        }
    }

    #[test]
    fn the_share_of_messages_written_of_is_the_one_asked_for() {
        let sender = SenderId::parse("billing").unwrap();
        let ids: Vec<RelayId> = (0..20_000)
            .map(|number| RelayId::of(&sender, &MessageId::parse(&number.to_string()).unwrap()))
            .collect();
        let written = |percent| ids.iter().filter(|id| writes_success(id, percent)).count();
        assert_eq!((written(0), written(100), written(255)), (0, 20_000, 20_000));
        for percent in [1, 10, 50, 99] {
            let (asked, found) = (usize::from(percent) * 200, written(percent));
            // Four times the spread of a fair draw.
            let off = asked.abs_diff(found);
            assert!(
                off * off <= 16 * asked * usize::from(100 - percent) / 100 + 1,
                "{percent}: {found}"
            );
        }
        // Who is written of at a smaller share is so at a larger one.
        let is_nested = |id: &&RelayId| !writes_success(id, 10) || writes_success(id, 11);
        assert!(ids.iter().all(|id| is_nested(&id)));
    }
}
