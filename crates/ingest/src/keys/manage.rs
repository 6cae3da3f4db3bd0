//! Making, changing, rotating and revoking API keys, within what the caller's own key covers. Knows nothing of HTTP.

use std::time::Duration;

use data_encoding::HEXLOWER;
use relay_core::access::{
    ApiKey, Grant, KeyId, KeyRecord, KeyRules, MasterId, MasterSecrets, Purpose, TooManyVersions,
};
use relay_core::ports::{Ambient, PortError, RevisionWritten, StoredKey};
use relay_core::signature::SigningSecret;

use super::fields::Change;
use crate::accept::Ports;
use crate::access::Remembered;

/// How often a write that somebody else was faster with is tried again.
pub(crate) const WRITES_MAX: usize = 4;

/// Why a key is not made, changed or shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// There is none with this id, or none that the caller may see.
    #[error("there is no API key with this id")]
    NotFound,
    /// The caller's key does not cover the senders that this one is to have.
    #[error("an API key cannot be given senders that your own key does not have")]
    NotCovered,
    /// It is revoked, which is for ever.
    #[error("the API key is revoked")]
    Revoked,
    /// Too many versions would be valid at once.
    #[error(transparent)]
    TooManyVersions(#[from] TooManyVersions),
    /// Somebody else rotated it at the same time: without a grace period one of the two new secrets would be void.
    #[error("the API key was rotated by somebody else meanwhile")]
    Overtaken,
    /// Somebody else changes it all the time.
    #[error("the API key is being changed by somebody else; try again")]
    Busy,
    /// A port could not do its part.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// A key and the secret that signs its requests. They are shown once.
pub(crate) struct Secrets {
    pub(crate) key: ApiKey,
    pub(crate) signing: Option<SigningSecret>,
}

/// The use case.
pub(crate) struct ManageKeys<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) remembered: &'a Remembered,
    /// What the caller may do.
    pub(crate) grant: &'a Grant,
}

impl ManageKeys<'_> {
    /// Makes a key.
    pub(crate) async fn create(&self, rules: KeyRules) -> Result<(KeyRecord, Secrets), KeyError> {
        self.may_give(&rules)?;
        let (masters, master) = self.masters().await?;
        for _ in 0..WRITES_MAX {
            let ambient = &self.ports.ambient;
            let key = ApiKey::draw(ambient.bits(), [ambient.bits(), ambient.bits()]);
            let (master, write_id) = (Some(master.clone()), write_id(&**ambient));
            let record = KeyRecord::new(&key, rules.clone(), master, ambient.now(), write_id);
            match self.ports.keys.write(&record).await? {
                RevisionWritten::Done => {
                    tracing::info!(key_id = %record.id, by = self.by(), "an API key was made");
                    let secrets = Secrets { signing: signing(&masters, &record), key };
                    return Ok((record, secrets));
                }
                // The id is taken: it is drawn from 80 bits, so this never happens.
                RevisionWritten::Changed(_) => {}
            }
        }
        Err(KeyError::Busy)
    }

    /// The key with this id.
    pub(crate) async fn find(&self, id: &KeyId) -> Result<StoredKey, KeyError> {
        let found = self.ports.keys.find(id).await?.filter(|found| self.may_see(&found.record));
        found.ok_or(KeyError::NotFound)
    }

    /// Whether the caller may know of this key.
    pub(crate) fn may_see(&self, record: &KeyRecord) -> bool {
        self.grant.senders.cover(&record.rules.senders)
    }

    /// Changes what a key may do.
    pub(crate) async fn change(&self, id: &KeyId, change: &Change) -> Result<StoredKey, KeyError> {
        self.write(id, "an API key was changed", |record, write_id| {
            let rules = change.applied_to(&record.rules);
            self.may_give(&rules)?;
            refuse_revoked(&record)?;
            let is_same = rules == record.rules;
            Ok((!is_same).then(|| KeyRecord { rules, ..record }.changed(write_id)))
        })
        .await
    }

    /// Gives a key a new secret; what it had before stays valid for a while.
    pub(crate) async fn rotate(
        &self,
        id: &KeyId,
        grace: Duration,
    ) -> Result<(StoredKey, Secrets), KeyError> {
        // What may not be rotated is to be known before the vault is asked.
        let newest = self.find(id).await?.record.versions.last().map(|version| version.number);
        let (masters, master) = self.masters().await?;
        let ambient = &self.ports.ambient;
        let key = ApiKey::of(id.clone(), [ambient.bits(), ambient.bits()]);
        let rotated = self
            .write(id, "an API key was rotated", |record, write_id| {
                refuse_revoked(&record)?;
                if record.versions.last().map(|version| version.number) != newest {
                    return Err(KeyError::Overtaken);
                }
                let now = self.ports.ambient.now();
                Ok(Some(record.rotated(&key, Some(master.clone()), grace, now, write_id)?))
            })
            .await?;
        let secrets = Secrets { signing: signing(&masters, &rotated.record), key };
        Ok((rotated, secrets))
    }

    /// Ends a key for ever. Doing so again changes nothing.
    pub(crate) async fn revoke(&self, id: &KeyId) -> Result<(), KeyError> {
        let revoked = self.write(id, "an API key was revoked", |record, write_id| {
            let now = self.ports.ambient.now();
            Ok(record.revoked_at.is_none().then(|| record.revoked(now, write_id)))
        });
        revoked.await.map(drop)
    }

    /// Writes what `next` makes of the record, if that is anything; again if somebody else was faster.
    async fn write(
        &self,
        id: &KeyId,
        done: &str,
        next: impl Fn(KeyRecord, String) -> Result<Option<KeyRecord>, KeyError>,
    ) -> Result<StoredKey, KeyError> {
        for _ in 0..WRITES_MAX {
            let stored = self.find(id).await?;
            let Some(record) = next(stored.record.clone(), write_id(&*self.ports.ambient))? else {
                return Ok(stored);
            };
            let asked_at = self.ports.ambient.now();
            match self.ports.keys.write(&record).await? {
                RevisionWritten::Done => {
                    tracing::info!(key_id = %id, by = self.by(), "{done}");
                    self.remembered.written(record.clone(), asked_at);
                    return Ok(StoredKey { record, ..stored });
                }
                RevisionWritten::Changed(_) => {}
            }
        }
        Err(KeyError::Busy)
    }

    /// Nobody makes a key that reaches farther than the own one.
    fn may_give(&self, rules: &KeyRules) -> Result<(), KeyError> {
        if self.grant.senders.cover(&rules.senders) { Ok(()) } else { Err(KeyError::NotCovered) }
    }

    async fn masters(&self) -> Result<(MasterSecrets, MasterId), PortError> {
        let masters = self.ports.vault.masters(None).await?;
        let current = masters.current().clone();
        Ok((masters, current))
    }

    fn by(&self) -> Option<&str> {
        self.grant.key.as_ref().map(|(id, _)| id.as_str())
    }
}

fn refuse_revoked(record: &KeyRecord) -> Result<(), KeyError> {
    if record.revoked_at.is_some() { Err(KeyError::Revoked) } else { Ok(()) }
}

/// The secret that signs requests with the newest version.
fn signing(masters: &MasterSecrets, record: &KeyRecord) -> Option<SigningSecret> {
    let newest = record.versions.last()?;
    let purpose = Purpose::Requests { key: &record.id, version: newest.number };
    masters.derive(newest.master.as_ref()?, purpose)
}

/// Names one write, so that its repetition recognises it.
pub(crate) fn write_id(ambient: &dyn Ambient) -> String {
    HEXLOWER.encode(&ambient.bits())
}
