//! What each route needs, held against the whole of the API.

use http::StatusCode;
use relay_core::access::{KeyRules, Scope};
use serde_json::Value;

use super::holder::{Ask, guarded, is_in, rules};
use crate::relay::Relay;

/// Every route and the scope it needs. A route that is added has to be added here.
const ROUTES: [(&str, &str, Needs); 23] = [
    ("GET", "/health", Needs::Nothing),
    ("GET", "/openapi.json", Needs::Nothing),
    ("GET", "/health/ready", Needs::AnyKey),
    ("POST", "/message", Needs::Scope(Scope::Send)),
    ("POST", "/v1/messages", Needs::Scope(Scope::Send)),
    ("POST", "/v1/messages/bulk", Needs::Scope(Scope::Send)),
    ("POST", "/v1/uploads", Needs::Scope(Scope::Send)),
    ("GET", "/v1/messages/{id}", Needs::Scope(Scope::Read)),
    ("POST", "/v1/messages/{id}/redrive", Needs::Scope(Scope::Operate)),
    ("POST", "/v1/messages/{id}/resend", Needs::Scope(Scope::Operate)),
    ("POST", "/v1/messages/bulk/redrive", Needs::Scope(Scope::Operate)),
    ("DELETE", "/v1/messages/bulk", Needs::Scope(Scope::Operate)),
    ("GET", "/v1/destinations/{host}", Needs::Scope(Scope::Operate)),
    ("GET", "/v1/api-keys", Needs::Scope(Scope::Admin)),
    ("POST", "/v1/api-keys", Needs::Scope(Scope::Admin)),
    ("GET", "/v1/api-keys/{id}", Needs::Scope(Scope::Admin)),
    ("PATCH", "/v1/api-keys/{id}", Needs::Scope(Scope::Admin)),
    ("DELETE", "/v1/api-keys/{id}", Needs::Scope(Scope::Admin)),
    ("POST", "/v1/api-keys/{id}/rotate", Needs::Scope(Scope::Admin)),
    ("GET", "/v1/signing-secrets", Needs::Scope(Scope::Admin)),
    ("POST", "/v1/signing-secrets", Needs::Scope(Scope::Admin)),
    ("GET", "/v1/signing-secrets/{senderId}", Needs::Scope(Scope::Admin)),
    ("POST", "/v1/signing-secrets/{senderId}/rotate", Needs::Scope(Scope::Admin)),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    AnyKey,
    Scope(Scope),
}

fn ask(method: &str, path: &str) -> Ask {
    let path = path.replace("{id}", "x").replace("{host}", "a.example").replace("{senderId}", "a");
    Ask::new(method, &path).body("{}")
}

async fn documented(relay: &Relay) -> Vec<(String, String, Value)> {
    let document = Ask::get("/openapi.json").of(relay).await.json;
    let paths = document["paths"].as_object().unwrap().clone();
    let of_path = |(path, item): (String, Value)| {
        let operations = item.as_object().unwrap().clone().into_iter();
        let operations =
            operations.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation));
        operations.collect::<Vec<_>>()
    };
    paths.into_iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn the_table_has_every_route() {
    let relay = guarded(&[]);
    let mut documented: Vec<(String, String)> =
        documented(&relay).await.into_iter().map(|(method, path, _)| (method, path)).collect();
    let mut listed: Vec<(String, String)> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    documented.sort();
    listed.sort();
    assert_eq!(documented, listed);
}

#[tokio::test]
async fn each_route_lets_in_who_has_its_scope_and_nobody_else() {
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "0")]);
    let keys = Scope::ALL.map(|scope| {
        let number = u8::try_from(scope.as_str().len()).unwrap();
        (
            scope,
            relay.key(
                number * 16 + scope.as_str().as_bytes()[0] % 16,
                KeyRules { scopes: [scope].into(), ..rules() },
            ),
        )
    });
    for (method, path, needs) in ROUTES {
        let without = ask(method, path).of(&relay).await;
        assert_eq!(is_in(&without), needs == Needs::Nothing, "{method} {path}");
        if needs != Needs::Nothing {
            assert_eq!(without.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
        for (scope, key) in &keys {
            let answer = ask(method, path).key(key).of(&relay).await;
            let expected = match needs {
                Needs::Nothing | Needs::AnyKey => true,
                Needs::Scope(needed) => needed == *scope,
            };
            assert_eq!(is_in(&answer), expected, "{method} {path} with {scope}");
            if !expected {
                assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "FORBIDDEN"));
            }
            assert!(answer.status.as_u16() < 500, "{method} {path} with {scope}");
        }
    }
}

#[tokio::test]
async fn what_is_no_route_needs_a_key_too() {
    let relay = guarded(&[]);
    let key = relay.key(1, KeyRules { scopes: [].into(), ..rules() });
    for (method, path, with_key) in [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/api-keys/", 404),
        ("GET", "//v1/api-keys", 404),
        ("GET", "/V1/API-KEYS", 404),
        ("GET", "/health/", 404),
        ("POST", "/health", 405),
        ("OPTIONS", "/message", 405),
        ("PUT", "/v1/api-keys/x", 405),
        ("GET", "/message", 405),
    ] {
        assert_eq!(ask(method, path).of(&relay).await.status, 401, "{method} {path}");
        let answer = ask(method, path).key(&key).of(&relay).await;
        assert_eq!(answer.status.as_u16(), with_key, "{method} {path}");
    }
    // HEAD is GET, with what GET needs.
    assert_eq!(ask("HEAD", "/v1/api-keys").key(&key).of(&relay).await.status, 403);
    assert_eq!(ask("HEAD", "/v1/api-keys").of(&relay).await.status, 401);
    assert_eq!(ask("HEAD", "/health").of(&relay).await.status, 200);
}

#[tokio::test]
async fn the_openapi_document_says_what_each_route_needs() {
    let relay = guarded(&[]);
    for (method, path, operation) in documented(&relay).await {
        let (_, _, needs) =
            ROUTES.iter().find(|(known, at, _)| *known == method && *at == path).unwrap();
        let is_open = *needs == Needs::Nothing;
        assert_eq!(
            operation["security"].as_array().unwrap().is_empty(),
            is_open,
            "{method} {path}"
        );
        for status in ["401", "403", "429"] {
            assert_eq!(operation["responses"].get(status).is_none(), is_open, "{method} {path}");
        }
        if let Needs::Scope(scope) = needs {
            let text = operation["responses"]["403"]["description"].as_str().unwrap();
            assert!(text.contains(scope.as_str()), "{method} {path}");
        }
    }
}
