//! The secrets by which deliveries of a sender are signed, as they are stored: which versions there are and what each is
//! derived from, never a secret itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::master::{MasterId, MasterSecrets, Purpose};
use super::record::{TooManyVersions, superseded};
use crate::identity::SenderId;
use crate::signature::SigningSecret;
use crate::time::Timestamp;

/// One signing secret of a sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningVersion {
    /// Which version it is, from 1.
    pub number: u32,
    /// The master secret that it is derived from.
    pub master: MasterId,
    /// Random, and no secret: see [`Purpose::Deliveries`].
    pub nonce: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to be used; nothing for the newest.
    pub ends_at: Option<Timestamp>,
}

impl SigningVersion {
    /// Whether deliveries are signed with it at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }

    /// The secret itself; nothing if its master secret is gone.
    pub fn secret(&self, sender: &SenderId, masters: &MasterSecrets) -> Option<SigningSecret> {
        masters.derive(&self.master, Purpose::Deliveries { sender, nonce: &self.nonce })
    }
}

/// The signing secrets of a sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningRecord {
    /// Whose deliveries are signed.
    pub sender: SenderId,
    /// Its secrets, oldest first. The last is the newest and is always there.
    pub versions: Vec<SigningVersion>,
    /// When the first was made.
    pub created_at: Timestamp,
    /// What the next write is conditional on: one more with each.
    pub revision: u64,
    /// By which a repeated write recognises itself.
    pub write_id: String,
}

impl SigningRecord {
    /// The record of a sender's first secret, not yet written. `nonce` and `write_id` are drawn by the caller.
    pub fn new(
        sender: SenderId,
        master: MasterId,
        nonce: String,
        now: Timestamp,
        write_id: String,
    ) -> Self {
        let first = SigningVersion { number: 1, master, nonce, created_at: now, ends_at: None };
        Self { sender, versions: vec![first], created_at: now, revision: 1, write_id }
    }

    /// The record with a new version; the others end after `grace`, or when they would have anyway. What has ended is
    /// forgotten.
    ///
    /// # Errors
    /// When too many versions would be in use at once.
    pub fn rotated(
        self,
        master: MasterId,
        nonce: String,
        grace: Duration,
        now: Timestamp,
        write_id: String,
    ) -> Result<Self, TooManyVersions> {
        let number = self.versions.last().map_or(0, |newest| newest.number) + 1;
        let mut versions = superseded(self.versions, |version| &mut version.ends_at, grace, now)?;
        versions.push(SigningVersion { number, master, nonce, created_at: now, ends_at: None });
        Ok(Self { versions, revision: self.revision + 1, write_id, ..self })
    }

    /// The versions that deliveries are signed with at `now`, newest first.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &SigningVersion> {
        self.versions.iter().rev().filter(move |version| version.is_live(now))
    }
}
