//! Keys are made, seen, changed and revoked over the API.

use std::collections::BTreeSet;

use http::StatusCode;
use relay_core::access::{ApiKey, KeyId, KeyRules, Scope};
use relay_core::ports::Keys;
use serde_json::{Value, json};

use super::holder::{Ask, guarded, is_in, post_key, rules, rules_for, signing_secret};
use crate::faults::Fault;
use crate::relay::{Answer, Relay};

const GOOD: &str = r#"{"name":"shop","senders":["shop"],"scopes":["send","read"]}"#;

async fn send(relay: &Relay, by: &ApiKey, method: &str, id: &str, body: &str) -> Answer {
    Ask::new(method, &format!("/v1/api-keys/{id}")).body(body).key(by).of(relay).await
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_works() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let made = post_key(
        &relay,
        &admin,
        r#"{"name":"shop é","senders":["shop","a"],"scopes":["read"],
        "allowedIps":["192.0.2.0/24","2001:db8::1"],"expiresAt":"2100-02-01T00:00:00+01:00",
        "rateLimit":{"perSecond":5,"burst":10},"requireSignature":true}"#,
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.headers["cache-control"], "no-store");
    let key = ApiKey::parse(made.json["key"].as_str().unwrap()).unwrap();
    let secret = made.json["signingSecret"].as_str().unwrap();
    assert_eq!(secret, signing_secret(&key, 1).reveal());
    let mut expected = json!({
        "id": key.id().as_str(), "name": "shop é", "senders": ["a", "shop"], "scopes": ["read"],
        "allowedIps": ["192.0.2.0/24", "2001:db8::1/128"], "expiresAt": "2100-01-31T23:00:00.000Z",
        "rateLimit": {"perSecond": 5, "burst": 10}, "requireSignature": true,
        "versions": [{"version": 1, "createdAt": "2100-01-01T00:00:00.000Z"}],
        "createdAt": "2100-01-01T00:00:00.000Z",
    });
    let shown = send(&relay, &admin, "GET", key.id().as_str(), "").await;
    assert_eq!((shown.status, &shown.json), (StatusCode::OK, &expected));
    let list = Ask::get("/v1/api-keys").key(&admin).of(&relay).await.json;
    assert!(list["items"].as_array().unwrap().contains(&expected));
    for answer in [&shown.json.to_string(), &list.to_string()] {
        assert!(!answer.contains("rk_") && !answer.contains("whsec_"));
    }
    let stored = relay.keys.find(key.id()).await.unwrap().unwrap();
    let stored = serde_json::to_string(&stored.record).unwrap();
    let (_, hidden) = made.json["key"].as_str().unwrap().rsplit_once('_').unwrap();
    assert!(!stored.contains(hidden) && !stored.contains("whsec_"));
    expected["key"] = made.json["key"].clone();
    expected["signingSecret"] = made.json["signingSecret"].clone();
    expected["correlationId"] = json!("request-1");
    assert_eq!(made.json, expected);
    let seconds = relay.clock.now().as_seconds();
    let path = "/v1/messages/msg_x";
    let ask =
        Ask::get(path).key(&key).signed(&signing_secret(&key, 1), &format!("GET {path}"), seconds);
    assert_eq!(ask.of(&relay).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_that_is_wrong_is_told_every_mistake() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let answer = post_key(&relay, &admin, r#"{"senders":["*","a"],"scopes":[],"key":"x"}"#).await;
    assert_eq!(answer.code(), "VALIDATION_ERROR");
    assert_eq!(answer.errors().len(), 4, "{:?}", answer.errors());
    assert_eq!(relay.keys.calls().writes, 0);
    let unread = Ask::post("/v1/api-keys", GOOD).key(&admin).header("content-type", "text/plain");
    assert_eq!(unread.of(&relay).await.code(), "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn nobody_makes_or_sees_a_key_beyond_the_own_senders() {
    let relay = guarded(&[]);
    let limited = relay.key(1, rules_for(&["shop", "crm"]));
    let own = relay.key(2, rules_for(&["crm"]));
    let beyond = [
        relay.key(3, rules()),
        relay.key(4, rules_for(&["shop", "billing"])),
        relay.key(5, rules_for(&["billing"])),
    ];
    for senders in [r#"["*"]"#, r#"["billing"]"#, r#"["shop","billing"]"#] {
        let body = format!(r#"{{"name":"a","senders":{senders},"scopes":["send"]}}"#);
        let answer = post_key(&relay, &limited, &body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::FORBIDDEN, "FORBIDDEN"),
            "{senders}"
        );
        // Neither by a change of a key that one may change, the own one among them.
        for id in [own.id(), limited.id()] {
            let change = format!(r#"{{"senders":{senders}}}"#);
            let answer = send(&relay, &limited, "PATCH", id.as_str(), &change).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{senders}");
        }
    }
    assert_eq!(relay.keys.calls().writes, 0);
    let unknown = "aaaaaaaaaaaaaaaa";
    for (method, tail, body) in
        [("GET", "", ""), ("PATCH", "", "{}"), ("DELETE", "", ""), ("POST", "/rotate", "")]
    {
        let none = send(&relay, &limited, method, &format!("{unknown}{tail}"), body).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND);
        for key in &beyond {
            let answer = send(&relay, &limited, method, &format!("{}{tail}", key.id()), body).await;
            assert_eq!(
                (answer.status, answer.json),
                (none.status, none.json.clone()),
                "{method} {tail}"
            );
        }
    }
    let list = Ask::get("/v1/api-keys").key(&limited).of(&relay).await.json;
    let seen: BTreeSet<&str> =
        list["items"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect();
    assert_eq!(seen, BTreeSet::from([limited.id().as_str(), own.id().as_str()]));
    for key in &beyond {
        assert!(is_in(&Ask::get("/health/ready").key(key).of(&relay).await));
    }
    let made = post_key(&relay, &limited, GOOD).await;
    assert_eq!(made.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_change_counts_at_once_here_and_leaves_the_rest() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let key = relay.key(2, rules());
    let id = key.id().as_str();
    assert!(is_in(&Ask::get("/v1/api-keys").key(&key).of(&relay).await));
    let changed = send(&relay, &admin, "PATCH", id, r#"{"scopes":["send"],"name":"less"}"#).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(
        (&changed.json["scopes"], &changed.json["name"]),
        (&json!(["send"]), &json!("less"))
    );
    assert_eq!(changed.json["senders"], json!(["*"]));
    assert_eq!(Ask::get("/v1/api-keys").key(&key).of(&relay).await.status, StatusCode::FORBIDDEN);
    let writes = relay.keys.calls().writes;
    assert_eq!(send(&relay, &admin, "PATCH", id, "{}").await.json["name"], "less");
    assert_eq!(relay.keys.calls().writes, writes, "nothing to change is not written");
    for bad in ["", "[]", r#"{"id":"x"}"#, r#"{"name":null}"#, r#"{"senders":[]}"#] {
        assert_eq!(
            send(&relay, &admin, "PATCH", id, bad).await.code(),
            "VALIDATION_ERROR",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_revoked_key_stays_to_be_seen_and_cannot_come_back() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let key = relay.key(2, rules());
    let id = key.id().as_str();
    assert!(is_in(&Ask::get("/health/ready").key(&key).of(&relay).await));
    for _ in 0..3 {
        let answer = send(&relay, &admin, "DELETE", id, "").await;
        assert_eq!((answer.status, answer.json), (StatusCode::NO_CONTENT, Value::Null));
    }
    assert_eq!(relay.keys.calls().writes, 1);
    assert_eq!(
        Ask::get("/health/ready").key(&key).of(&relay).await.status,
        StatusCode::UNAUTHORIZED
    );
    let shown = send(&relay, &admin, "GET", id, "").await;
    assert_eq!(shown.json["revokedAt"], "2100-01-01T00:00:00.000Z");
    let change = send(&relay, &admin, "PATCH", id, r#"{"expiresAt":null}"#).await;
    assert_eq!((change.status, change.code()), (StatusCode::CONFLICT, "STATE_CONFLICT"));
    let rotate = send(&relay, &admin, "POST", &format!("{id}/rotate"), "").await;
    assert_eq!(rotate.code(), "STATE_CONFLICT");
    for unknown in ["aaaaaaaaaaaaaaaa", "x", "%2e%2e", "AAAAAAAAAAAAAAAA"] {
        assert_eq!(
            send(&relay, &admin, "DELETE", unknown, "").await.code(),
            "NOT_FOUND",
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn a_list_has_every_key_once_page_by_page() {
    let relay = guarded(&[]);
    let admin = relay.key(0, rules());
    for number in 1..=40 {
        relay.key(number, rules());
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = Ask::get(&format!("/v1/api-keys?limit=7{cursor}")).key(&admin).of(&relay).await;
        assert_eq!(page.status, StatusCode::OK);
        let items = page.json["items"].as_array().unwrap().clone();
        assert!(items.len() <= 7);
        seen.extend(items.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        match page.json["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let all: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!((seen.len(), all.len()), (41, 41));
    for query in ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=", "page=2"] {
        let answer = Ask::get(&format!("/v1/api-keys?{query}")).key(&admin).of(&relay).await;
        assert_eq!(answer.code(), "VALIDATION_ERROR", "{query}");
    }
}

#[tokio::test]
async fn changes_at_one_moment_are_all_made() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let id = relay.key(2, rules()).id().to_string();
    let rotate = format!("{id}/rotate");
    let (one, other) = futures::join!(
        send(&relay, &admin, "PATCH", &id, r#"{"name":"one"}"#),
        send(&relay, &admin, "POST", &rotate, "{}"),
    );
    assert_eq!((one.status, other.status), (StatusCode::OK, StatusCode::OK));
    let shown = send(&relay, &admin, "GET", &id, "").await.json;
    assert_eq!((&shown["name"], shown["versions"].as_array().unwrap().len()), (&json!("one"), 2));
}

/// Somebody else is faster, again and again.
#[tokio::test]
async fn a_change_that_is_always_too_late_is_a_conflict() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let key = relay.key(2, rules());
    for (others, expected) in [(3, StatusCode::OK), (10, StatusCode::CONFLICT)] {
        relay.faults.meanwhile("write key", others, {
            let (keys, id) = (relay.keys.clone(), key.id().clone());
            move || step(&keys, &id)
        });
        let name = format!(r#"{{"name":"{others}"}}"#);
        let answer = send(&relay, &admin, "PATCH", key.id().as_str(), &name).await;
        assert_eq!(answer.status, expected, "{others}");
    }
    assert_eq!(relay.keys.calls().writes, 4 + 4);
}

/// Writes the key as somebody else would.
fn step(keys: &relay_testkit::MemoryKeys, id: &KeyId) {
    let find = keys.find(id);
    let mut find = std::pin::pin!(find);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(found) = find.as_mut().poll(&mut context) else {
        panic!("memory does not wait")
    };
    keys.put(found.unwrap().unwrap().record.changed("somebody else".to_owned()));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_a_fault_of_the_relay() {
    let relay = guarded(&[]);
    let admin = relay.key(1, KeyRules { scopes: [Scope::Admin].into(), ..rules() });
    let id = relay.key(2, rules()).id().to_string();
    for (method, path, body) in [("PATCH", id.clone(), r#"{"name":"b"}"#), ("DELETE", id, "")] {
        for fault in [Fault::Before, Fault::After] {
            relay.faults.plan("write key", fault);
            let answer = send(&relay, &admin, method, &path, body).await;
            assert_eq!(answer.code(), "SYSTEM_ERROR", "{method}");
        }
        let again = send(&relay, &admin, method, &path, body).await;
        assert!(again.status.is_success(), "{method}");
    }
}
