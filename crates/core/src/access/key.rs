//! An API key as its holder has it: `rk_<key id>_<secret>`. Parsing checks its form and its checksum, so that a
//! mistyped key costs no look into the table; whether the key is known is judged elsewhere.

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::identity::lower_base32;

/// Of the id: 80 bits never meet by chance.
const ID_BYTES: usize = 10;
/// Of the secret: 256 bits.
const SECRET_BYTES: usize = 32;
/// Of the checksum, by which scanners of source code tell a key from a text that looks like one.
const CHECKSUM_BYTES: usize = 4;
/// Longest text that can be a key.
const CHARACTERS: usize = ApiKey::PREFIX.len() + 16 + 1 + 58;

/// Names a key. It is no secret: logs and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// A text that is no key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 16 characters of a-z 2-7")]
pub struct MalformedKeyId;

impl KeyId {
    /// Takes the text if it is 16 characters of `a-z 2-7`.
    ///
    /// # Errors
    /// When it is not.
    pub fn parse(text: &str) -> Result<Self, MalformedKeyId> {
        match decode(text) {
            Some(bytes) if bytes.len() == ID_BYTES => Ok(Self(text.to_owned())),
            Some(_) | None => Err(MalformedKeyId),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyId {
    type Error = MalformedKeyId;
    fn try_from(text: String) -> Result<Self, MalformedKeyId> {
        Self::parse(&text)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

/// A key with its secret. It is shown once, by [`ApiKey::reveal`], and never by `Debug`.
#[derive(Clone)]
pub struct ApiKey {
    id: KeyId,
    secret: [u8; SECRET_BYTES],
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey({}, …)", self.id)
    }
}

impl ApiKey {
    /// What every key begins with.
    pub const PREFIX: &str = "rk_";

    /// A new key, of random bits that the caller draws.
    pub fn draw(id: [u8; 16], secret: [[u8; 16]; 2]) -> Self {
        Self::of(KeyId(lower_base32(&id[..ID_BYTES])), secret)
    }

    /// A new secret for a key that has an id already, of random bits that the caller draws.
    pub fn of(id: KeyId, secret: [[u8; 16]; 2]) -> Self {
        let mut whole = [0; SECRET_BYTES];
        whole[..16].copy_from_slice(&secret[0]);
        whole[16..].copy_from_slice(&secret[1]);
        Self { id, secret: whole }
    }

    /// Reads a key; nothing for any text that is none, a mistyped key among them.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != CHARACTERS {
            return None;
        }
        let (id, rest) = text.strip_prefix(ApiKey::PREFIX)?.split_once('_')?;
        let id = KeyId::parse(id).ok()?;
        let bytes = decode(rest)?;
        let (secret, checksum) = bytes.split_at_checked(SECRET_BYTES)?;
        let key = Self { id, secret: secret.try_into().ok()? };
        (key.checksum() == checksum).then_some(key)
    }

    /// Which key it is.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The whole key as text, for its holder's eyes only.
    pub fn reveal(&self) -> String {
        let bytes = [&self.secret[..], &self.checksum()].concat();
        format!("{}{}_{}", Self::PREFIX, self.id, lower_base32(&bytes))
    }

    /// What is stored instead of the secret.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.secret).into())
    }

    fn checksum(&self) -> [u8; CHECKSUM_BYTES] {
        let digest = Sha256::new()
            .chain_update(ApiKey::PREFIX)
            .chain_update(self.id.as_str())
            .chain_update(self.secret)
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

/// The SHA-256 of a secret. A secret of 256 random bits needs no salt and no slow hash: nobody can try them all.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Whether both are of the same secret, in a time that does not depend on where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(…)")
    }
}

/// A text that is no hash of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hexadecimal digits")]
pub struct MalformedHash;

impl TryFrom<String> for SecretHash {
    type Error = MalformedHash;
    fn try_from(text: String) -> Result<Self, MalformedHash> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| MalformedHash)?;
        bytes.try_into().map(Self).map_err(|_| MalformedHash)
    }
}

impl From<SecretHash> for String {
    fn from(hash: SecretHash) -> Self {
        HEXLOWER.encode(&hash.0)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let is_lower = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
    if !text.bytes().all(is_lower) {
        return None;
    }
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn key() -> ApiKey {
        ApiKey::draw([1; 16], [[2; 16], [3; 16]])
    }

    #[test]
    fn a_key_reads_back() {
        let text = key().reveal();
        expect_test::expect![
            "rk_aeaqcaibaeaqcaib_aibaeaqcaibaeaqcaibaeaqcaibqgaydambqgaydambqgaydamb56ptq5m"
        ]
        .assert_eq(&text);
        assert_eq!(text.len(), CHARACTERS);
        let read = ApiKey::parse(&text).unwrap();
        assert_eq!((read.id(), read.hash()), (key().id(), key().hash()));
    }

    #[test]
    fn every_mistyped_key_is_refused() {
        let text = key().reveal();
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'c' { b'd' } else { b'c' };
            assert!(ApiKey::parse(std::str::from_utf8(&wrong).unwrap()).is_none(), "{at}");
        }
        for wrong in [&text[1..], &format!("{text}a"), "", "rk_", &text.to_uppercase()] {
            assert!(ApiKey::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        let shown = format!("{:?} {:?}", key(), key().hash());
        assert_eq!(shown, "ApiKey(aeaqcaibaeaqcaib, …) SecretHash(…)");
    }

    #[test]
    fn another_secret_of_the_same_key_has_another_hash() {
        let other = ApiKey::of(key().id().clone(), [[2; 16], [4; 16]]);
        assert_ne!(other.hash(), key().hash());
        let text = String::from(key().hash());
        assert_eq!(SecretHash::try_from(text).unwrap(), key().hash());
        assert_eq!(SecretHash::try_from("00".to_owned()), Err(MalformedHash));
    }
}
