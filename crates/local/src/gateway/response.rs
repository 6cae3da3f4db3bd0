//! Turns what a function answers into an HTTP response, by the rules of payload format 2.0.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use data_encoding::BASE64;
use serde_json::{Map, Value as Json};

use crate::lambda::InvokeError;

/// An answer of the gateway itself, in the words of an HTTP API.
pub(super) fn message(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{{\"message\":\"{text}\"}}")));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The answer to a request whose function did not answer.
pub(super) fn from_error(error: &InvokeError) -> Response<Body> {
    match error {
        InvokeError::EventTooLarge { .. } => {
            message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
        }
        InvokeError::Throttled { .. } | InvokeError::Stopping => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        InvokeError::ColdStart(_)
        | InvokeError::Function { .. }
        | InvokeError::Crashed { .. }
        | InvokeError::TimedOut { .. }
        | InvokeError::ResponseTooLarge => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// The response that the function's answer stands for. An answer that is no response, or a malformed
/// one, becomes an error 500.
pub(super) fn from_answer(answer: &[u8]) -> Response<Body> {
    match interpret(answer) {
        Some(response) => response,
        None => {
            tracing::error!("the function's answer is not an http response");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

fn interpret(answer: &[u8]) -> Option<Response<Body>> {
    let json: Json = serde_json::from_slice(answer).ok()?;
    let Some(status) = json.get("statusCode") else {
        // Without a status the whole answer is the body, if it is any JSON.
        return inferred(&json);
    };
    let status = u16::try_from(status.as_u64()?).ok()?;
    let mut response = Response::new(body(&json)?);
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    let headers = response.headers_mut();
    for (name, value) in object(&json, "headers")? {
        headers.insert(header_name(name)?, header_value(&value)?);
    }
    for (name, values) in object(&json, "multiValueHeaders")? {
        let name = header_name(name)?;
        headers.remove(&name);
        for value in values.as_array()? {
            headers.append(&name, header_value(value)?);
        }
    }
    for cookie in json.get("cookies").and_then(Json::as_array).into_iter().flatten() {
        headers.append(header::SET_COOKIE, header_value(cookie)?);
    }
    // These say how a connection is framed, which is the gateway's own business.
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    let json = HeaderValue::from_static("application/json");
    headers.entry(header::CONTENT_TYPE).or_insert(json);
    Some(response)
}

fn inferred(json: &Json) -> Option<Response<Body>> {
    let text = match json {
        Json::String(text) => text.clone(),
        Json::Null => return None,
        other => other.to_string(),
    };
    let mut response = Response::new(Body::from(text));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Some(response)
}

fn body(json: &Json) -> Option<Body> {
    let text = match json.get("body") {
        None | Some(Json::Null) => return Some(Body::empty()),
        Some(body) => body.as_str()?,
    };
    match json.get("isBase64Encoded").and_then(Json::as_bool) {
        Some(true) => BASE64.decode(text.as_bytes()).ok().map(Body::from),
        Some(false) | None => Some(Body::from(text.to_owned())),
    }
}

/// A member that is a map, missing or null. Anything else is malformed.
fn object(json: &Json, name: &str) -> Option<Map<String, Json>> {
    match json.get(name) {
        None | Some(Json::Null) => Some(Map::new()),
        Some(Json::Object(object)) => Some(object.clone()),
        Some(_) => None,
    }
}

fn header_name(name: String) -> Option<HeaderName> {
    HeaderName::try_from(name).ok()
}

fn header_value(value: &Json) -> Option<HeaderValue> {
    match value {
        Json::String(text) => HeaderValue::from_str(text).ok(),
        Json::Number(number) => HeaderValue::from_str(&number.to_string()).ok(),
        Json::Bool(flag) => HeaderValue::from_str(&flag.to_string()).ok(),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    async fn shown(answer: &str) -> (u16, Vec<(String, String)>, String) {
        let response = from_answer(answer.as_bytes());
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[tokio::test]
    async fn a_full_answer_is_taken_apart() {
        let answer = r#"{"statusCode":202,"headers":{"X-A":"1","content-type":"text/plain"},
            "multiValueHeaders":{"x-b":["2","3"]},"cookies":["c=4"],"body":"aGk=","isBase64Encoded":true}"#;
        let (status, headers, body) = shown(answer).await;
        assert_eq!((status, body.as_str()), (202, "hi"));
        let expected = [
            ("x-a", "1"),
            ("content-type", "text/plain"),
            ("x-b", "2"),
            ("x-b", "3"),
            ("set-cookie", "c=4"),
        ];
        for pair in pairs(&expected) {
            assert!(headers.contains(&pair), "{pair:?} in {headers:?}");
        }
        assert_eq!(headers.len(), expected.len());
    }

    #[tokio::test]
    async fn an_answer_without_a_status_is_a_body() {
        let (status, headers, body) = shown(r#"{"hello":"you"}"#).await;
        assert_eq!((status, body.as_str()), (200, r#"{"hello":"you"}"#));
        assert_eq!(headers, pairs(&[("content-type", "application/json")]));
    }

    #[tokio::test]
    async fn a_malformed_answer_is_an_error() {
        for answer in [
            "",
            "null",
            "{",
            r#"{"statusCode":"ok"}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":200,"headers":{"a b":"1"}}"#,
            r#"{"statusCode":200,"headers":[]}"#,
            r#"{"statusCode":200,"body":5}"#,
            r#"{"statusCode":200,"body":"?","isBase64Encoded":true}"#,
        ] {
            let (status, _, body) = shown(answer).await;
            assert_eq!(
                (status, body.as_str()),
                (500, r#"{"message":"Internal Server Error"}"#),
                "{answer}"
            );
        }
    }
}
