//! Lambda's event of an HTTP API (payload version 2.0) as an HTTP request, and the answer back.
//!
//! Written out here because every event must end in an answer: a body that is not the base64 it is
//! said to be, a header or a path that is none, are the client's mistakes and not reasons to panic.
//! Cookies and path parameters are not read; nothing here uses them.

mod answer;

use std::fmt::{self, Write};
use std::net::IpAddr;

use axum::body::Body;
use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use relay_core::json_text::unescaped;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::object::Text;

pub use answer::Answer;

/// The stage that is not part of the path.
const DEFAULT_STAGE: &str = "$default";
/// Room for the headers of a usual request.
const HEADERS_USUAL: usize = 24;

/// The event, as far as it is used. Whatever is missing or null is empty: an event that no gateway sent
/// finds no route and is answered so.
pub struct Event {
    raw_path: String,
    raw_query_string: String,
    headers: HeaderMap,
    request_id: String,
    stage: String,
    method: String,
    source_ip: String,
    body: Option<String>,
    is_base64_encoded: bool,
}

/// An event as its text has it. The parts that have parts of their own are looked into one by one: the Lambda runtime
/// notes the name of every member that it passes, and a body is copied once only if it is left as it is until then.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Read<'a> {
    #[serde(borrow)]
    raw_path: Option<Text<'a>>,
    #[serde(borrow)]
    raw_query_string: Option<Text<'a>>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(borrow)]
    request_context: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    is_base64_encoded: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestContext<'a> {
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    stage: Option<Text<'a>>,
    #[serde(borrow)]
    http: Option<HttpContext<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HttpContext<'a> {
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    source_ip: Option<Text<'a>>,
}

/// The headers of an event. One that HTTP does not know cannot matter to any route.
#[derive(Default)]
struct Headers(HeaderMap);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Headers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = HeaderMap::with_capacity(HEADERS_USUAL);
                while let Some((Text(name), value)) = map.next_entry()? {
                    let value: Option<Text<'de>> = value;
                    if let Some(Text(value)) = value
                        && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
                        && let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
                    {
                        // It has no room for more than 24,576 names, which no gateway lets through.
                        let _ = headers.try_append(name, value);
                    }
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Read::deserialize(deserializer)?;
        let context: RequestContext<'_> = part(read.request_context).map_err(D::Error::custom)?;
        let Headers(headers) = part(read.headers).map_err(D::Error::custom)?;
        let body = read.body.map(|body| unescaped(body.get()));
        let http = context.http.unwrap_or_default();
        Ok(Self {
            raw_path: owned(read.raw_path),
            raw_query_string: owned(read.raw_query_string),
            headers,
            request_id: owned(context.request_id),
            stage: owned(context.stage),
            method: owned(http.method),
            source_ip: owned(http.source_ip),
            body: body
                .map(|body| body.ok_or_else(|| D::Error::custom("the body is no text")))
                .transpose()?,
            is_base64_encoded: read.is_base64_encoded.unwrap_or_default(),
        })
    }
}

/// What a part of the event says. One that is missing says nothing.
fn part<'a, T: Deserialize<'a> + Default>(part: Option<&'a RawValue>) -> serde_json::Result<T> {
    part.map(|part| serde_json::from_str(part.get())).transpose().map(Option::unwrap_or_default)
}

fn owned(text: Option<Text<'_>>) -> String {
    text.map(|Text(text)| text.into_owned()).unwrap_or_default()
}

/// The names of headers. What iterates over them would show their values too.
struct Names<'a>(&'a HeaderMap);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}

/// Names and sizes alone: headers bring keys, and bodies are their senders' business.
impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Event")
            .field("request_id", &self.request_id)
            .field("method", &self.method)
            .field("headers", &Names(&self.headers))
            .field("body_bytes", &self.body.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
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
        *request.method_mut() = Method::from_bytes(self.method.as_bytes()).unwrap_or_default();
        *request.headers_mut() = self.headers;
        let body = self.body.unwrap_or_default();
        if !self.is_base64_encoded {
            *request.body_mut() = Body::from(body);
        } else if let Ok(bytes) = BASE64.decode(body.as_bytes()) {
            *request.body_mut() = Body::from(bytes);
        } else {
            request.extensions_mut().insert(NotBase64);
        }
        if let Ok(source) = self.source_ip.parse::<IpAddr>() {
            request.extensions_mut().insert(SourceAddress(source.to_canonical()));
        }
        request.extensions_mut().insert(GatewayRequestId(self.request_id));
        request
    }

    fn uri(&self) -> Uri {
        let stage = self.stage.as_str();
        let in_stage = || self.raw_path.strip_prefix('/')?.strip_prefix(stage);
        let path = match stage {
            "" | DEFAULT_STAGE => self.raw_path.as_str(),
            _ => in_stage().filter(|rest| rest.starts_with('/')).unwrap_or(&self.raw_path),
        };
        let mut text = escaped(path, "/%:@!$&'()*+,;=-._~");
        if !self.raw_query_string.is_empty() {
            text.push('?');
            text.push_str(&escaped(&self.raw_query_string, "/%:@!$&'()*+,;=-._~?"));
        }
        Uri::from_maybe_shared(Bytes::from(text)).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use axum::response::Response;

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
