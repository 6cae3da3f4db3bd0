//! Keys, signing records, buckets, master secrets and requests that count once, with trouble.

use async_trait::async_trait;
use relay_core::access::{
    KeyId, KeyRecord, MasterId, MasterSecrets, RateLimit, SigningRecord, Taken,
};
use relay_core::identity::SenderId;
use relay_core::ports::{
    Buckets, Cursor, Keys, Page, PortError, Replays, RevisionWritten, SigningSecrets, StoredKey,
    Vault,
};
use relay_core::time::Timestamp;

use super::Faulty;

#[async_trait]
impl<P: Keys + Clone + 'static> Keys for Faulty<P> {
    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, PortError> {
        let (port, id) = (self.port.clone(), id.clone());
        self.around("find_key", move || async move { port.find(&id).await }).await
    }

    async fn write(&self, record: &KeyRecord) -> Result<RevisionWritten<KeyRecord>, PortError> {
        let (port, record) = (self.port.clone(), record.clone());
        self.around("write_key", move || async move { port.write(&record).await }).await
    }

    async fn list(&self, after: Option<&Cursor>) -> Result<Page<StoredKey>, PortError> {
        let (port, after) = (self.port.clone(), after.cloned());
        self.around("list_keys", move || async move { port.list(after.as_ref()).await }).await
    }

    async fn note_use(&self, id: &KeyId, at: Timestamp) -> Result<(), PortError> {
        let (port, id) = (self.port.clone(), id.clone());
        self.around("note_key_use", move || async move { port.note_use(&id, at).await }).await
    }
}

#[async_trait]
impl<P: SigningSecrets + Clone + 'static> SigningSecrets for Faulty<P> {
    async fn find(&self, sender: &SenderId) -> Result<Option<SigningRecord>, PortError> {
        let (port, sender) = (self.port.clone(), sender.clone());
        self.around("find_signing", move || async move { port.find(&sender).await }).await
    }

    async fn write(
        &self,
        record: &SigningRecord,
    ) -> Result<RevisionWritten<SigningRecord>, PortError> {
        let (port, record) = (self.port.clone(), record.clone());
        self.around("write_signing", move || async move { port.write(&record).await }).await
    }

    async fn list(&self, after: Option<&Cursor>) -> Result<Page<SigningRecord>, PortError> {
        let (port, after) = (self.port.clone(), after.cloned());
        self.around("list_signing", move || async move { port.list(after.as_ref()).await }).await
    }
}

#[async_trait]
impl<P: Buckets + Clone + 'static> Buckets for Faulty<P> {
    async fn take_enough(
        &self,
        name: &str,
        limit: RateLimit,
        enough: u32,
        wanted: u32,
        now: Timestamp,
    ) -> Result<Taken, PortError> {
        let (port, name) = (self.port.clone(), name.to_owned());
        let act = move || async move { port.take_enough(&name, limit, enough, wanted, now).await };
        self.around("take_tokens", act).await
    }
}

#[async_trait]
impl<P: Vault + Clone + 'static> Vault for Faulty<P> {
    async fn masters(&self, wanted: Option<&MasterId>) -> Result<MasterSecrets, PortError> {
        let (port, wanted) = (self.port.clone(), wanted.cloned());
        let act = move || async move { port.masters(wanted.as_ref()).await };
        self.around("read_masters", act).await
    }
}

#[async_trait]
impl<P: Replays + Clone + 'static> Replays for Faulty<P> {
    async fn is_first(
        &self,
        request: &str,
        by: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, PortError> {
        let (port, request, by) = (self.port.clone(), request.to_owned(), by.to_owned());
        let act = move || async move { port.is_first(&request, &by, until, now).await };
        self.around("note_request", act).await
    }
}
