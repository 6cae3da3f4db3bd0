//! The names of things: who sent a message, what the sender calls it, what the relay calls it, and
//! which acceptance, attempt and request it belongs to. Each name is parsed once, at the border.

use std::fmt;
use std::sync::Arc;

use data_encoding::{BASE32_NOPAD, Encoding};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::hexadecimal;

/// Longest `messageId`, in characters.
pub const MESSAGE_ID_CHARACTERS_MAX: usize = 128;
/// Longest `senderId`, in characters.
pub const SENDER_ID_CHARACTERS_MAX: usize = 64;
/// Longest correlation id, in characters.
pub const CORRELATION_ID_CHARACTERS_MAX: usize = 128;
/// How much of the SHA-256 is kept in a relay id: 160 bits are beyond collision by chance or by work.
const RELAY_ID_BYTES: usize = 20;
const RELAY_ID_PREFIX: &str = "msg_";
/// How many characters a relay id has: five bits each, after the prefix.
const RELAY_ID_CHARACTERS: usize = RELAY_ID_PREFIX.len() + RELAY_ID_BYTES * 8 / 5;

/// A name that does not have the form asked for; the text says which form that is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct MalformedName {
    expected: &'static str,
}

/// Reads a text for what `parse` makes of it, without a text of its own in between.
pub(crate) struct Text<T, E>(pub(crate) fn(&str) -> Result<T, E>);

impl<T, E: fmt::Display> Visitor<'_> for Text<T, E> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<F: Error>(self, text: &str) -> Result<T, F> {
        (self.0)(text).map_err(F::custom)
    }
}

/// What all names have in common. Copies share the text: a name is written down in many places and never changed.
macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

macro_rules! name {
    ($(#[$meaning:meta])* $name:ident, $expected:literal, $accepts:expr) => {
        $(#[$meaning])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        text!($name);

        impl $name {
            #[doc = concat!("Takes the text if it has the right form: it ", $expected, ".\n\n# Errors\nWhen it does not.")]
            pub fn parse(text: &str) -> Result<Self, MalformedName> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(MalformedName { expected: $expected })
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(Self::parse))
            }
        }
    };
}

fn made_of(text: &str, characters_max: usize, accepts: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= characters_max && text.bytes().all(accepts)
}

name!(
    /// What the sender calls the message. With the sender's id it says whether two requests are the same.
    MessageId,
    "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ + -",
    |text| made_of(text, MESSAGE_ID_CHARACTERS_MAX, |byte| {
        byte.is_ascii_alphanumeric() || b"._:@+-".contains(&byte)
    })
);

name!(
    /// Who sends: the namespace of message ids.
    SenderId,
    "must be 1 to 64 characters of A-Z a-z 0-9 _ -",
    |text| made_of(text, SENDER_ID_CHARACTERS_MAX, |byte| {
        byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
    })
);

name!(
    /// Ties one request to its log lines, its queue message and its delivery.
    CorrelationId,
    "must be 1 to 128 visible ASCII characters",
    |text| made_of(text, CORRELATION_ID_CHARACTERS_MAX, |byte| byte.is_ascii_graphic())
);

name!(
    /// What the relay calls a message, everywhere and in the `webhook-id` header: `msg_` and 32
    /// characters of lower-case base32. It is computed from the sender's two ids, never looked up.
    RelayId,
    "must be msg_ and 32 characters of a-z 2-7",
    |text| text.strip_prefix(RELAY_ID_PREFIX).is_some_and(|code| {
        text.len() == RELAY_ID_CHARACTERS
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
    })
);

impl RelayId {
    /// The id of the message that `sender` calls `message`. Lengths go into the hash, so that no two
    /// pairs of ids can meet in one relay id by moving a character across the border.
    pub fn of(sender: &SenderId, message: &MessageId) -> Self {
        let mut hash = Sha256::new();
        for part in [sender.as_str(), message.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut text = [0; RELAY_ID_CHARACTERS];
        let (prefix, code) = text.split_at_mut(RELAY_ID_PREFIX.len());
        prefix.copy_from_slice(RELAY_ID_PREFIX.as_bytes());
        BASE32_NOPAD.encode_mut(&digest[..RELAY_ID_BYTES], code);
        code.make_ascii_lowercase();
        // Letters and digits are text.
        Self(std::str::from_utf8(&text).unwrap_or_default().into())
    }
}

impl CorrelationId {
    /// Names a request that brought no name by 128 random bits, which the caller draws.
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(hexadecimal::written(&bits, |digits| digits.into()))
    }
}

macro_rules! drawn {
    ($(#[$meaning:meta])* $name:ident) => {
        $(#[$meaning])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        text!($name);

        impl $name {
            /// Names it by 128 random bits, which the caller draws.
            pub fn from_random(bits: [u8; 16]) -> Self {
                Self(hexadecimal::written(&bits, |digits| digits.into()))
            }

            /// Takes a name that was written down before.
            pub fn from_stored(text: String) -> Self {
                Self(text.into())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let taken = |text: &str| Ok::<_, MalformedName>(Self(text.into()));
                deserializer.deserialize_str(Text(taken))
            }
        }
    };
}

drawn!(
    /// One acceptance of a message. An id that is used again after its record expired is another
    /// acceptance, and nothing of the first one counts for it.
    AcceptedId
);
drawn!(
    /// One worker's hold on a message for one attempt.
    LeaseId
);

/// How often a message was set going: 0 at acceptance, one more for each redrive or resend.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u32);

impl Generation {
    /// The generation that a redrive or a resend begins.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Lower-case base32 without padding (RFC 4648 section 6, letters in lower case).
pub(crate) fn lower_base32(bytes: &[u8]) -> String {
    let encoding: &Encoding = &BASE32_NOPAD;
    encoding.encode(bytes).to_ascii_lowercase()
}

/// The bytes of [`lower_base32`] text; nothing if it is not such text.
pub(crate) fn from_lower_base32(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn names_take_their_alphabet_and_nothing_else() {
        for good in ["order-1042", "a", "A.b_c:d@e+f-9", &"x".repeat(128)] {
            assert!(MessageId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a/b", "a\n", &"x".repeat(129)] {
            assert!(MessageId::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "a.b", "a:b", &"x".repeat(65)] {
            assert!(SenderId::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "a b", "é", "a\u{7f}", &"x".repeat(129)] {
            assert!(CorrelationId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_relay_id_is_computed_and_stable() {
        let id = RelayId::of(
            &SenderId::parse("billing").unwrap(),
            &MessageId::parse("order-1042").unwrap(),
        );
        // A changed value here would strand every stored message.
        expect_test::expect!["msg_2warzholesewdmt5f4njnwmcf6y5imtt"].assert_eq(id.as_str());
        assert_eq!(RelayId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn no_two_pairs_meet_in_one_relay_id() {
        let of = |sender: &str, message: &str| {
            RelayId::of(&SenderId::parse(sender).unwrap(), &MessageId::parse(message).unwrap())
        };
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_ne!(of("a", "b"), of("b", "a"));
    }

    #[test]
    fn relay_ids_of_another_form_are_refused() {
        let upper = format!("msg_{}", "A".repeat(32));
        let short = format!("msg_{}", "a".repeat(31));
        for bad in ["", "msg_", &upper, &short, "evt_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(RelayId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn base32_goes_both_ways_and_refuses_capitals() {
        assert_eq!(from_lower_base32(&lower_base32(b"hello")).as_deref(), Some(&b"hello"[..]));
        assert_eq!(from_lower_base32("NBSWY3DP"), None);
    }
}
