//! An upload that is compared with what its sender said about it, while it streams by. The last
//! thing a broken upload yields is an error, so whoever writes it to a file throws the file away.
//!
//! s3s-fs compares too, but only after the object has taken its place: a refused upload would have
//! replaced a good object.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use futures::Stream;
use http::{HeaderMap, StatusCode};
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, ChecksumAlgorithm, PutObjectInput, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, TrailingHeaders};

/// Why an upload was refused, for whoever answers its sender.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict(Arc<Mutex<Option<S3Error>>>);

impl Verdict {
    /// The reason, once.
    pub(super) fn take(&self) -> Option<S3Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse(&self, error: S3Error) -> io::Error {
        let text = format!("{:?}", error.code());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}

/// An upload on its way.
pub(super) struct CheckedUpload {
    body: StreamingBlob,
    bytes_declared: Option<u64>,
    bytes_seen: u64,
    checksums: ChecksumHasher,
    expected: Checksum,
    /// Digest of the whole body and what it must be.
    md5: Option<(Md5, String)>,
    /// Checksums sent after the body.
    trailers: Option<TrailingHeaders>,
    /// Whether s3s compares the body with a digest in `x-amz-content-sha256`.
    has_signed_digest: bool,
    verdict: Verdict,
    is_finished: bool,
}

impl CheckedUpload {
    /// Puts itself between `input` and its body.
    pub(super) fn install(
        input: &mut PutObjectInput,
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> Verdict {
        let verdict = Verdict::default();
        if input.checksum_algorithm.is_none() {
            input.checksum_algorithm = announced_trailer(headers);
        }
        let Some(body) = input.body.take() else { return verdict };
        let expected = expected(input);
        let checksums = hasher(&expected, input.checksum_algorithm.as_ref());
        let upload = Self {
            body,
            bytes_declared: input.content_length.and_then(|bytes| u64::try_from(bytes).ok()),
            bytes_seen: 0,
            checksums,
            expected,
            md5: input.content_md5.clone().map(|expected| (Md5::new(), expected)),
            trailers,
            has_signed_digest: has_signed_digest(headers),
            verdict: verdict.clone(),
            is_finished: false,
        };
        input.body = Some(StreamingBlob::wrap(upload));
        verdict
    }

    fn see(&mut self, bytes: &Bytes) {
        self.bytes_seen += bytes.len() as u64;
        self.checksums.update(bytes);
        if let Some((md5, _)) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// Compares, at the end of the body.
    fn judge(&mut self) -> Result<(), S3Error> {
        if self.bytes_declared.is_some_and(|declared| declared != self.bytes_seen) {
            return Err(s3s::s3_error!(IncompleteBody, "the body is not as long as declared"));
        }
        if let Some((md5, expected)) = self.md5.take()
            && BASE64.encode(&md5.finalize()) != expected
        {
            return Err(s3s::s3_error!(BadDigest, "the Content-MD5 does not match the body"));
        }
        let mut expected = std::mem::take(&mut self.expected);
        if let Some(trailers) = &self.trailers {
            trailers.read(|headers| add_trailers(&mut expected, headers));
        }
        let seen = std::mem::take(&mut self.checksums).finalize();
        for (name, expected, seen) in [
            ("CRC32", expected.checksum_crc32, seen.checksum_crc32),
            ("CRC32C", expected.checksum_crc32c, seen.checksum_crc32c),
            ("SHA1", expected.checksum_sha1, seen.checksum_sha1),
            ("SHA256", expected.checksum_sha256, seen.checksum_sha256),
            ("CRC64NVME", expected.checksum_crc64nvme, seen.checksum_crc64nvme),
        ] {
            if expected.is_some() && expected != seen {
                return Err(s3s::s3_error!(
                    BadDigest,
                    "the {name} you specified did not match the calculated checksum"
                ));
            }
        }
        Ok(())
    }

    /// What a body that breaks off with an error means. s3s compares `x-amz-content-sha256` itself
    /// and keeps back the last bytes if it differs; a sender whose connection broke hears nothing
    /// anyway.
    fn broken(&self) -> S3Error {
        if !self.has_signed_digest {
            return s3s::s3_error!(IncompleteBody, "the body broke off");
        }
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let text = "the provided x-amz-content-sha256 does not match what was computed";
        let mut error = S3Error::with_message(code, text);
        error.set_status_code(StatusCode::BAD_REQUEST);
        error
    }
}

impl Stream for CheckedUpload {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_finished {
            return Poll::Ready(None);
        }
        let next = match Pin::new(&mut self.body).poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        let refusal = match next {
            Some(Ok(bytes)) => {
                self.see(&bytes);
                return Poll::Ready(Some(Ok(bytes)));
            }
            Some(Err(_)) => Some(self.broken()),
            None => self.judge().err(),
        };
        self.is_finished = true;
        Poll::Ready(refusal.map(|error| Err(self.verdict.refuse(error))))
    }
}

/// Digests are hexadecimal; the header's other values are words in capitals.
fn has_signed_digest(headers: &HeaderMap) -> bool {
    let value = headers.get("x-amz-content-sha256").map(http::HeaderValue::as_bytes);
    value
        .is_some_and(|value| HEXLOWER_PERMISSIVE.decode(value).is_ok_and(|bytes| !bytes.is_empty()))
}

fn expected(input: &PutObjectInput) -> Checksum {
    Checksum {
        checksum_crc32: input.checksum_crc32.clone(),
        checksum_crc32c: input.checksum_crc32c.clone(),
        checksum_sha1: input.checksum_sha1.clone(),
        checksum_sha256: input.checksum_sha256.clone(),
        checksum_crc64nvme: input.checksum_crc64nvme.clone(),
        ..Checksum::default()
    }
}

fn hasher(expected: &Checksum, announced: Option<&ChecksumAlgorithm>) -> ChecksumHasher {
    let is_announced = |name: &str| announced.is_some_and(|algorithm| algorithm.as_str() == name);
    let mut hasher = ChecksumHasher::default();
    if expected.checksum_crc32.is_some() || is_announced(ChecksumAlgorithm::CRC32) {
        hasher.crc32 = Some(Default::default());
    }
    if expected.checksum_crc32c.is_some() || is_announced(ChecksumAlgorithm::CRC32C) {
        hasher.crc32c = Some(Default::default());
    }
    if expected.checksum_sha1.is_some() || is_announced(ChecksumAlgorithm::SHA1) {
        hasher.sha1 = Some(Default::default());
    }
    if expected.checksum_sha256.is_some() || is_announced(ChecksumAlgorithm::SHA256) {
        hasher.sha256 = Some(Default::default());
    }
    if expected.checksum_crc64nvme.is_some() || is_announced(ChecksumAlgorithm::CRC64NVME) {
        hasher.crc64nvme = Some(Default::default());
    }
    hasher
}

/// The algorithm of the checksum that will follow the body.
fn announced_trailer(headers: &HeaderMap) -> Option<ChecksumAlgorithm> {
    let trailer = headers.get("x-amz-trailer")?.to_str().ok()?;
    let name = trailer.trim().strip_prefix("x-amz-checksum-")?;
    Some(ChecksumAlgorithm::from(name.to_ascii_uppercase()))
}

fn add_trailers(expected: &mut Checksum, headers: &HeaderMap) {
    let read = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    for (slot, name) in [
        (&mut expected.checksum_crc32, "x-amz-checksum-crc32"),
        (&mut expected.checksum_crc32c, "x-amz-checksum-crc32c"),
        (&mut expected.checksum_sha1, "x-amz-checksum-sha1"),
        (&mut expected.checksum_sha256, "x-amz-checksum-sha256"),
        (&mut expected.checksum_crc64nvme, "x-amz-checksum-crc64nvme"),
    ] {
        if let Some(value) = read(name) {
            *slot = Some(value);
        }
    }
}
