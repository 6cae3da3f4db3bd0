//! The master secrets, and the secrets that are derived from them: no signing secret is stored anywhere.
//!
//! Derivation is HKDF-SHA256 (RFC 5869) without a salt: a master secret is 256 random bits or more already. What a
//! secret is for stands in the `info`, each part with its length before it, so that no two purposes can meet.

use std::collections::BTreeMap;
use std::fmt;

use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::key::KeyId;
use crate::identity::SenderId;
use crate::signature::SigningSecret;

/// The name that says which master secret counts for new secrets.
const CURRENT: &str = "current";
/// Shortest master secret, in bytes: as text of letters and digits that is more than 256 bits.
const BYTES_MIN: usize = 44;
/// Longest name of a master secret, in characters.
const NAME_CHARACTERS_MAX: usize = 32;
/// Bytes of a derived secret: those of the HMAC's hash (Standard Webhooks 1.0 takes 24 to 64).
const DERIVED_BYTES: usize = 32;

/// Names a master secret. It is no secret: records say by it what they are derived from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MasterId(String);

impl MasterId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MasterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The master secrets. None is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterSecrets {
    current: MasterId,
    all: BTreeMap<MasterId, Vec<u8>>,
}

impl fmt::Debug for MasterSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.all.keys().collect::<Vec<_>>();
        write!(formatter, "MasterSecrets({names:?}, current: {:?})", self.current)
    }
}

/// A text that master secrets cannot be read from. It says nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMasters {
    /// It is no JSON object of texts.
    #[error("must be a JSON object whose values are texts")]
    NotAnObject,
    /// `current` names none of them.
    #[error("\"current\" must name one of the other entries")]
    NoCurrent,
    /// One is too short to be a secret, or its name is too long.
    #[error(
        "an entry must have a name of 1 to {NAME_CHARACTERS_MAX} characters and a value of at least {BYTES_MIN}"
    )]
    Weak,
}

/// What a secret is derived for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Signing the deliveries of a sender.
    Deliveries {
        /// The sender.
        sender: &'a SenderId,
        /// Random, drawn with the version: a sender that begins anew has other secrets.
        nonce: &'a str,
    },
    /// Signing the requests that come with a version of an API key.
    Requests {
        /// The key.
        key: &'a KeyId,
        /// The version.
        version: u32,
    },
}

impl MasterSecrets {
    /// Reads a JSON object such as `{"current": "1", "1": "<secret>"}`: every entry but `current` is a master secret.
    ///
    /// # Errors
    /// When it cannot be read or has a secret that is none.
    pub fn parse(json: &str) -> Result<Self, MalformedMasters> {
        let texts: BTreeMap<String, String> =
            serde_json::from_str(json).map_err(|_| MalformedMasters::NotAnObject)?;
        let mut current = None;
        let mut all = BTreeMap::new();
        for (name, text) in texts {
            if name == CURRENT {
                current = Some(MasterId(text));
                continue;
            }
            let named = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count());
            if !named || text.len() < BYTES_MIN {
                return Err(MalformedMasters::Weak);
            }
            all.insert(MasterId(name), text.into_bytes());
        }
        let current = current.filter(|current| all.contains_key(current));
        Ok(Self { current: current.ok_or(MalformedMasters::NoCurrent)?, all })
    }

    /// The one that new secrets are derived from.
    pub fn current(&self) -> &MasterId {
        &self.current
    }

    /// Whether there is such a master secret.
    pub fn has(&self, master: &MasterId) -> bool {
        self.all.contains_key(master)
    }

    /// The secret for this purpose; nothing if there is no such master secret (any more).
    pub fn derive(&self, master: &MasterId, purpose: Purpose<'_>) -> Option<SigningSecret> {
        let secret = self.all.get(master)?;
        let version;
        let parts = match purpose {
            Purpose::Deliveries { sender, nonce } => ["deliveries", sender.as_str(), nonce],
            Purpose::Requests { key, version: number } => {
                version = number.to_string();
                ["requests", key.as_str(), &version]
            }
        };
        let mut info = b"webhook-relay/1".to_vec();
        for part in parts {
            info.extend((part.len() as u64).to_be_bytes());
            info.extend(part.as_bytes());
        }
        let mut derived = [0; DERIVED_BYTES];
        Hkdf::<Sha256>::new(None, secret).expand(&info, &mut derived).ok()?;
        Some(SigningSecret::from_bytes(derived))
    }
}
