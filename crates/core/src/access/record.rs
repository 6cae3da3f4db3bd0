//! What is stored of an API key, and what a request that presents it may do.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::key::{ApiKey, KeyId, SecretHash};
use super::limit::RateLimit;
use super::master::MasterId;
use crate::identity::SenderId;
use crate::time::Timestamp;

/// Most versions of a key or a signing secret that are valid at one time: the new one, the one it replaces, and one more
/// for a rotation that has to be repeated while the last is still under way.
pub const LIVE_VERSIONS_MAX: usize = 3;
/// How long the version that is replaced stays valid unless the caller says otherwise: a day's deployments.
pub const GRACE_DEFAULT: Duration = Duration::from_hours(24);
/// How long it may stay valid at most.
pub const GRACE_MAX: Duration = Duration::from_hours(7 * 24);

/// What a key may be used for. None implies another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Post messages and announce uploads.
    Send,
    /// See messages.
    Read,
    /// Redrive and resend; see destinations.
    Operate,
    /// Manage keys and signing secrets.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Send, Self::Read, Self::Operate, Self::Admin];

    /// The scope as the API names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whose messages a key is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Senders {
    /// Every sender's, also those that do not exist yet.
    All,
    /// These senders' alone.
    Only(BTreeSet<SenderId>),
}

impl Senders {
    /// Whether this sender is among them.
    pub fn include(&self, sender: &SenderId) -> bool {
        match self {
            Self::All => true,
            Self::Only(senders) => senders.contains(sender),
        }
    }

    /// Whether all of `others` are among them.
    pub fn cover(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(senders), Self::Only(others)) => others.is_subset(senders),
        }
    }
}

/// Where a key may be used from; from everywhere if no block is listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllowedIps(Vec<IpNet>);

impl AllowedIps {
    /// These blocks. A block of IPv4-mapped IPv6 addresses is the block of the IPv4 addresses in it.
    pub fn new(blocks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(blocks.into_iter().map(|block| unmapped(block.trunc())).collect())
    }

    /// Reads an address or a CIDR block, IPv4 or IPv6; nothing for any other text.
    pub fn parse_block(text: &str) -> Option<IpNet> {
        let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse::<IpNet>().ok().or_else(single)
    }

    /// The blocks.
    pub fn blocks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether a request from this address is welcome. An IPv4-mapped IPv6 address is the IPv4 address; an unknown
    /// address is in no block.
    pub fn allow(&self, source: Option<IpAddr>) -> bool {
        self.0.is_empty()
            || source.is_some_and(|source| {
                self.0.iter().any(|block| block.contains(&source.to_canonical()))
            })
    }
}

/// Prefix length of the block of all IPv4-mapped addresses, `::ffff:0:0/96` (RFC 4291 section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

fn unmapped(block: IpNet) -> IpNet {
    let IpNet::V6(inside) = block else { return block };
    let mapped: Option<std::net::Ipv4Addr> = Ipv6Addr::to_ipv4_mapped(&inside.addr());
    let length = inside.prefix_len().checked_sub(MAPPED_PREFIX);
    match (mapped, length) {
        (Some(address), Some(length)) => {
            ipnet::Ipv4Net::new(address, length).map_or(block, IpNet::V4)
        }
        (_, _) => block,
    }
}

/// One secret of a key. A rotation adds one and ends the others after a grace period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyVersion {
    /// Which version it is, from 1.
    pub number: u32,
    /// The SHA-256 of its secret.
    pub hash: SecretHash,
    /// The master secret that the signing secret of this version is derived from; nothing if it has none.
    pub master: Option<MasterId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to be valid; nothing for the newest.
    pub ends_at: Option<Timestamp>,
}

impl KeyVersion {
    /// Whether it is valid at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

/// What the holder of a key may do, as its administrator sets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRules {
    /// What people call the key.
    pub name: String,
    /// Whose messages it is for.
    pub senders: Senders,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// Where it may be used from.
    #[serde(default)]
    pub allowed_ips: AllowedIps,
    /// When it stops to be valid, whatever its versions say.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// How many requests it may make; nothing for the relay's default.
    pub rate_limit: Option<RateLimit>,
    /// Whether requests that are not signed are refused.
    pub require_signature: bool,
}

/// What is stored of an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The key.
    pub id: KeyId,
    /// What it may do.
    pub rules: KeyRules,
    /// Its secrets, oldest first. The last is the newest and is always there.
    pub versions: Vec<KeyVersion>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked. A revoked key stays on record, so that it can be told from one that never was.
    pub revoked_at: Option<Timestamp>,
    /// What the next write is conditional on: one more with each.
    pub revision: u64,
    /// By which a repeated write recognises itself.
    pub write_id: String,
}

/// A rotation that would leave too many versions valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{LIVE_VERSIONS_MAX} versions are valid already; wait until one has ended, or rotate with a grace period of 0"
)]
pub struct TooManyVersions;

impl KeyRecord {
    /// The record of a new key, not yet written.
    pub fn new(
        key: &ApiKey,
        rules: KeyRules,
        master: Option<MasterId>,
        now: Timestamp,
        write_id: String,
    ) -> Self {
        let first =
            KeyVersion { number: 1, hash: key.hash(), master, created_at: now, ends_at: None };
        Self {
            id: key.id().clone(),
            rules,
            versions: vec![first],
            created_at: now,
            revoked_at: None,
            revision: 1,
            write_id,
        }
    }

    /// The record with a change, to be written in place of this one.
    #[must_use]
    pub fn changed(self, write_id: String) -> Self {
        Self { revision: self.revision + 1, write_id, ..self }
    }

    /// The record with a new version; the others end after `grace`, or when they would have anyway. What has ended is
    /// forgotten.
    ///
    /// # Errors
    /// When too many versions would be valid at once.
    pub fn rotated(
        self,
        key: &ApiKey,
        master: Option<MasterId>,
        grace: Duration,
        now: Timestamp,
        write_id: String,
    ) -> Result<Self, TooManyVersions> {
        let number = self.versions.last().map_or(0, |newest| newest.number) + 1;
        let mut versions = superseded(self.versions, |version| &mut version.ends_at, grace, now)?;
        versions.push(KeyVersion {
            number,
            hash: key.hash(),
            master,
            created_at: now,
            ends_at: None,
        });
        Ok(Self { versions, ..self }.changed(write_id))
    }

    /// The record of the revoked key.
    #[must_use]
    pub fn revoked(self, now: Timestamp, write_id: String) -> Self {
        Self { revoked_at: Some(self.revoked_at.unwrap_or(now)), ..self }.changed(write_id)
    }
}

/// What remains of the versions of a key or a signing secret when a new one takes their place: each ends after `grace`,
/// or when it would have anyway, and what has ended is forgotten. Fails if there is no room for another.
pub(super) fn superseded<V>(
    mut versions: Vec<V>,
    ends_at: fn(&mut V) -> &mut Option<Timestamp>,
    grace: Duration,
    now: Timestamp,
) -> Result<Vec<V>, TooManyVersions> {
    let latest = now.plus(grace);
    versions.retain_mut(|version| {
        let ends_at = ends_at(version);
        let end = ends_at.map_or(latest, |earlier| earlier.min(latest));
        *ends_at = Some(end);
        now < end
    });
    if versions.len() < LIVE_VERSIONS_MAX { Ok(versions) } else { Err(TooManyVersions) }
}
