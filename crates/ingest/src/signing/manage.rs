//! Making, rotating and showing the secrets that sign deliveries, within the senders that the caller's key covers. Knows
//! nothing of HTTP.

use std::time::Duration;

use futures::future::join_all;
use relay_core::access::{Grant, MasterSecrets, Senders, SigningRecord, TooManyVersions};
use relay_core::identity::SenderId;
use relay_core::ports::{Cursor, Page, PortError, RevisionWritten};
use relay_core::signature::SigningSecret;

use crate::accept::Ports;
use crate::keys::manage::{WRITES_MAX, write_id};

/// Senders that are looked up side by side for a list.
const FINDS_AT_ONCE: usize = 20;

/// Why a signing secret is not made or shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SigningError {
    /// The sender has none, or is none that the caller may see.
    #[error("there is no signing secret of this sender")]
    NotFound,
    /// The caller's key does not cover the sender.
    #[error("your key may not make signing secrets of this senderId")]
    NotCovered,
    /// The sender has one already.
    #[error("the sender has a signing secret; rotate it to get another")]
    Exists,
    /// Too many versions would be in use at once.
    #[error(transparent)]
    TooManyVersions(#[from] TooManyVersions),
    /// Somebody else rotated it at the same time: without a grace period one of the two new secrets would be void.
    #[error("the signing secret was rotated by somebody else meanwhile")]
    Overtaken,
    /// Somebody else rotates it all the time.
    #[error("the signing secret is being changed by somebody else; try again")]
    Busy,
    /// A port could not do its part.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The use case.
pub(crate) struct ManageSigning<'a> {
    pub(crate) ports: &'a Ports,
    /// What the caller may do.
    pub(crate) grant: &'a Grant,
}

impl ManageSigning<'_> {
    /// Makes a sender's first secret.
    pub(crate) async fn create(
        &self,
        sender: &SenderId,
    ) -> Result<(SigningRecord, Option<SigningSecret>), SigningError> {
        if !self.grant.covers(sender) {
            return Err(SigningError::NotCovered);
        }
        let masters = self.masters().await?;
        let ambient = &*self.ports.ambient;
        let (master, nonce) = (masters.current().clone(), write_id(ambient));
        let record =
            SigningRecord::new(sender.clone(), master, nonce, ambient.now(), write_id(ambient));
        match self.ports.signing_secrets.write(&record).await? {
            RevisionWritten::Done => {
                tracing::info!(sender_id = %sender, by = self.by(), "a signing secret was made");
                let secret = newest(&record, &masters);
                Ok((record, secret))
            }
            RevisionWritten::Changed(_) => Err(SigningError::Exists),
        }
    }

    /// The secrets of this sender.
    pub(crate) async fn find(&self, sender: &SenderId) -> Result<SigningRecord, SigningError> {
        if !self.grant.covers(sender) {
            return Err(SigningError::NotFound);
        }
        self.ports.signing_secrets.find(sender).await?.ok_or(SigningError::NotFound)
    }

    /// A page of those that the caller may see. Who may see some senders alone is shown these one by one: the cursor of a
    /// page of all would name others. Theirs looks like those.
    pub(crate) async fn list(
        &self,
        after: Option<Cursor>,
    ) -> Result<Page<SigningRecord>, PortError> {
        let Senders::Only(senders) = &self.grant.senders else {
            return self.ports.signing_secrets.list(after.as_ref()).await;
        };
        let after = after.as_ref().map(|Cursor(after)| {
            after.split_once('/').map_or(after.as_str(), |(_shard, sender)| sender)
        });
        let is_next = |sender: &&SenderId| after.is_none_or(|after| sender.as_str() > after);
        let next: Vec<&SenderId> = senders.iter().filter(is_next).take(FINDS_AT_ONCE).collect();
        let found = next.iter().map(|sender| self.ports.signing_secrets.find(sender));
        let mut items = Vec::new();
        for (sender, found) in next.iter().zip(join_all(found).await) {
            match found {
                Ok(found) => items.extend(found),
                // It must not hide the others.
                Err(error @ PortError::Corrupt { .. }) => {
                    tracing::error!(sender_id = %sender, %error, "a record is left out of the list");
                }
                Err(error @ PortError::Unavailable { .. }) => return Err(error),
            }
        }
        let last = next.last().filter(|_| next.len() == FINDS_AT_ONCE);
        Ok(Page { items, next: last.map(|last| Cursor(format!("0/{last}"))) })
    }

    /// Gives a sender a new secret; deliveries are signed with the old ones too for a while.
    pub(crate) async fn rotate(
        &self,
        sender: &SenderId,
        grace: Duration,
    ) -> Result<(SigningRecord, Option<SigningSecret>), SigningError> {
        // What may not be rotated is to be known before the vault is asked.
        let mut found = self.find(sender).await?;
        let first_seen = newest_number(&found);
        let masters = self.masters().await?;
        let ambient = &*self.ports.ambient;
        let nonce = write_id(ambient);
        for _ in 0..WRITES_MAX {
            let (master, nonce) = (masters.current().clone(), nonce.clone());
            let record = found.rotated(master, nonce, grace, ambient.now(), write_id(ambient))?;
            match self.ports.signing_secrets.write(&record).await? {
                RevisionWritten::Done => {
                    tracing::info!(sender_id = %sender, by = self.by(), "a signing secret was rotated");
                    let secret = newest(&record, &masters);
                    return Ok((record, secret));
                }
                RevisionWritten::Changed(_) => found = self.find(sender).await?,
            }
            if newest_number(&found) != first_seen {
                return Err(SigningError::Overtaken);
            }
        }
        Err(SigningError::Busy)
    }

    /// The master secrets that are now.
    pub(crate) async fn masters(&self) -> Result<MasterSecrets, PortError> {
        self.ports.vault.masters(None).await
    }

    fn by(&self) -> Option<&str> {
        self.grant.key.as_ref().map(|(id, _)| id.as_str())
    }
}

fn newest_number(record: &SigningRecord) -> Option<u32> {
    record.versions.last().map(|version| version.number)
}

fn newest(record: &SigningRecord, masters: &MasterSecrets) -> Option<SigningSecret> {
    record.versions.last()?.secret(&record.sender, masters)
}
