//! The body of a message: bytes nobody here looks into, and where they lie between acceptance and
//! delivery. Reads and writes nothing.

use std::fmt;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize, Serializer};
use sha2::Digest;

use crate::hexadecimal;
use crate::identity::RelayId;

/// SHA-256 of a body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// A hash computed elsewhere.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Reads 64 lower-case hexadecimal digits; nothing for any other text.
    pub fn parse_hex(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal::written(&self.0, |digits| formatter.write_str(digits))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse_hex(&text).ok_or("must be 64 lower-case hexadecimal digits")
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hexadecimal::written(&self.0, |digits| serializer.serialize_str(digits))
    }
}

/// Where a stored body lies and how to know that it is the right one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// The bucket.
    pub bucket: String,
    /// The key in it: `payloads/<id>/<sha256>`.
    pub key: String,
    /// The hash that the bytes must have.
    pub sha256: Sha256,
    /// How many bytes there are.
    pub bytes: u64,
}

impl Pointer {
    /// Where the body of message `id` with this hash is kept. The hash in the key keeps a refused
    /// request from overwriting the body of the accepted one.
    pub fn for_payload(bucket: &str, id: &RelayId, sha256: Sha256, bytes: u64) -> Self {
        let key = hexadecimal::written(&sha256.0, |digits| {
            ["payloads/", id.as_str(), "/", digits].concat()
        });
        Self { bucket: bucket.to_owned(), key, sha256, bytes }
    }
}

/// A body, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// The bytes themselves.
    Inline(Bytes),
    /// The bytes are in the payload store.
    Stored(Pointer),
    /// Only the queue has the bytes. Should the message die, they are put into the payload store, for a redrive.
    Unretained(Pointer),
}

impl Body {
    /// How many bytes the body has.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Stored(pointer) | Self::Unretained(pointer) => pointer.bytes,
        }
    }

    /// The hash of the bytes.
    pub fn sha256(&self) -> Sha256 {
        match self {
            Self::Inline(bytes) => Sha256::of(bytes),
            Self::Stored(pointer) | Self::Unretained(pointer) => pointer.sha256,
        }
    }
}

/// Bodies are customers' data: only their size is shown.
impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(formatter, "Inline({} bytes)", bytes.len()),
            Self::Stored(pointer) => write!(formatter, "Stored({pointer:?})"),
            Self::Unretained(pointer) => write!(formatter, "Unretained({pointer:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_written_and_read_in_lower_case_hexadecimal() {
        let hash = Sha256::of(b"");
        expect_test::expect!["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
            .assert_eq(&hash.to_string());
        assert_eq!(Sha256::parse_hex(&hash.to_string()), Some(hash));
        assert_eq!(Sha256::parse_hex(&hash.to_string().to_uppercase()), None);
        assert_eq!(Sha256::parse_hex("e3"), None);
    }

    #[test]
    fn a_body_never_shows_its_bytes() {
        assert_eq!(format!("{:?}", Body::Inline(Bytes::from_static(b"secret"))), "Inline(6 bytes)");
    }
}
