//! Bodies in memory, with links that only [`MemoryPayloads::upload`] and
//! [`MemoryPayloads::download`] understand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use relay_core::body::{Pointer, Sha256};
use relay_core::ports::{ByteStream, OpenError, Payloads, PortError, SignedLink};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;

/// How long a link works.
const LINK_TTL: Duration = Duration::from_secs(15 * 60);
/// Bytes of one piece of an opened body: small, so that readers meet many pieces.
const PIECE_BYTES: usize = 16 * 1024;
const HOST: &str = "https://payloads.invalid/";

/// Bodies in memory. Copies share them.
#[derive(Clone)]
pub struct MemoryPayloads {
    bucket: String,
    objects: Arc<Mutex<HashMap<String, Bytes>>>,
}

impl MemoryPayloads {
    /// An empty bucket of this name.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), objects: Arc::default() }
    }

    /// Does what an upload link is for; false if the link is another one, or the bytes are not those
    /// that were announced.
    pub fn upload(&self, link: &SignedLink, bytes: Bytes) -> bool {
        let Some(key) = key_of(link, "PUT") else { return false };
        let announced = key.strip_prefix("uploads/").and_then(UploadId::parse);
        let is_announced = announced.is_some_and(|upload| {
            upload.bytes() == bytes.len() as u64 && upload.sha256() == Sha256::of(&bytes)
        });
        if is_announced {
            self.with(|objects| objects.insert(key, bytes));
        }
        is_announced
    }

    /// Does what a download link is for; nothing if there is nothing behind it.
    pub fn download(&self, link: &SignedLink) -> Option<Bytes> {
        let key = key_of(link, "GET")?;
        self.with(|objects| objects.get(&key).cloned())
    }

    /// Puts other bytes in the place of a stored body, as a broken disk would.
    pub fn corrupt(&self, pointer: &Pointer, bytes: Bytes) {
        self.with(|objects| objects.insert(pointer.key.clone(), bytes));
    }

    /// Removes a stored body, as a lifecycle rule would.
    pub fn remove(&self, pointer: &Pointer) {
        self.with(|objects| objects.remove(&pointer.key));
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Bytes>) -> T) -> T {
        act(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key_of(link: &SignedLink, method: &str) -> Option<String> {
    let key = link.url.strip_prefix(HOST)?;
    (link.method == method).then(|| key.to_owned())
}

fn link(method: &'static str, key: &str, now: Timestamp) -> SignedLink {
    SignedLink {
        url: format!("{HOST}{key}"),
        method,
        headers: Vec::new(),
        expires_at: now.plus(LINK_TTL),
    }
}

#[async_trait]
impl Payloads for MemoryPayloads {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    async fn put(&self, pointer: &Pointer, bytes: Bytes) -> Result<(), PortError> {
        if Sha256::of(&bytes) != pointer.sha256 {
            let reason = "the bytes have another hash than was named".to_owned();
            return Err(PortError::Unavailable { action: "storing a body", reason });
        }
        self.with(|objects| objects.insert(pointer.key.clone(), bytes));
        Ok(())
    }

    async fn open(&self, pointer: &Pointer) -> Result<ByteStream, OpenError> {
        let found = self.with(|objects| objects.get(&pointer.key).cloned());
        let body = found.ok_or(OpenError::Missing)?;
        let pieces = (0..body.len())
            .step_by(PIECE_BYTES)
            .map(move |start| Ok(body.slice(start..body.len().min(start + PIECE_BYTES))));
        Ok(futures::stream::iter(pieces).boxed())
    }

    async fn adopt(&self, upload: &UploadId, pointer: &Pointer) -> Result<bool, PortError> {
        Ok(self.with(|objects| {
            let Some(body) = objects.get(&upload.key()).cloned() else { return false };
            let is_announced = body.len() as u64 == upload.bytes();
            if is_announced {
                objects.insert(pointer.key.clone(), body);
            }
            is_announced
        }))
    }

    async fn upload_link(
        &self,
        upload: &UploadId,
        now: Timestamp,
    ) -> Result<SignedLink, PortError> {
        Ok(link("PUT", &upload.key(), now))
    }

    async fn download_link(
        &self,
        pointer: &Pointer,
        now: Timestamp,
    ) -> Result<SignedLink, PortError> {
        Ok(link("GET", &pointer.key, now))
    }

    async fn ready(&self) -> Result<(), PortError> {
        Ok(())
    }
}
