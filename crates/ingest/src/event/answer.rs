//! The answer to an event, as the gateway takes it.

use std::borrow::Cow;
use std::fmt;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::{Serialize, Serializer};

use super::Names;

/// Largest answer, in bytes: Lambda takes no larger one. The largest of ours, a body of 256 KiB in
/// which JSON escapes every byte, is a quarter of it.
const ANSWER_BYTES_MAX: usize = 6_291_456;

/// The answer as the gateway takes it.
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    status_code: u16,
    #[serde(serialize_with = "texts")]
    headers: &'a HeaderMap,
    /// Every answer of the relay is JSON, so it is text.
    body: Cow<'a, str>,
    is_base64_encoded: bool,
}

/// Writes headers as the gateway takes them: each name once.
fn texts<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    serializer.collect_map(headers.keys().map(|name| (name.as_str(), text(name))))
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            status_code: self.status.as_u16(),
            headers: &self.headers,
            body: String::from_utf8_lossy(&self.body),
            is_base64_encoded: false,
        };
        written.serialize(serializer)
    }
}

/// Names and sizes alone: bodies hold secrets and links.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &Names(&self.headers))
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Reads a response to its end.
    pub async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        match axum::body::to_bytes(body, ANSWER_BYTES_MAX).await {
            Ok(body) => Self { status: parts.status, headers: parts.headers, body },
            Err(error) => {
                tracing::error!(%error, "an answer could not be read to its end");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self { status, headers: HeaderMap::new(), body: Bytes::new() }
            }
        }
    }
}
