//! Lambda's event of an HTTP API (payload version 2.0) as an HTTP request, and the answer back.
//!
//! Written out here because every event must end in an answer: a body that is not the base64 it is
//! said to be, a header or a path that is none, are the client's mistakes and not reasons to panic.
//! Cookies and path parameters are not read; nothing here uses them.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::IpAddr;

use axum::body::Body;
use axum::response::Response;
use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use serde::{Deserialize, Deserializer, Serialize};

/// Largest answer, in bytes: Lambda takes no larger one. The largest of ours, a body of 256 KiB in
/// which JSON escapes every byte, is a quarter of it.
const ANSWER_BYTES_MAX: usize = 6_291_456;
/// The stage that is not part of the path.
const DEFAULT_STAGE: &str = "$default";

/// The event, as far as it is used. Whatever is missing or null is empty: an event that no gateway sent
/// finds no route and is answered so.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    #[serde(deserialize_with = "or_empty")]
    raw_path: String,
    #[serde(deserialize_with = "or_empty")]
    raw_query_string: String,
    #[serde(deserialize_with = "or_empty")]
    headers: BTreeMap<String, Option<String>>,
    #[serde(deserialize_with = "or_empty")]
    request_context: RequestContext,
    body: Option<String>,
    #[serde(deserialize_with = "or_empty")]
    is_base64_encoded: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestContext {
    #[serde(deserialize_with = "or_empty")]
    request_id: String,
    #[serde(deserialize_with = "or_empty")]
    stage: String,
    #[serde(deserialize_with = "or_empty")]
    http: HttpContext,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HttpContext {
    #[serde(deserialize_with = "or_empty")]
    method: String,
    #[serde(deserialize_with = "or_empty")]
    source_ip: String,
}

/// Names and sizes alone: headers bring keys, and bodies are their senders' business.
impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Event")
            .field("request_id", &self.request_context.request_id)
            .field("method", &self.request_context.http.method)
            .field("headers", &self.headers.keys())
            .field("body_bytes", &self.body.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
}

/// Reads null as the empty value.
fn or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The gateway's own id of the request; an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct GatewayRequestId(pub(crate) String);

/// Where the gateway saw the request come from; an extension of the request. No header has a say in it: whoever
/// sends a request writes its headers. An IPv4 address that is written as IPv6 is that IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceAddress(pub(crate) IpAddr);

/// What Lambda says of the trace that the invocation belongs to; an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct HostTrace(pub(crate) String);

/// The body was said to be base64 and is not; an extension of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotBase64;

impl Event {
    /// The request that the gateway got.
    pub fn into_request(self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = self.uri();
        *request.method_mut() =
            Method::from_bytes(self.request_context.http.method.as_bytes()).unwrap_or_default();
        for (name, value) in
            self.headers.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)))
        {
            // A header that HTTP does not know cannot matter to any route.
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
            {
                request.headers_mut().append(name, value);
            }
        }
        let body = self.body.unwrap_or_default();
        if !self.is_base64_encoded {
            *request.body_mut() = Body::from(body);
        } else if let Ok(bytes) = BASE64.decode(body.as_bytes()) {
            *request.body_mut() = Body::from(bytes);
        } else {
            request.extensions_mut().insert(NotBase64);
        }
        if let Ok(source) = self.request_context.http.source_ip.parse::<IpAddr>() {
            request.extensions_mut().insert(SourceAddress(source.to_canonical()));
        }
        request.extensions_mut().insert(GatewayRequestId(self.request_context.request_id));
        request
    }

    fn uri(&self) -> Uri {
        let stage = &self.request_context.stage;
        let in_stage = || self.raw_path.strip_prefix('/')?.strip_prefix(stage.as_str());
        let path = match stage.as_str() {
            "" | DEFAULT_STAGE => self.raw_path.as_str(),
            _ => in_stage().filter(|rest| rest.starts_with('/')).unwrap_or(&self.raw_path),
        };
        let mut text = escaped(path, "/%:@!$&'()*+,;=-._~");
        if !self.raw_query_string.is_empty() {
            text.push('?');
            text.push_str(&escaped(&self.raw_query_string, "/%:@!$&'()*+,;=-._~?"));
        }
        text.parse().unwrap_or_default()
    }
}

/// The text with every character escaped that is neither a letter, a digit nor among `kept`: the
/// gateway hands over paths that it has unescaped.
fn escaped(text: &str, kept: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The answer as the gateway takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
}

