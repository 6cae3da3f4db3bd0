//! The lists of keys and signing secrets: cursors that nobody was given, and what a cursor tells.

use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use relay_core::access::ApiKey;
use relay_core::body::Sha256;
use serde_json::{Value, json};

use super::holder::{Ask, guarded, numbered, rules, rules_for};
use crate::faults::Fault;
use crate::relay::{Answer, Relay};

const LISTS: [&str; 2] = ["/v1/api-keys", "/v1/signing-secrets"];

/// A cursor made by somebody who knows how the relay makes its own.
fn forged(place: &Value) -> String {
    let json = place.to_string();
    let checksum: String = Sha256::of(json.as_bytes()).to_string().chars().take(8).collect();
    BASE64URL_NOPAD.encode(format!("{checksum}{json}").as_bytes())
}

async fn list(relay: &Relay, by: &ApiKey, path: &str, query: &str) -> Answer {
    Ask::get(&format!("{path}?{query}")).key(by).of(relay).await
}

#[tokio::test]
async fn a_forged_cursor_is_the_clients_mistake() {
    let relay = guarded(&[]);
    let (admin, bound) = (relay.key(1, rules()), relay.key(2, rules_for(&["shop"])));
    let long = format!("3/{}", "a".repeat(10_000));
    for after in
        ["16/a", "255/a", "-1/a", "+1/a", "03/a", "/", "3/a/b", "3/é", "3/a b", &long[..68]]
    {
        for place in [json!({"after": after, "last": null}), json!({"after": null, "last": after})]
        {
            let query = format!("cursor={}", forged(&place));
            for (path, key) in LISTS.iter().flat_map(|path| [(path, &admin), (path, &bound)]) {
                let answer = list(&relay, key, path, &query).await;
                assert_eq!(answer.code(), "VALIDATION_ERROR", "{path} {after}");
            }
        }
    }
    let far = format!("cursor={}", forged(&json!({"after": long, "last": null})));
    assert_eq!(list(&relay, &admin, LISTS[0], &far).await.code(), "VALIDATION_ERROR");
    assert_eq!(relay.keys.calls().lists, 0);
    // One that no store has written, which only the store can tell.
    relay.faults.plan("list keys", Fault::Unreadable);
    let query = format!("cursor={}", forged(&json!({"after": "a", "last": null})));
    assert_eq!(list(&relay, &admin, LISTS[0], &query).await.code(), "VALIDATION_ERROR");
    relay.faults.plan("list keys", Fault::Before);
    assert_eq!(list(&relay, &admin, LISTS[0], "limit=1").await.code(), "SYSTEM_ERROR");
}

#[tokio::test]
async fn the_cursor_of_a_bound_administrator_names_no_key_of_others() {
    let relay = guarded(&[]);
    let bound = relay.key(0, rules_for(&["shop"]));
    let mut own = vec![bound.id().to_string()];
    for number in 1..60 {
        let senders = if number % 5 == 0 { ["shop"] } else { ["billing"] };
        let key = relay.key(number, rules_for(&senders));
        if number % 5 == 0 {
            own.push(key.id().to_string());
        }
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&relay, &bound, LISTS[0], &format!("limit=4{cursor}")).await;
        assert_eq!(page.status, StatusCode::OK);
        let items = page.json["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.json["nextCursor"].as_str() else { break };
        assert_eq!(items.len(), 4);
        let place = String::from_utf8(BASE64URL_NOPAD.decode(next.as_bytes()).unwrap()).unwrap();
        for number in (1..60).filter(|number| number % 5 != 0) {
            assert!(!place.contains(numbered(number).id().as_str()), "{place}");
        }
        cursor = format!("&cursor={next}");
    }
    own.sort();
    seen.sort();
    assert_eq!(seen, own);
    // A key of another sender and one that does not exist are answered alike.
    let mut told = Vec::new();
    for key in [numbered(1), numbered(99)] {
        let query =
            format!("cursor={}", forged(&json!({"after": null, "last": key.id().as_str()})));
        let answer = list(&relay, &bound, LISTS[0], &query).await;
        told.push((answer.status, answer.json));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_unreadable_record_hides_no_others() {
    let relay = guarded(&[]);
    let (admin, bound) = (relay.key(1, rules()), relay.key(2, rules_for(&["a", "b", "c"])));
    for sender in ["a", "b", "c"] {
        let body = json!({"senderId": sender}).to_string();
        assert_eq!(Ask::post(LISTS[1], body).key(&admin).of(&relay).await.status, 201);
    }
    relay.faults.plan("find secret", Fault::Unreadable);
    let left = list(&relay, &bound, LISTS[1], "limit=5").await;
    assert_eq!(left.status, StatusCode::OK);
    assert_eq!(left.json["items"].as_array().unwrap().len(), 2);
    relay.faults.plan("find secret", Fault::Before);
    assert_eq!(list(&relay, &bound, LISTS[1], "limit=5").await.code(), "SYSTEM_ERROR");
}
