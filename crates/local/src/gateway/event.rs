//! Builds the event of payload format 2.0 from an HTTP request.

use axum::http::{HeaderMap, Method, Uri, Version, header};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use std::net::IpAddr;

use super::body;
use super::routes::{Match, decode};

/// Who sent the request, and when.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Address of the connection.
    pub source: IpAddr,
    /// Time the request arrived.
    pub at: Timestamp,
}

/// What the API is called, in events and metrics.
pub(super) const API_ID: &str = "local";

/// The parts of a request that an event is made of.
pub(super) struct Request<'r> {
    pub(super) method: &'r Method,
    pub(super) uri: &'r Uri,
    pub(super) version: Version,
    pub(super) headers: &'r HeaderMap,
    pub(super) body: &'r [u8],
}

/// Who the API is, in events.
pub(super) struct ApiIdentity<'r> {
    pub(super) account_id: &'r str,
    pub(super) request_id: &'r str,
}

/// The event for one request.
pub(super) fn build(
    request: &Request<'_>,
    route: &Match<'_>,
    caller: Caller,
    identity: &ApiIdentity<'_>,
) -> Json {
    let header = |name: header::HeaderName| joined(request.headers, &name, ",");
    let raw_query = request.uri.query().unwrap_or_default();
    let host = header(header::HOST).unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route.route_key,
        "rawPath": request.uri.path(),
        "rawQueryString": raw_query,
        "headers": headers(request.headers, caller.source),
        "requestContext": {
            "accountId": identity.account_id,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.split(['.', ':']).next().unwrap_or_default(),
            "http": {
                "method": request.method.as_str(),
                "path": request.uri.path(),
                "protocol": format!("{:?}", request.version),
                "sourceIp": caller.source.to_string(),
                "userAgent": header(header::USER_AGENT).unwrap_or_default(),
            },
            "requestId": identity.request_id,
            "routeKey": route.route_key,
            "stage": "$default",
            "time": caller.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": caller.at.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if !route.path_parameters.is_empty() {
        event["pathParameters"] = json!(route.path_parameters);
    }
    if !raw_query.is_empty() {
        event["queryStringParameters"] = query_parameters(raw_query);
    }
    if let Some(cookies) = joined(request.headers, &header::COOKIE, "; ") {
        let cookies: Vec<&str> = cookies.split(';').map(str::trim).collect();
        event["cookies"] = json!(cookies);
    }
    if !request.body.is_empty() {
        let content_type = header(header::CONTENT_TYPE);
        let (text, is_base64) = body::encode(content_type.as_deref(), request.body);
        event["body"] = Json::String(text);
        event["isBase64Encoded"] = Json::Bool(is_base64);
    }
    event
}

/// Header values as text. HTTP allows bytes that are not UTF-8; events do not.
fn joined(headers: &HeaderMap, name: &header::HeaderName, separator: &str) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!values.is_empty()).then(|| values.join(separator))
}

/// Lower-case names; several values of one name joined by a comma; cookies have a place of their own.
fn headers(headers: &HeaderMap, source: IpAddr) -> Json {
    let mut object = Map::new();
    for name in headers.keys() {
        if name != header::COOKIE
            && let Some(value) = joined(headers, name, ",")
        {
            object.insert(name.as_str().to_owned(), Json::String(value));
        }
    }
    let source = source.to_string();
    let forwarded = match object.get("x-forwarded-for").and_then(Json::as_str) {
        Some(before) => format!("{before}, {source}"),
        None => source,
    };
    object.insert("x-forwarded-for".to_owned(), Json::String(forwarded));
    object.insert("x-forwarded-proto".to_owned(), Json::String("http".to_owned()));
    Json::Object(object)
}

/// Decoded; several values of one name joined by a comma.
fn query_parameters(raw_query: &str) -> Json {
    let mut parameters = Map::new();
    for pair in raw_query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| decode(&text.replace('+', " "));
        let (name, value) = (plain(name), plain(value));
        match parameters.get_mut(&name) {
            Some(Json::String(values)) => {
                values.push(',');
                values.push_str(&value);
            }
            Some(_) | None => {
                parameters.insert(name, Json::String(value));
            }
        }
    }
    Json::Object(parameters)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::BTreeMap;

    fn event(uri: &str, headers: &[(&str, &str)], body: &[u8]) -> Json {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let uri: Uri = uri.parse().unwrap();
        let request = Request {
            method: &Method::POST,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &map,
            body,
        };
        let route = Match {
            function: "F",
            route_key: "POST /v1/messages/{id}".to_owned(),
            path_parameters: BTreeMap::from([("id".to_owned(), "m 1".to_owned())]),
        };
        let at: Timestamp = "2026-11-21T05:00:00.250Z".parse().unwrap();
        let caller = Caller { source: "127.0.0.1".parse().unwrap(), at };
        let identity = ApiIdentity { account_id: "000000000000", request_id: "r-1" };
        build(&request, &route, caller, &identity)
    }

    #[test]
    fn an_event_has_the_shape_of_format_two() {
        let headers = [
            ("Host", "localhost:3000"),
            ("User-Agent", "curl/8"),
            ("X-Twice", "a"),
            ("X-Twice", "b"),
            ("Cookie", "a=1; b=2"),
            ("Content-Type", "application/json"),
        ];
        let event = event("/v1/messages/m%201?tag=a&tag=b%26c&flag&s=x+y", &headers, b"{\"a\": 1}");
        let expected = json!({
            "version": "2.0",
            "routeKey": "POST /v1/messages/{id}",
            "rawPath": "/v1/messages/m%201",
            "rawQueryString": "tag=a&tag=b%26c&flag&s=x+y",
            "cookies": ["a=1", "b=2"],
            "headers": {
                "content-type": "application/json",
                "host": "localhost:3000",
                "user-agent": "curl/8",
                "x-forwarded-for": "127.0.0.1",
                "x-forwarded-proto": "http",
                "x-twice": "a,b",
            },
            "queryStringParameters": { "tag": "a,b&c", "flag": "", "s": "x y" },
            "pathParameters": { "id": "m 1" },
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "local",
                "domainName": "localhost:3000",
                "domainPrefix": "localhost",
                "http": {
                    "method": "POST",
                    "path": "/v1/messages/m%201",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "curl/8",
                },
                "requestId": "r-1",
                "routeKey": "POST /v1/messages/{id}",
                "stage": "$default",
                "time": "21/Nov/2026:05:00:00 +0000",
                "timeEpoch": 1_795_237_200_250_i64,
            },
            "body": "{\"a\": 1}",
            "isBase64Encoded": false,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let event = event("/", &[], b"");
        for key in ["body", "cookies", "queryStringParameters"] {
            assert!(event.get(key).is_none(), "{key}");
        }
    }

    #[test]
    fn bytes_travel_as_base64() {
        let event = event("/", &[("Content-Type", "image/png")], b"\x89PNG");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("iVBORw=="), &json!(true)));
    }
}
