//! Signing secrets as clients get them. The secret itself is there only when it was just made, or asked for.

use relay_core::access::{MasterSecrets, SigningRecord};
use relay_core::identity::CorrelationId;
use relay_core::signature::SigningSecret;
use relay_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::keys::answers::VersionAnswer;

/// The signing secrets of a sender.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SigningAnswer {
    /// Whose deliveries are signed.
    pub(crate) sender_id: String,
    /// The secrets that are in use, oldest first. Deliveries are signed with every one.
    pub(crate) versions: Vec<SigningVersionAnswer>,
    /// When the first was made (RFC 3339).
    pub(crate) created_at: String,
}

/// One signing secret of a sender.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SigningVersionAnswer {
    #[serde(flatten)]
    pub(crate) about: VersionAnswer,
    /// The secret, `whsec_…`, when it is asked for. Absent if its master secret is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signing_secret: Option<String>,
}

/// A signing secret that was just made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewSigningAnswer {
    #[serde(flatten)]
    pub(crate) about: SigningAnswer,
    /// What verifies deliveries: `whsec_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signing_secret: Option<String>,
    /// Ties the request to its logs.
    pub(crate) correlation_id: String,
}

/// A page of senders that have signing secrets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SigningsAnswer {
    /// The senders of this page, in no particular order.
    pub(crate) items: Vec<SigningAnswer>,
    /// What `cursor` of the next request is to be. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

impl SigningAnswer {
    /// The answer about the secrets of a sender at `now`; with the secrets themselves if there are `masters`.
    pub(crate) fn of(
        record: &SigningRecord,
        masters: Option<&MasterSecrets>,
        now: Timestamp,
    ) -> Self {
        let live = record.versions.iter().filter(|version| version.is_live(now));
        let versions = live.map(|version| {
            let secret = masters.and_then(|masters| version.secret(&record.sender, masters));
            SigningVersionAnswer {
                about: VersionAnswer::of(version.number, version.created_at, version.ends_at),
                signing_secret: secret.map(|secret| secret.reveal()),
            }
        });
        Self {
            sender_id: record.sender.to_string(),
            versions: versions.collect(),
            created_at: record.created_at.to_string(),
        }
    }

    /// The answer with the newest secret.
    pub(crate) fn revealing(
        self,
        secret: Option<SigningSecret>,
        correlation_id: &CorrelationId,
    ) -> NewSigningAnswer {
        NewSigningAnswer {
            about: self,
            signing_secret: secret.map(|secret| secret.reveal()),
            correlation_id: correlation_id.to_string(),
        }
    }
}
