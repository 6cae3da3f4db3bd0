//! The API as an OpenAPI 3.1 document, generated from the handlers and the types of their answers.
//!
//! Requests are read by hand, to tell every mistake and to keep a body's exact text, so their fields
//! are described here; a test holds them to the fields that are read.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use crate::access::{Needs, NeedsOf};
use crate::{again, bulk, destinations, handlers, keys, signing};

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

/// A new API key.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ApiKeyRequest {
    /// What people call the key.
    #[schema(max_length = 64, min_length = 1)]
    pub name: String,
    /// Whose messages it is for: ids of senders, or `["*"]` for every sender's.
    #[schema(max_items = 100, min_items = 1)]
    pub senders: Vec<String>,
    /// What it may be used for: `send`, `read`, `operate`, `admin`.
    #[schema(max_items = 4, min_items = 1)]
    pub scopes: Vec<String>,
    /// When it stops to be valid (RFC 3339).
    pub expires_at: Option<String>,
    /// Where it may be used from: addresses and CIDR blocks, IPv4 or IPv6. From everywhere if empty or absent.
    #[schema(max_items = 100)]
    pub allowed_ips: Option<Vec<String>>,
    /// How many requests it may make. The relay's default if absent.
    pub rate_limit: Option<RateLimitRequest>,
    /// Whether requests that are not signed are refused.
    pub require_signature: Option<bool>,
}

/// A change of an API key: what is absent stays, null takes a limit away.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ApiKeyChangeRequest {
    /// What people call the key.
    #[schema(max_length = 64, min_length = 1)]
    pub name: Option<String>,
    /// Whose messages it is for.
    #[schema(max_items = 100, min_items = 1)]
    pub senders: Option<Vec<String>>,
    /// What it may be used for.
    #[schema(max_items = 4, min_items = 1)]
    pub scopes: Option<Vec<String>>,
    /// When it stops to be valid (RFC 3339).
    pub expires_at: Option<String>,
    /// Where it may be used from.
    #[schema(max_items = 100)]
    pub allowed_ips: Option<Vec<String>>,
    /// How many requests it may make.
    pub rate_limit: Option<RateLimitRequest>,
    /// Whether requests that are not signed are refused.
    pub require_signature: Option<bool>,
}

/// How many requests a key may make.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RateLimitRequest {
    /// Requests a second in the long run.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub per_second: u32,
    /// Requests at once after a pause.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub burst: u32,
}

/// A rotation.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RotateRequest {
    /// How long what is replaced stays valid, in seconds. A day if absent. For signing secrets of senders 0, or 60 at least.
    #[schema(minimum = 0, maximum = 604_800)]
    pub grace_period_seconds: Option<u64>,
}

/// A new signing secret.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SigningSecretRequest {
    /// Whose deliveries are to be signed.
    #[schema(max_length = 64, min_length = 1, pattern = "^[A-Za-z0-9_-]+$")]
    pub sender_id: String,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Webhook relay",
        description = "Accepts an HTTP call, delivers it exactly as sent, retries it, never loses it. \
            Every route but GET /health and GET /openapi.json needs an API key."
    ),
    paths(
        handlers::post_message,
        bulk::post_messages,
        bulk::delete_messages,
        bulk::post_redrive,
        handlers::get_message,
        again::post_redrive,
        again::post_resend,
        destinations::get_destination,
        handlers::post_upload,
        keys::post_key,
        keys::get_keys,
        keys::get_key,
        keys::patch_key,
        keys::delete_key,
        keys::post_rotate,
        signing::post_secret,
        signing::get_secrets,
        signing::get_secret,
        signing::post_rotate,
        handlers::get_health,
        handlers::get_ready,
        handlers::get_openapi,
    )
)]
struct Document;

/// The document of routes that need this, as JSON.
pub(crate) fn text(needs: &NeedsOf) -> String {
    let mut document = Document::openapi();
    if let Some(mut item) = document.paths.paths.get(ALIASED).cloned() {
        if let Some(post) = &mut item.post {
            post.operation_id = Some("postMessageByItsShortPath".to_owned());
        }
        document.paths.paths.insert(ALIAS.to_owned(), item);
    }
    // Names and texts only: this cannot fail.
    let mut document = serde_json::to_value(&document).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "An API key: rk_…" },
        "apiKey": { "type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "An API key: rk_…" },
    });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            say_needs(operation, needs.route(path, &method.to_uppercase()));
        }
    }
    document.to_string()
}

/// Adds to an operation what it needs and what is answered without it: from the table that the guard goes by.
fn say_needs(operation: &mut Value, needs: Needs) {
    let scope = match needs {
        Needs::Nothing => {
            operation["security"] = json!([]);
            return;
        }
        Needs::AnyKey => "FORBIDDEN: the key may not be used from this address".to_owned(),
        Needs::Scope(scope) => format!(
            "FORBIDDEN: the key lacks the scope {scope} or the sender, or may not be used from this address"
        ),
    };
    operation["security"] = json!([{ "bearer": [] }, { "apiKey": [] }]);
    let problem = |description: &str| {
        let schema = json!({ "$ref": "#/components/schemas/ProblemAnswer" });
        json!({ "description": description, "content": { "application/problem+json": { "schema": schema } } })
    };
    let responses = &mut operation["responses"];
    responses["401"] = problem("UNAUTHENTICATED: no valid API key, or a wrong signature");
    responses["403"] = problem(&scope);
    responses["429"] = problem("RATE_LIMITED: the retry-after header says when to try again");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::{announcement, submission};
    use std::collections::BTreeSet;

    fn document() -> Value {
        serde_json::from_str(&text(&crate::router::routes().done().1)).unwrap()
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
                "/v1/api-keys",
                "/v1/api-keys/{id}",
                "/v1/api-keys/{id}/rotate",
                "/v1/destinations/{host}",
                "/v1/messages",
                "/v1/messages/bulk",
                "/v1/messages/bulk/redrive",
                "/v1/messages/{id}",
                "/v1/messages/{id}/redrive",
                "/v1/messages/{id}/resend",
                "/v1/signing-secrets",
                "/v1/signing-secrets/{senderId}",
                "/v1/signing-secrets/{senderId}/rotate",
                "/v1/uploads"
            ]
        );
    }

    #[test]
    fn the_described_fields_are_those_that_are_read() {
        let document = document();
        for (schema, fields) in [
            ("MessageRequest", &submission::FIELDS[..]),
            ("BulkRequest", &bulk::requests::MESSAGES_FIELDS[..]),
            ("IdsRequest", &bulk::requests::IDS_FIELDS[..]),
            ("UploadRequest", &announcement::FIELDS[..]),
            ("ApiKeyRequest", &keys::fields::FIELDS[..]),
            ("ApiKeyChangeRequest", &keys::fields::FIELDS[..]),
            ("RateLimitRequest", &keys::fields::RATE_FIELDS[..]),
            ("RotateRequest", &crate::rotation::FIELDS[..]),
            ("SigningSecretRequest", &signing::FIELDS[..]),
        ] {
            let properties = &document["components"]["schemas"][schema]["properties"];
            let described: BTreeSet<&str> =
                properties.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(described, fields.iter().copied().collect::<BTreeSet<_>>(), "{schema}");
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
