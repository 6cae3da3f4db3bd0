//! The API as an OpenAPI 3.1 document, generated from the handlers and the types of their answers.
//!
//! Requests are read by hand, to tell every mistake and to keep a body's exact text, so their fields
//! are described here; a test holds them to the fields that are read.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::{again, destinations, handlers};

/// The path that does the same as [`ALIASED`].
const ALIAS: &str = "/message";
const ALIASED: &str = "/v1/messages";

/// A message to be delivered.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct MessageRequest {
    /// What the sender calls the message: 1 to 128 of A-Z a-z 0-9 . _ : @ + -
    #[schema(max_length = 128, min_length = 1, pattern = "^[A-Za-z0-9._:@+-]+$")]
    pub message_id: String,
    /// Who sends: 1 to 64 of A-Z a-z 0-9 _ -
    #[schema(max_length = 64, min_length = 1, pattern = "^[A-Za-z0-9_-]+$")]
    pub sender_id: String,
    /// The event's time (RFC 3339). Data that the relay does not act on.
    pub timestamp: Option<String>,
    /// Where to send it: an http or https URL.
    #[schema(max_length = 2048)]
    pub target_url: String,
    /// How to send it. POST if absent.
    #[schema(pattern = "^(POST|PUT|PATCH|DELETE|GET)$")]
    pub method: Option<String>,
    /// Headers to send with it.
    pub headers: Option<BTreeMap<String, String>>,
    /// The body: any JSON value, sent as the exact text it has here.
    pub body: Option<Value>,
    /// How `body` is to be read: its JSON text (`json`), or a string that holds it (`text`, `base64`).
    #[schema(pattern = "^(json|text|base64)$")]
    pub body_encoding: Option<String>,
    /// The body, if it was uploaded. Excludes `body`.
    pub payload: Option<PayloadRequest>,
}

/// An uploaded body.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PayloadRequest {
    /// From `POST /v1/uploads`.
    pub upload_id: String,
}

/// An upload that is about to come.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct UploadRequest {
    /// How many bytes it will have.
    #[schema(minimum = 1)]
    pub bytes: u64,
    /// Its SHA-256, in 64 lower-case hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub sha256: String,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Webhook relay",
        description = "Accepts an HTTP call, delivers it exactly as sent, retries it, never loses it. \
            Deployed, every route but GET /health wants a request signed with AWS Signature Version 4."
    ),
    paths(
        handlers::post_message,
        handlers::get_message,
        again::post_redrive,
        again::post_resend,
        destinations::get_destination,
        handlers::post_upload,
        handlers::get_health,
        handlers::get_ready,
        handlers::get_openapi,
    )
)]
struct Document;

/// The document as JSON.
pub(crate) fn text() -> String {
    let mut document = Document::openapi();
    if let Some(mut item) = document.paths.paths.get(ALIASED).cloned() {
        if let Some(post) = &mut item.post {
            post.operation_id = Some("postMessageByItsShortPath".to_owned());
        }
        document.paths.paths.insert(ALIAS.to_owned(), item);
    }
    // Names and texts only: this cannot fail.
    document.to_json().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::{announcement, submission};
    use std::collections::BTreeSet;

    fn document() -> Value {
        serde_json::from_str(&text()).unwrap()
    }

    #[test]
    fn it_is_openapi_3_1_with_every_path() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        assert_eq!(
            paths,
            [
                "/health",
                "/health/ready",
                "/message",
                "/openapi.json",
                "/v1/destinations/{host}",
                "/v1/messages",
                "/v1/messages/{id}",
                "/v1/messages/{id}/redrive",
                "/v1/messages/{id}/resend",
                "/v1/uploads"
            ]
        );
    }

    #[test]
    fn the_described_fields_are_those_that_are_read() {
        let document = document();
        for (schema, fields) in [
            ("MessageRequest", &submission::FIELDS[..]),
            ("UploadRequest", &announcement::FIELDS[..]),
        ] {
            let properties = &document["components"]["schemas"][schema]["properties"];
            let described: BTreeSet<&str> =
                properties.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(described, fields.iter().copied().collect::<BTreeSet<_>>(), "{schema}");
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let text = text();
        let document = document();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
