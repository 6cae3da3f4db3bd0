//! Keys that are rotated: old and new are good together for a while.

use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use relay_core::access::{ApiKey, KeyRules, Scope};
use relay_core::identity::SenderId;
use relay_core::ports::{Keys, SigningSecrets};
use serde_json::{Value, json};

use super::holder::{Ask, guarded, is_in, rules};
use crate::relay::{Answer, Relay};

const PATH: &str = "/health/ready";

async fn rotate(relay: &Relay, by: &ApiKey, id: &str, body: &str) -> Answer {
    Ask::post(&format!("/v1/api-keys/{id}/rotate"), body).key(by).of(relay).await
}

fn key_of(answer: &Answer) -> ApiKey {
    ApiKey::parse(answer.json["key"].as_str().unwrap()).unwrap()
}

async fn status(relay: &Relay, key: &ApiKey) -> u16 {
    Ask::get(PATH).key(key).of(relay).await.status.as_u16()
}

#[tokio::test]
async fn f33_old_and_new_are_good_together_until_the_grace_period_ends() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let old = relay.key(2, KeyRules { scopes: [Scope::Send].into(), ..rules() });
    let fresh = Ask::get(PATH).key(&old).of(&relay).await;
    assert!(!fresh.headers.contains_key("deprecation") && !fresh.headers.contains_key("sunset"));
    relay.clock.advance(Duration::from_millis(1_500));
    let rotated = rotate(&relay, &admin, old.id().as_str(), r#"{"gracePeriodSeconds":60}"#).await;
    assert_eq!(rotated.status, StatusCode::OK);
    let since = relay.clock.now();
    let new = key_of(&rotated);
    assert_eq!(new.id(), old.id());
    assert_eq!(
        rotated.json["versions"],
        json!([
            {"version": 1, "createdAt": "2100-01-01T00:00:00.000Z", "endsAt": "2100-01-01T00:01:01.500Z"},
            {"version": 2, "createdAt": "2100-01-01T00:00:01.500Z"},
        ])
    );
    // The new one is good at once, everywhere; the old one says that it will end.
    let answer = Ask::get(PATH).key(&new).of(&relay).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.headers.contains_key("deprecation"));
    let answer = Ask::get(PATH).key(&old).of(&relay).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["deprecation"], format!("@{}", since.as_seconds()).as_str());
    let until = UNIX_EPOCH + Duration::from_secs(since.as_seconds() + 60);
    assert_eq!(answer.headers["sunset"], httpdate::fmt_http_date(until).as_str());
    assert_eq!(answer.headers["sunset"], "Fri, 01 Jan 2100 00:01:01 GMT");
    // What is refused for another reason is told all the same.
    for (path, status) in [("/nothing", 404), ("/v1/api-keys", 403)] {
        let refused = Ask::get(path).key(&old).of(&relay).await;
        assert_eq!(refused.status, status);
        for name in ["sunset", "deprecation", "ratelimit", "x-ratelimit-remaining"] {
            assert!(refused.headers.contains_key(name), "{path} {name}");
        }
    }
    relay.clock.advance(Duration::from_millis(59_999));
    assert_eq!((status(&relay, &old).await, status(&relay, &new).await), (200, 200));
    relay.clock.advance(Duration::from_millis(1));
    assert_eq!((status(&relay, &old).await, status(&relay, &new).await), (401, 200));
}

#[tokio::test]
async fn f33_a_new_secret_is_good_at_once_where_the_key_is_remembered() {
    let relay = guarded(&[]);
    let other = relay.another(&[("AUTHENTICATION", "keys")]);
    let admin = relay.key(1, rules());
    let old = relay.key(2, rules());
    assert_eq!(status(&other, &old).await, 200);
    let new = key_of(&rotate(&relay, &admin, old.id().as_str(), "").await);
    assert_eq!(status(&other, &new).await, 200);
    assert_eq!(status(&other, &old).await, 200);
}

#[tokio::test]
async fn without_a_grace_period_the_old_one_ends_now() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let old = relay.key(2, rules());
    assert_eq!(status(&relay, &old).await, 200);
    let answer = rotate(&relay, &admin, old.id().as_str(), r#"{"gracePeriodSeconds":0}"#).await;
    let new = key_of(&answer);
    assert_eq!(answer.json["versions"].as_array().unwrap().len(), 1);
    // This environment knows at once; others when they forget what they read.
    assert_eq!((status(&relay, &old).await, status(&relay, &new).await), (401, 200));
}

