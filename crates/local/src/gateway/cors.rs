//! CORS as an HTTP API does it: the gateway answers preflight requests itself, and what a function says
//! about CORS is replaced.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::template::description::Cors;

/// Every header that the gateway alone decides on.
const CORS_HEADERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// The answer to a preflight request, or nothing if the request is none.
pub(super) fn preflight(
    cors: &Cors,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response<Body>> {
    let asks = headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if method != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(origin) = allowed_origin(cors, headers) {
        let answer = response.headers_mut();
        common(cors, origin, answer);
        insert(answer, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods.join(","));
        insert(answer, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers.join(","));
        if let Some(seconds) = cors.max_age_seconds {
            insert(answer, header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
    }
    Some(response)
}

/// Puts the gateway's CORS headers on a response, in place of the function's own.
pub(super) fn apply(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    for name in CORS_HEADERS {
        response.remove(name);
    }
    if let Some(origin) = allowed_origin(cors, request) {
        common(cors, origin, response);
    }
}

fn allowed_origin(cors: &Cors, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    if cors.allow_origins.iter().any(|allowed| allowed == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let text = origin.to_str().ok()?;
    cors.allow_origins.iter().any(|allowed| allowed == text).then(|| origin.clone())
}

fn common(cors: &Cors, origin: HeaderValue, answer: &mut HeaderMap) {
    if origin != "*" {
        answer.append(header::VARY, HeaderValue::from_static("origin"));
    }
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    insert(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers.join(","));
    if cors.allow_credentials {
        insert(answer, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
}

/// Inserts a header that has something to say.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn cors(origin: &str) -> Cors {
        Cors {
            allow_origins: vec![origin.to_owned()],
            allow_methods: vec!["GET".to_owned(), "POST".to_owned()],
            allow_headers: vec!["content-type".to_owned()],
            expose_headers: vec!["retry-after".to_owned()],
            max_age_seconds: Some(600),
            allow_credentials: false,
        }
    }

    fn request(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers
    }

    #[test]
    fn a_preflight_is_answered_by_the_gateway() {
        let mut headers = request("https://a.example");
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        let answer = preflight(&cors("*"), &Method::OPTIONS, &headers).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_MAX_AGE], "600");
        let answer = preflight(&cors("https://b.example"), &Method::OPTIONS, &headers).unwrap();
        assert!(answer.headers().is_empty(), "another origin learns nothing");
        assert!(preflight(&cors("*"), &Method::POST, &headers).is_none());
        assert!(preflight(&cors("*"), &Method::OPTIONS, &request("https://a.example")).is_none());
    }

    #[test]
    fn what_the_function_says_is_replaced() {
        let mut response = HeaderMap::new();
        response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("evil"));
        apply(&cors("https://a.example"), &request("https://a.example"), &mut response);
        assert_eq!(response[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(response[header::VARY], "origin");
        apply(&cors("https://a.example"), &HeaderMap::new(), &mut response);
        assert!(!response.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
