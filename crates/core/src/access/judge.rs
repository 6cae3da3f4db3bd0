//! Whether a request that presents a key is let in, and what it may do then.

use std::net::IpAddr;

use super::key::{ApiKey, KeyId};
use super::limit::RateLimit;
use super::master::MasterId;
use super::record::{KeyRecord, KeyVersion, Scope, Senders};
use crate::identity::SenderId;
use crate::time::Timestamp;

/// Why a key does not let a request in. The words are for logs: a client is told no more than 401 or 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such key.
    #[error("no such key")]
    Unknown,
    /// The secret is none of the key's.
    #[error("a wrong secret")]
    WrongSecret,
    /// The secret was the key's, and its grace period is over.
    #[error("a version that has ended")]
    VersionEnded,
    /// The key was revoked.
    #[error("a revoked key")]
    Revoked,
    /// The key has expired.
    #[error("an expired key")]
    Expired,
    /// The key is good, but not from this address.
    #[error("an address that is not allowed")]
    AddressNotAllowed,
}

/// What an authenticated request may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which key it came with, and which version of it; nothing where keys are not asked for.
    pub key: Option<(KeyId, u32)>,
    /// Whose messages it may touch.
    pub senders: Senders,
    /// What it may do with them.
    pub scopes: std::collections::BTreeSet<Scope>,
    /// How many requests its key may make; nothing for the default.
    pub rate_limit: Option<RateLimit>,
    /// Whether it has to be signed.
    pub require_signature: bool,
    /// The master secret that its signing secret comes from.
    pub master: Option<MasterId>,
    /// When the version that was used came out of use, and when it ends; nothing for the newest.
    pub superseded: Option<Superseded>,
}

/// A version that a newer one has replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superseded {
    /// Since when.
    pub since: Timestamp,
    /// When it stops to be valid.
    pub until: Timestamp,
}

impl Grant {
    /// What everybody may do where keys are not asked for.
    pub fn everything() -> Self {
        Self {
            key: None,
            senders: Senders::All,
            scopes: Scope::ALL.into(),
            rate_limit: None,
            require_signature: false,
            master: None,
            superseded: None,
        }
    }

    /// Whether it may touch this sender's messages.
    pub fn covers(&self, sender: &SenderId) -> bool {
        self.senders.include(sender)
    }

    /// Whether it may do this.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Judges a request with `key` from `source`. `record` is what is stored of the key, if anything is.
///
/// # Errors
/// Why it is not let in. Who does not know the secret learns nothing but that: everything else is judged after it.
pub fn admit(
    record: Option<&KeyRecord>,
    key: &ApiKey,
    source: Option<IpAddr>,
    now: Timestamp,
) -> Result<Grant, Refusal> {
    let record = record.ok_or(Refusal::Unknown)?;
    let version = matching(record, key).ok_or(Refusal::WrongSecret)?;
    if record.revoked_at.is_some() {
        return Err(Refusal::Revoked);
    }
    if record.rules.expires_at.is_some_and(|end| end <= now) {
        return Err(Refusal::Expired);
    }
    if !version.is_live(now) {
        return Err(Refusal::VersionEnded);
    }
    if !record.rules.allowed_ips.allow(source) {
        return Err(Refusal::AddressNotAllowed);
    }
    let next = record.versions.iter().find(|other| other.number > version.number);
    let rules = &record.rules;
    Ok(Grant {
        key: Some((record.id.clone(), version.number)),
        senders: rules.senders.clone(),
        scopes: rules.scopes.clone(),
        rate_limit: rules.rate_limit,
        require_signature: rules.require_signature,
        master: version.master.clone(),
        superseded: version.ends_at.map(|until| {
            let since = next.map_or(version.created_at, |next| next.created_at);
            Superseded { since, until }
        }),
    })
}

/// The version with this secret. Every version is compared, and each comparison takes the same time wherever the
/// hashes differ: the time says nothing about how much of a secret is right.
fn matching<'a>(record: &'a KeyRecord, key: &ApiKey) -> Option<&'a KeyVersion> {
    let hash = key.hash();
    let fold =
        |found, version: &'a KeyVersion| if version.hash.is(&hash) { Some(version) } else { found };
    record.versions.iter().fold(None, fold)
}