#[tokio::test]
async fn no_more_than_three_versions_are_good_together() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let id = relay.key(2, rules()).id().to_string();
    let mut keys = vec![];
    for _ in 0..2 {
        keys.push(key_of(&rotate(&relay, &admin, &id, "{}").await));
    }
    let refused = rotate(&relay, &admin, &id, "{}").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "STATE_CONFLICT"));
    assert!(refused.json["detail"].as_str().unwrap().contains("3 versions"));
    assert_eq!(refused.json.get("key"), None);
    for key in &keys {
        assert_eq!(status(&relay, key).await, 200);
    }
    let now = key_of(&rotate(&relay, &admin, &id, r#"{"gracePeriodSeconds":0}"#).await);
    assert_eq!(status(&relay, &keys[1]).await, 401);
    assert_eq!(status(&relay, &now).await, 200);
}

#[tokio::test]
async fn the_default_grace_is_a_day_and_the_longest_a_week() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let id = relay.key(2, rules()).id().to_string();
    let answer = rotate(&relay, &admin, &id, "").await;
    assert_eq!(answer.json["versions"][0]["endsAt"], "2100-01-02T00:00:00.000Z");
    for (body, code) in [
        (r#"{"gracePeriodSeconds":604801}"#, "VALIDATION_ERROR"),
        (r#"{"gracePeriod":1}"#, "VALIDATION_ERROR"),
        ("[]", "VALIDATION_ERROR"),
    ] {
        assert_eq!(rotate(&relay, &admin, &id, body).await.code(), code, "{body}");
    }
    assert_eq!(rotate(&relay, &admin, "aaaaaaaaaaaaaaaa", "").await.code(), "NOT_FOUND");
    Ask::new("DELETE", &format!("/v1/api-keys/{id}")).key(&admin).of(&relay).await;
    assert_eq!(rotate(&relay, &admin, &id, "").await.code(), "STATE_CONFLICT");
}

#[tokio::test]
async fn a_key_may_rotate_itself() {
    let relay = guarded(&[]);
    let old = relay.key(1, rules());
    let answer = rotate(&relay, &old, old.id().as_str(), r#"{"gracePeriodSeconds":0}"#).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(is_in(&Ask::get(PATH).key(&key_of(&answer)).of(&relay).await));
    assert!(!is_in(&Ask::get(PATH).key(&old).of(&relay).await));
    assert_ne!(answer.json["signingSecret"], Value::Null);
}

/// Who finds an old version must not lock out its owner, who has the new one.
#[tokio::test]
async fn a_replaced_version_changes_no_keys_and_secrets() {
    let relay = guarded(&[]);
    let old = relay.key(1, rules());
    let other = relay.key(2, rules()).id().to_string();
    let elsewhere = relay.another(&[("AUTHENTICATION", "keys")]);
    assert_eq!((status(&relay, &old).await, status(&elsewhere, &old).await), (200, 200));
    let new = key_of(&rotate(&relay, &old, old.id().as_str(), "{}").await);
    let own = old.id().to_string();
    let changes = [
        ("POST", "/v1/api-keys".to_owned(), r#"{"name":"a","senders":["a"],"scopes":["send"]}"#),
        ("PATCH", format!("/v1/api-keys/{own}"), r#"{"name":"b"}"#),
        ("DELETE", format!("/v1/api-keys/{other}"), ""),
        ("POST", "/v1/signing-secrets".to_owned(), r#"{"senderId":"a"}"#),
        ("POST", "/v1/signing-secrets/a/rotate".to_owned(), "{}"),
        // The last, because it replaces the version that asks.
        ("POST", format!("/v1/api-keys/{own}/rotate"), r#"{"gracePeriodSeconds":0}"#),
    ];
    let writes = relay.keys.calls().writes;
    // Nor where the key is remembered as it was before the rotation.
    for environment in [&relay, &elsewhere] {
        for (method, path, body) in &changes {
            let answer = Ask::new(method, path).body(*body).key(&old).of(environment).await;
            assert_eq!(
                (answer.status, answer.code()),
                (StatusCode::FORBIDDEN, "FORBIDDEN"),
                "{path}"
            );
            let detail = answer.json["detail"].as_str().unwrap();
            assert!(detail.contains("use the newest version of this key"), "{detail}");
            assert!(answer.headers.contains_key("sunset"), "{path}");
        }
    }
    assert_eq!(relay.keys.calls().writes, writes);
    for path in
        ["/v1/api-keys".to_owned(), format!("/v1/api-keys/{own}"), "/v1/signing-secrets".to_owned()]
    {
        assert_eq!(Ask::get(&path).key(&old).of(&relay).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(status(&relay, &old).await, 200);
    for (method, path, body) in changes {
        let answer = Ask::new(method, &path).body(body).key(&new).of(&relay).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
    }
}

/// Both would otherwise be told a new key, one of them void.
#[tokio::test]
async fn of_two_rotations_at_one_moment_one_is_a_conflict() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let id = relay.key(2, rules()).id().clone();
    let secret = r#"{"senderId":"a"}"#;
    Ask::post("/v1/signing-secrets", secret).key(&admin).of(&relay).await;
    let sender = SenderId::parse("a").unwrap();
    for body in [r#"{"gracePeriodSeconds":0}"#, "{}"] {
        relay.faults.meanwhile("write key", 1, {
            let (relay, id) = (relay.clone(), id.clone());
            move || {
                let record = now_or_never(relay.keys.find(&id)).unwrap().unwrap().record;
                let (key, now) = (ApiKey::of(id.clone(), [[9; 16]; 2]), relay.clock.now());
                let grace = Duration::ZERO;
                relay.keys.put(record.rotated(&key, None, grace, now, "other".to_owned()).unwrap());
            }
        });
        assert_overtaken(&rotate(&relay, &admin, id.as_str(), body).await);
        relay.faults.meanwhile("write secret", 1, {
            let (relay, sender) = (relay.clone(), sender.clone());
            move || {
                let (secrets, now) = (&relay.signing_secrets, relay.clock.now());
                let record = now_or_never(secrets.find(&sender)).unwrap().unwrap();
                let master = record.versions[0].master.clone();
                let [nonce, write_id] = ["n", "other"].map(str::to_owned);
                let record = record.rotated(master, nonce, Duration::ZERO, now, write_id).unwrap();
                now_or_never(secrets.write(&record)).unwrap();
            }
        });
        let answer = Ask::post("/v1/signing-secrets/a/rotate", body).key(&admin).of(&relay).await;
        assert_overtaken(&answer);
    }
}

fn assert_overtaken(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "STATE_CONFLICT"));
    assert!(answer.json["detail"].as_str().unwrap().contains("by somebody else meanwhile"));
    assert_eq!((answer.json.get("key"), answer.json.get("signingSecret")), (None, None));
}

/// What a port in memory answers: it does not wait.
fn now_or_never<T>(answer: impl Future<Output = T>) -> T {
    futures::FutureExt::now_or_never(answer).unwrap()
}
