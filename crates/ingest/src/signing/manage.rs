//! Making, rotating and showing the secrets that sign deliveries, within the senders that the caller's key covers. Knows
//! nothing of HTTP.

use std::time::Duration;

use futures::future::try_join_all;
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
    /// page of all would name others.
    pub(crate) async fn list(
        &self,
        after: Option<Cursor>,
    ) -> Result<Page<SigningRecord>, PortError> {
        let Senders::Only(senders) = &self.grant.senders else {
            return self.ports.signing_secrets.list(after.as_ref()).await;
        };
        let is_next = |sender: &&SenderId| {
            after.as_ref().is_none_or(|Cursor(after)| sender.as_str() > after.as_str())
        };
        let next: Vec<&SenderId> = senders.iter().filter(is_next).take(FINDS_AT_ONCE).collect();
        let found = next.iter().map(|sender| self.ports.signing_secrets.find(sender));
        let items = try_join_all(found).await?.into_iter().flatten().collect();
        let last = next.last().filter(|_| next.len() == FINDS_AT_ONCE);
        Ok(Page { items, next: last.map(|last| Cursor(last.to_string())) })
    }

    /// Gives a sender a new secret; deliveries are signed with the old ones too for a while.
    pub(crate) async fn rotate(
        &self,
        sender: &SenderId,
        grace: Duration,
    ) -> Result<(SigningRecord, Option<SigningSecret>), SigningError> {
        // What may not be rotated is to be known before the vault is asked.
        let mut found = self.find(sender).await?;
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

fn newest(record: &SigningRecord, masters: &MasterSecrets) -> Option<SigningSecret> {
    record.versions.last()?.secret(&record.sender, masters)
}
