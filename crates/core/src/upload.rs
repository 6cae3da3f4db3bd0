//! Bodies that are uploaded before their message is posted. An upload id says what was announced for
//! it (size and hash), so nothing needs to be remembered between the announcement and the message.

use std::fmt;

use crate::body::Sha256;
use crate::identity::{from_lower_base32, lower_base32};

const PREFIX: &str = "upl_";

/// One announced upload: 128 random bits, the announced SHA-256 and the announced size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId {
    random: [u8; 16],
    sha256: Sha256,
    bytes: u64,
}

impl UploadId {
    /// Announces an upload of `bytes` bytes with this hash; the caller draws the randomness.
    pub const fn announce(random: [u8; 16], sha256: Sha256, bytes: u64) -> Self {
        Self { random, sha256, bytes }
    }

    /// Reads an upload id; nothing for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let raw: [u8; 56] = from_lower_base32(text.strip_prefix(PREFIX)?)?.try_into().ok()?;
        let (random, rest) = raw.split_first_chunk::<16>()?;
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        let bytes = u64::from_be_bytes(rest.try_into().ok()?);
        Some(Self { random: *random, sha256: Sha256::from_digest(*digest), bytes })
    }

    /// The hash that was announced.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The size that was announced, in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the upload lands.
    pub fn key(&self) -> String {
        format!("uploads/{self}")
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut raw = [0; 56];
        raw[..16].copy_from_slice(&self.random);
        raw[16..48].copy_from_slice(self.sha256.as_bytes());
        raw[48..].copy_from_slice(&self.bytes.to_be_bytes());
        write!(formatter, "{PREFIX}{}", lower_base32(&raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_id_says_what_was_announced() {
        let announced = UploadId::announce([7; 16], Sha256::of(b"body"), 52_428_800);
        assert_eq!(UploadId::parse(&announced.to_string()), Some(announced));
    }

    #[test]
    fn other_texts_are_no_upload_ids() {
        for text in ["", "upl_", "upl_aaaa", "msg_aaaa", "upl_../../payloads/x"] {
            assert_eq!(UploadId::parse(text), None, "{text}");
        }
    }
}
