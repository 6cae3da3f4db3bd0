//! Stored bodies that cannot be read to their end now and then.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use relay_core::body::Pointer;
use relay_core::ports::{ByteStream, OpenError, Payloads, PortError, SignedLink};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;
use relay_testkit::MemoryPayloads;

use crate::dice::Dice;
use crate::weather::Weather;

/// The bodies in memory, in their weather.
#[derive(Clone)]
pub(crate) struct Bodies {
    pub(crate) port: MemoryPayloads,
    pub(crate) weather: Arc<Weather>,
    pub(crate) dice: Arc<Dice>,
    /// How often reading fails on the way, in a thousand.
    pub(crate) torn: u64,
}

#[async_trait]
impl Payloads for Bodies {
    fn bucket(&self) -> &str {
        self.port.bucket()
    }

    async fn put(&self, pointer: &Pointer, bytes: Bytes) -> Result<(), PortError> {
        self.port.put(pointer, bytes).await
    }

    async fn open(&self, pointer: &Pointer) -> Result<ByteStream, OpenError> {
        let whole = self.port.open(pointer).await?;
        if !self.weather.strikes(self.torn) {
            return Ok(whole);
        }
        if self.dice.happens(300) {
            return Err(OpenError::Missing);
        }
        let reason = "broken on purpose".to_owned();
        let torn = PortError::Unavailable { action: "reading a body", reason };
        let half = whole.map(|piece| piece.map(|bytes| bytes.slice(..bytes.len() / 2)));
        Ok(half.chain(stream::iter([Err(torn)])).boxed())
    }

    async fn adopt(&self, upload: &UploadId, pointer: &Pointer) -> Result<bool, PortError> {
        self.port.adopt(upload, pointer).await
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
