//! Reads a request body to its end: all of it is hashed, as much as is useful is kept.

use axum::body::Body;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

/// Largest body that is read: past the largest that the relay delivers.
const BODY_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Largest body that is kept whole.
const KEPT_WHOLE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What is kept of a larger one.
const KEPT_START_BYTES: usize = 256 * 1024;

/// A body that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadBody {
    /// The body, or its start if it is very large.
    pub(super) kept: Bytes,
    /// Its length.
    pub(super) bytes: u64,
    /// SHA-256 of the whole body, in hexadecimal.
    pub(super) sha256: String,
}

/// Reads the body, or nothing if it is too large or breaks off.
pub(super) async fn read(mut body: Body) -> Option<ReadBody> {
    let mut digest = Sha256::new();
    let mut kept = Vec::new();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        digest.update(&data);
        bytes += data.len() as u64;
        if bytes > BODY_BYTES_MAX {
            return None;
        }
        let room = (KEPT_WHOLE_BYTES_MAX + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
    if kept.len() > KEPT_WHOLE_BYTES_MAX {
        kept.truncate(KEPT_START_BYTES);
        kept.shrink_to_fit();
    }
    Some(ReadBody { kept: kept.into(), bytes, sha256: HEXLOWER.encode(&digest.finalize()) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[tokio::test]
    async fn a_large_body_is_hashed_whole_and_kept_in_part() {
        let small = read(Body::from("abc")).await.unwrap();
        assert_eq!(&small.kept[..], b"abc");
        assert!(small.sha256.starts_with("ba7816bf"), "{}", small.sha256);
        let whole = read(Body::from(vec![7; KEPT_WHOLE_BYTES_MAX])).await.unwrap();
        assert_eq!(whole.kept.len(), KEPT_WHOLE_BYTES_MAX);
        let large = read(Body::from(vec![7; KEPT_WHOLE_BYTES_MAX + 1])).await.unwrap();
        assert_eq!(large.kept.len(), KEPT_START_BYTES);
        assert_eq!(large.bytes, KEPT_WHOLE_BYTES_MAX as u64 + 1);
        assert_ne!(large.sha256, whole.sha256);
    }
}
