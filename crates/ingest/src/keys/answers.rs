//! API keys as clients get them. A secret is in the answer that made it and in no other.

use std::fmt;

use relay_core::access::{KeyRecord, KeyVersion, RateLimit, Scope, Senders};
use relay_core::identity::CorrelationId;
use relay_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::fields::EVERY_SENDER;
use super::manage::Secrets;

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyAnswer {
    /// Names the key: 16 characters. No secret.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// Whose messages it is for: `["*"]` for every sender's.
    pub(crate) senders: Vec<String>,
    /// What it may be used for: `send`, `read`, `operate`, `admin`.
    pub(crate) scopes: Vec<&'static str>,
    /// Where it may be used from; from everywhere if the list is empty.
    pub(crate) allowed_ips: Vec<String>,
    /// When it stops to be valid (RFC 3339). Absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
    /// How many requests it may make. Absent if the relay's default counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limit: Option<RateLimitAnswer>,
    /// Whether requests that are not signed are refused.
    pub(crate) require_signature: bool,
    /// Its secrets that are valid, oldest first.
    pub(crate) versions: Vec<VersionAnswer>,
    /// When it was made (RFC 3339).
    pub(crate) created_at: String,
    /// When it was revoked (RFC 3339). Absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<String>,
    /// When it was used last (RFC 3339), to within an hour. Absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<String>,
}

/// How many requests a key may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateLimitAnswer {
    /// Requests a second in the long run.
    pub(crate) per_second: u32,
    /// Requests at once after a pause.
    pub(crate) burst: u32,
}

/// One secret of a key or of a sender, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionAnswer {
    /// Which it is, from 1.
    pub(crate) version: u32,
    /// When it was made (RFC 3339).
    pub(crate) created_at: String,
    /// When it stops to be valid (RFC 3339). Absent for the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ends_at: Option<String>,
}

/// What names the key, and never its secrets.
impl fmt::Debug for KeySecretsAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeySecretsAnswer")
            .field("about", &self.about)
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

/// An API key that was just made or rotated, with its secrets. Nobody can show them again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeySecretsAnswer {
    #[serde(flatten)]
    pub(crate) about: KeyAnswer,
    /// The key: `rk_<id>_<secret>`. Keep it; it is shown this once.
    pub(crate) key: String,
    /// What signs requests that come with it: `whsec_…`. Keep it; it is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signing_secret: Option<String>,
    /// Ties the request to its logs.
    pub(crate) correlation_id: String,
}

/// A page of API keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeysAnswer {
    /// The keys of this page, revoked ones included, in no particular order.
    pub(crate) items: Vec<KeyAnswer>,
    /// What `cursor` of the next request is to be. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

impl VersionAnswer {
    /// A version of which these are number, beginning and end.
    pub(crate) fn of(number: u32, created_at: Timestamp, ends_at: Option<Timestamp>) -> Self {
        let (created_at, ends_at) = (created_at.to_string(), ends_at.map(|end| end.to_string()));
        Self { version: number, created_at, ends_at }
    }
}

impl KeyAnswer {
    /// The answer about a key at `now`.
    pub(crate) fn of(record: KeyRecord, last_used_at: Option<Timestamp>, now: Timestamp) -> Self {
        let KeyRecord { id, rules, versions, created_at, revoked_at, .. } = record;
        let is_live = |version: &&KeyVersion| version.is_live(now);
        let version = |version: &KeyVersion| {
            VersionAnswer::of(version.number, version.created_at, version.ends_at)
        };
        Self {
            id: id.to_string(),
            name: rules.name,
            senders: match rules.senders {
                Senders::All => vec![EVERY_SENDER.to_owned()],
                Senders::Only(senders) => senders.iter().map(ToString::to_string).collect(),
            },
            scopes: rules.scopes.into_iter().map(Scope::as_str).collect(),
            allowed_ips: rules.allowed_ips.blocks().iter().map(ToString::to_string).collect(),
            expires_at: rules.expires_at.map(|time| time.to_string()),
            rate_limit: rules
                .rate_limit
                .map(|RateLimit { per_second, burst }| RateLimitAnswer { per_second, burst }),
            require_signature: rules.require_signature,
            versions: versions.iter().filter(is_live).map(version).collect(),
            created_at: created_at.to_string(),
            revoked_at: revoked_at.map(|time| time.to_string()),
            last_used_at: last_used_at.map(|time| time.to_string()),
        }
    }

    /// The answer with the secrets.
    pub(crate) fn revealing(
        self,
        secrets: &Secrets,
        correlation_id: &CorrelationId,
    ) -> KeySecretsAnswer {
        KeySecretsAnswer {
            about: self,
            key: secrets.key.reveal(),
            signing_secret: secrets.signing.as_ref().map(|secret| secret.reveal()),
            correlation_id: correlation_id.to_string(),
        }
    }
}
