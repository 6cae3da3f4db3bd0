//! The documents say what the code does.

use relay_core::{headers, identity};
use relay_ingest::codes::Code;
use relay_ingest::{JSON_DEPTH_MAX, mistakes, problem, read, request};
use serde_json::Value;

use crate::relay::Relay;

fn api() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/API.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_limits_are_those_of_the_code() {
    let document = api();
    let settings = |name: &str| relay_core::settings::setting(name).unwrap().default.unwrap();
    for row in [
        format!("| `messageId` | {} characters", identity::MESSAGE_ID_CHARACTERS_MAX),
        format!("| `senderId` | {} characters", identity::SENDER_ID_CHARACTERS_MAX),
        format!("| `X-Correlation-Id` | {} visible", identity::CORRELATION_ID_CHARACTERS_MAX),
        format!("| `targetUrl` | {} char", relay_core::destination::TARGET_CHARACTERS_MAX),
        format!("| headers of a message | {} |", headers::HEADERS_MAX),
        format!("| name of a header | {} bytes |", headers::HEADER_NAME_BYTES_MAX),
        format!("| value of a header | {} bytes", headers::HEADER_VALUE_BYTES_MAX),
        format!("| all headers of a message | {} bytes |", headers::HEADERS_BYTES_MAX),
        format!("the request's own braces included | {JSON_DEPTH_MAX} levels |"),
        format!("| request | {} bytes |", request::REQUEST_BYTES_MAX),
        format!("| body of a message | {} bytes", settings("PAYLOAD_BYTES_MAX")),
        format!("| body in an answer | {} bytes |", read::BODY_SHOWN_BYTES_MAX),
        format!("| wrong fields listed in one answer | {} |", mistakes::MISTAKES_LISTED_MAX),
        format!("| `Retry-After` of a `SYSTEM_ERROR` | {} seconds |", problem::RETRY_AFTER_SECONDS),
    ] {
        assert!(document.contains(&row), "docs/API.md lacks {row:?}");
    }
}

#[test]
fn the_codes_are_those_of_the_code() {
    let document = api();
    for code in Code::ALL {
        let (name, status, title) = (code.as_str(), code.status().as_u16(), code.title());
        let row = format!("| [{name}](errors/{name}.md) | {status} | {title} |");
        assert!(document.contains(&row), "docs/API.md lacks {row:?}");
    }
}

#[tokio::test]
async fn every_path_of_the_openapi_document_is_answered_and_in_the_api_document() {
    let relay = Relay::new();
    let openapi = relay.get("/openapi.json").await;
    assert_eq!(openapi.headers["content-type"], "application/json");
    let document = api();
    for (path, item) in openapi.json["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let request = http::Request::builder().method(method.to_uppercase().as_str());
            let uri = path.replace("{id}", "msg_x");
            let request = request.uri(uri).body(axum::body::Body::empty()).unwrap();
            let answer = relay.send(request).await;
            assert_ne!(answer.code(), "METHOD_NOT_ALLOWED", "{method} {path}");
            assert_ne!(answer.json["detail"], "there is no such path", "{method} {path}");
            let row = format!("| `{} {path}` |", method.to_uppercase());
            assert!(document.contains(&row), "docs/API.md lacks {row:?}");
        }
    }
}

#[tokio::test]
async fn a_problem_names_a_page_that_exists() {
    let relay = Relay::new();
    let answer = relay.get("/nothing").await;
    let Value::String(kind) = &answer.json["type"] else { panic!("a problem has a type") };
    let page = kind.strip_prefix("urn:webhook-relay:").unwrap();
    let path = format!("{}/../../docs/errors/{page}.md", env!("CARGO_MANIFEST_DIR"));
    assert!(std::path::Path::new(&path).exists(), "{page}");
}
