//! Bodies that do not fit elsewhere, on S3. Streams what it reads; checks no hash of what it opens,
//! because its reader must.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::primitives::ByteStream as SdkStream;
use bytes::Bytes;
use data_encoding::BASE64;
use futures::StreamExt;
use futures::stream::try_unfold;
use relay_core::body::{Pointer, Sha256};
use relay_core::ports::{ByteStream, OpenError, Payloads, PortError, SignedLink};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;

use crate::Clients;
use crate::error::{chain, failed, unavailable};

/// How long an upload may wait for its client: enough for 100 MiB at 1 Mbit/s to begin, short enough
/// to be of no use to whoever finds the link later.
const UPLOAD_LINK_TTL: Duration = Duration::from_secs(15 * 60);
/// How long a download link works: it is made for somebody who is looking at the message now.
const DOWNLOAD_LINK_TTL: Duration = Duration::from_secs(60 * 60);

const PUT: &str = "storing a body";
const OPEN: &str = "opening a stored body";
const READ: &str = "reading a stored body";
const FIND_UPLOAD: &str = "looking for an upload";
const COPY: &str = "copying an upload";
const SIGN: &str = "signing a link";

/// Bodies on S3.
///
/// Calls `s3:PutObject` on `payloads/*`, `s3:GetObject` on `payloads/*` and `uploads/*` (looking and
/// copying included), signs `s3:PutObject` on `uploads/*` and `s3:GetObject` on `payloads/*`, and
/// needs `s3:ListBucket` for [`ready`](Payloads::ready) and to be told of a missing object that it is
/// missing instead of forbidden.
#[derive(Debug, Clone)]
pub struct S3Payloads {
    client: Client,
    bucket: String,
}

impl S3Payloads {
    /// Bodies in `bucket`.
    pub fn new(clients: &Clients, bucket: impl Into<String>) -> Self {
        Self { client: clients.s3.clone(), bucket: bucket.into() }
    }
}

#[async_trait]
impl Payloads for S3Payloads {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    async fn put(&self, pointer: &Pointer, bytes: Bytes) -> Result<(), PortError> {
        self.client
            .put_object()
            .bucket(&pointer.bucket)
            .key(&pointer.key)
            .checksum_sha256(checksum(pointer.sha256))
            .body(SdkStream::from(bytes))
            .send()
            .await
            .map_err(|error| unavailable(PUT, &error))?;
        Ok(())
    }

    async fn open(&self, pointer: &Pointer) -> Result<ByteStream, OpenError> {
        let answer =
            self.client.get_object().bucket(&pointer.bucket).key(&pointer.key).send().await;
        match answer {
            Ok(object) => Ok(stream(object.body)),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => {
                Err(OpenError::Missing)
            }
            Err(error) => Err(unavailable(OPEN, &error).into()),
        }
    }

    async fn adopt(&self, upload: &UploadId, pointer: &Pointer) -> Result<bool, PortError> {
        let key = upload.key();
        let head = self.client.head_object().bucket(&self.bucket).key(&key).send().await;
        let uploaded_bytes = match head {
            Ok(object) => object.content_length.and_then(|bytes| u64::try_from(bytes).ok()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_not_found()) => None,
            Err(error) => return Err(unavailable(FIND_UPLOAD, &error)),
        };
        if uploaded_bytes != Some(upload.bytes()) {
            return Ok(false);
        }
        let copied = self
            .client
            .copy_object()
            // Bucket names and upload ids have no character that would need to be escaped.
            .copy_source(format!("{}/{key}", self.bucket))
            .bucket(&pointer.bucket)
            .key(&pointer.key)
            .send()
            .await;
        match copied {
            Ok(_) => Ok(true),
            Err(error) => Err(unavailable(COPY, &error)),
        }
    }

    async fn upload_link(
        &self,
        upload: &UploadId,
        now: Timestamp,
    ) -> Result<SignedLink, PortError> {
        let bytes = i64::try_from(upload.bytes()).map_err(|_| failed(SIGN, "too many bytes"))?;
        // Length and checksum are headers of the signed request: S3 refuses any other bytes.
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(upload.key())
            .content_length(bytes)
            .checksum_sha256(checksum(upload.sha256()))
            .presigned(validity(now, UPLOAD_LINK_TTL)?)
            .await
            .map_err(|error| unavailable(SIGN, &error))?;
        Ok(link("PUT", &request, now.plus(UPLOAD_LINK_TTL)))
    }

    async fn download_link(
        &self,
        pointer: &Pointer,
        now: Timestamp,
    ) -> Result<SignedLink, PortError> {
        let request = self
            .client
            .get_object()
            .bucket(&pointer.bucket)
            .key(&pointer.key)
            .presigned(validity(now, DOWNLOAD_LINK_TTL)?)
            .await
            .map_err(|error| unavailable(SIGN, &error))?;
        Ok(link("GET", &request, now.plus(DOWNLOAD_LINK_TTL)))
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.client
            .head_bucket()
            .bucket(&self.bucket)
            .send()
            .await
            .map_err(|error| unavailable("asking for the bucket", &error))?;
        Ok(())
    }
}

/// The bytes as they are asked for: nothing is read ahead of the reader. Ends with the first error.
fn stream(body: SdkStream) -> ByteStream {
    try_unfold(body, |mut body| async move {
        match body.next().await {
            Some(Ok(bytes)) => Ok(Some((bytes, body))),
            Some(Err(error)) => Err(failed(READ, &chain(&error))),
            None => Ok(None),
        }
    })
    .boxed()
}

/// Headers such as `x-amzn-trace-id`, which no presigned request of ours signs.
const SDK_HEADER_PREFIX: &str = "x-amzn-";

fn checksum(sha256: Sha256) -> String {
    BASE64.encode(sha256.as_bytes())
}

fn validity(now: Timestamp, ttl: Duration) -> Result<PresigningConfig, PortError> {
    let start: SystemTime = UNIX_EPOCH + Duration::from_millis(now.as_millis());
    PresigningConfig::builder()
        .start_time(start)
        .expires_in(ttl)
        .build()
        .map_err(|_| failed(SIGN, "the time it is to be valid for was refused"))
}

/// The link with the headers that were signed. The SDK adds some that were not, about the function
/// itself, and those are nobody else's business.
fn link(method: &'static str, request: &PresignedRequest, expires_at: Timestamp) -> SignedLink {
    let headers = request.headers().filter(|(name, _)| !name.starts_with(SDK_HEADER_PREFIX));
    SignedLink {
        url: request.uri().to_owned(),
        method,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        expires_at,
    }
}
