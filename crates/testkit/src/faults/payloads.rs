//! The stored bodies, with trouble.

use async_trait::async_trait;
use bytes::Bytes;
use relay_core::body::Pointer;
use relay_core::ports::{ByteStream, OpenError, Payloads, PortError, SignedLink};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;

use super::Faulty;

#[async_trait]
impl<P: Payloads + Clone + 'static> Payloads for Faulty<P> {
    fn bucket(&self) -> &str {
        self.port.bucket()
    }

    async fn put(&self, pointer: &Pointer, bytes: Bytes) -> Result<(), PortError> {
        let (port, pointer) = (self.port.clone(), pointer.clone());
        self.around("put", move || async move { port.put(&pointer, bytes).await }).await
    }

    async fn open(&self, pointer: &Pointer) -> Result<ByteStream, OpenError> {
        let (port, pointer) = (self.port.clone(), pointer.clone());
        self.around("open", move || async move { port.open(&pointer).await }).await
    }

    async fn adopt(&self, upload: &UploadId, pointer: &Pointer) -> Result<bool, PortError> {
        let (port, upload, pointer) = (self.port.clone(), upload.clone(), pointer.clone());
        self.around("adopt", move || async move { port.adopt(&upload, &pointer).await }).await
    }

    async fn upload_link(
        &self,
        upload: &UploadId,
        now: Timestamp,
    ) -> Result<SignedLink, PortError> {
        self.port.upload_link(upload, now).await
    }

    async fn download_link(
        &self,
        pointer: &Pointer,
        now: Timestamp,
    ) -> Result<SignedLink, PortError> {
        self.port.download_link(pointer, now).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.port.ready().await
    }
}