/// Names and sizes alone: bodies hold secrets and links.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status_code", &self.status_code)
            .field("headers", &self.headers.keys())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Reads a response to its end. Every answer of the relay is JSON, so it is text.
    pub async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers =
            parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        match axum::body::to_bytes(body, ANSWER_BYTES_MAX).await {
            Ok(bytes) => Self {
                status_code: parts.status.as_u16(),
                headers,
                body: String::from_utf8_lossy(&bytes).into_owned(),
                is_base64_encoded: false,
            },
            Err(error) => {
                tracing::error!(%error, "an answer could not be read to its end");
                Self {
                    status_code: StatusCode::SERVICE_UNAVAILABLE.as_u16(),
                    headers: BTreeMap::new(),
                    body: String::new(),
                    is_base64_encoded: false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn request(event: &str) -> Request<Body> {
        serde_json::from_str::<Event>(event).unwrap().into_request()
    }

    #[test]
    fn an_event_becomes_the_request_it_came_from() {
        let request = request(
            r#"{"version":"2.0","routeKey":"GET /v1/messages/{id}","rawPath":"/v1/messages/msg_1",
            "rawQueryString":"include=body","headers":{"x-a":"1,2","content-type":"application/json"},
            "requestContext":{"stage":"$default","requestId":"r-1","timeEpoch":1,
            "http":{"method":"GET","path":"/v1/messages/msg_1"}},"isBase64Encoded":false}"#,
        );
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.uri(), "/v1/messages/msg_1?include=body");
        assert_eq!(request.headers()["x-a"], "1,2");
        assert_eq!(request.extensions().get::<GatewayRequestId>().unwrap().0, "r-1");
    }

    #[tokio::test]
    async fn f44_a_body_is_decoded_or_marked() {
        let event = r#"{"body":"aGk=","isBase64Encoded":true}"#;
        let decoded = request(event);
        assert!(decoded.extensions().get::<NotBase64>().is_none());
        let bytes = axum::body::to_bytes(decoded.into_body(), 10).await.unwrap();
        assert_eq!(&bytes[..], b"hi");
        for body in ["a", "aGk", "{}", "aG k=", "ä"] {
            let event = format!(r#"{{"body":"{body}","isBase64Encoded":true}}"#);
            assert!(request(&event).extensions().get::<NotBase64>().is_some(), "{body}");
        }
    }

    #[test]
    fn the_source_address_is_the_gateways_and_no_headers() {
        let source = |http: &str| {
            let event = format!(
                r#"{{"headers":{{"x-forwarded-for":"192.0.2.9","forwarded":"for=192.0.2.9","x-real-ip":"192.0.2.9"}},
                "requestContext":{{"http":{{"method":"GET"{http}}}}}}}"#
            );
            let source = request(&event).extensions().get::<SourceAddress>().copied();
            source.map(|SourceAddress(address)| address.to_string())
        };
        for (given, expected) in [
            (r#","sourceIp":"192.0.2.1""#, Some("192.0.2.1")),
            (r#","sourceIp":"::ffff:192.0.2.1""#, Some("192.0.2.1")),
            (r#","sourceIp":"2001:DB8::1""#, Some("2001:db8::1")),
            (r#","sourceIp":"192.0.2.1, 192.0.2.9""#, None),
            (r#","sourceIp":null"#, None),
            ("", None),
        ] {
            assert_eq!(source(given).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn no_path_and_no_header_is_a_reason_to_panic() {
        for path in ["", "x", "/a b", "/ä?#", "//", "/%", "\u{0}", "http://x/"] {
            let path = serde_json::to_string(path).unwrap();
            request(&format!(
                r#"{{"rawPath":{path},"rawQueryString":{path},
                "headers":{{"x y":"1","x-ü":"1","x-a":"ü","x-b":"a\nb"}},
                "requestContext":{{"http":{{"method":"G ET"}}}}}}"#
            ));
        }
        request("{}");
    }

    #[tokio::test]
    async fn what_is_debugged_shows_names_and_sizes_alone() {
        let event: Event = serde_json::from_str(
            r#"{"headers":{"authorization":"Bearer hidden"},"body":"hidden","rawQueryString":"hidden"}"#,
        )
        .unwrap();
        let response = Response::builder().header("x-a", "hidden").body(Body::from("hidden"));
        let answer = Answer::of(response.unwrap()).await;
        for (shown, name) in
            [(format!("{event:?}"), "authorization"), (format!("{answer:?}"), "x-a")]
        {
            assert!(!shown.contains("hidden") && shown.contains(name), "{shown}");
            assert!(shown.contains('6'), "{shown}");
        }
    }

    #[test]
    fn a_named_stage_is_no_part_of_the_path() {
        for (stage, path, expected) in [
            ("prod", "/prod/health", "/health"),
            ("prod", "/production", "/production"),
            ("$default", "/prod/health", "/prod/health"),
        ] {
            let event = format!(r#"{{"rawPath":"{path}","requestContext":{{"stage":"{stage}"}}}}"#);
            assert_eq!(request(&event).uri(), expected, "{stage} {path}");
        }
    }
}
