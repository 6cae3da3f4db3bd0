//! Reading the whole body of a request, and telling one that is too long from one that broke off.

use std::error::Error as _;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::LengthLimitError;

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is longer than it may be.
    #[error("the body is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// The connection ended, or what came over it is no HTTP body.
    #[error("the body cannot be read")]
    Broken(#[source] axum::Error),
}

/// Reads a body of at most `bytes_max` bytes.
pub(crate) async fn read(body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    axum::body::to_bytes(body, bytes_max).await.map_err(|error| {
        if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
            BodyError::TooLong { bytes_max }
        } else {
            BodyError::Broken(error)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[tokio::test]
    async fn a_long_body_is_no_broken_one() {
        assert_eq!(read(Body::from("1234"), 4).await.unwrap(), "1234");
        let long = read(Body::from("12345"), 4).await.unwrap_err();
        assert!(matches!(long, BodyError::TooLong { bytes_max: 4 }), "{long:?}");
        let pieces = [Ok("12"), Err(std::io::Error::other("cut"))];
        let broken = Body::from_stream(futures::stream::iter(pieces));
        let broken = read(broken, 4).await.unwrap_err();
        assert!(matches!(broken, BodyError::Broken(_)), "{broken:?}");
    }
}
