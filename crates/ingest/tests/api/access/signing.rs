//! Signing secrets of senders are made, seen and rotated over the API.

use std::time::Duration;

use http::StatusCode;
use relay_core::access::ApiKey;
use relay_core::identity::SenderId;
use relay_core::ports::SigningSecrets;
use relay_core::signature::SigningSecret;
use serde_json::{Value, json};

use super::holder::{Ask, guarded, rules, rules_for};
use crate::faults::Fault;
use crate::relay::{Answer, Relay, masters};

const PATH: &str = "/v1/signing-secrets";

async fn make(relay: &Relay, by: &ApiKey, sender: &str) -> Answer {
    Ask::post(PATH, json!({"senderId": sender}).to_string()).key(by).of(relay).await
}

async fn get(relay: &Relay, by: &ApiKey, tail: &str) -> Answer {
    Ask::get(&format!("{PATH}{tail}")).key(by).of(relay).await
}

async fn rotate(relay: &Relay, by: &ApiKey, sender: &str, body: &str) -> Answer {
    Ask::post(&format!("{PATH}/{sender}/rotate"), body).key(by).of(relay).await
}

#[tokio::test]
async fn a_secret_is_made_and_is_the_one_that_signs() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let made = make(&relay, &admin, "billing").await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.headers["cache-control"], "no-store");
    let text = made.json["signingSecret"].as_str().unwrap().to_owned();
    assert_eq!(
        made.json,
        json!({
            "senderId": "billing", "createdAt": "2100-01-01T00:00:00.000Z",
            "versions": [{"version": 1, "createdAt": "2100-01-01T00:00:00.000Z"}],
            "signingSecret": text, "correlationId": "request-1",
        })
    );
    let sender = SenderId::parse("billing").unwrap();
    let stored = relay.signing_secrets.find(&sender).await.unwrap().unwrap();
    let signs = stored.live(relay.clock.now()).next().unwrap().secret(&sender, &masters());
    assert_eq!(SigningSecret::parse(&text), signs);
    assert!(!serde_json::to_string(&stored).unwrap().contains(&text[6..]));
    let again = make(&relay, &admin, "billing").await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "STATE_CONFLICT"));
    let shown = get(&relay, &admin, "/billing?include=secret").await;
    assert_eq!(shown.json["versions"][0]["signingSecret"], json!(text));
    for tail in ["", "/billing"] {
        let answer = get(&relay, &admin, tail).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.json.to_string().contains("whsec_"), "{tail}");
    }
}

#[tokio::test]
async fn f33_a_rotation_overlaps() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let first = make(&relay, &admin, "a").await.json["signingSecret"].clone();
    let rotated = rotate(&relay, &admin, "a", r#"{"gracePeriodSeconds":60}"#).await;
    assert_eq!(rotated.status, StatusCode::OK);
    let second = rotated.json["signingSecret"].clone();
    let secrets = |answer: &Answer| {
        let versions = answer.json["versions"].as_array().unwrap().clone();
        versions.iter().map(|version| version["signingSecret"].clone()).collect::<Vec<Value>>()
    };
    let live = get(&relay, &admin, "/a?include=secret").await;
    assert_eq!(secrets(&live), [first, second.clone()]);
    relay.clock.advance(Duration::from_secs(60));
    assert_eq!(secrets(&get(&relay, &admin, "/a?include=secret").await), [second]);
    for _ in 0..2 {
        assert_eq!(rotate(&relay, &admin, "a", "").await.status, StatusCode::OK);
    }
    assert_eq!(rotate(&relay, &admin, "a", "").await.code(), "STATE_CONFLICT");
    assert_eq!(rotate(&relay, &admin, "a", r#"{"gracePeriodSeconds":0}"#).await.status, 200);
    assert_eq!(
        rotate(&relay, &admin, "a", r#"{"gracePeriodSeconds":-1}"#).await.code(),
        "VALIDATION_ERROR"
    );
}

#[tokio::test]
async fn other_senders_have_no_secrets_for_a_key() {
    let relay = guarded(&[]);
    let (admin, limited) = (relay.key(1, rules()), relay.key(2, rules_for(&["shop"])));
    for sender in ["shop", "billing"] {
        assert_eq!(make(&relay, &admin, sender).await.status, StatusCode::CREATED);
    }
    let none = get(&relay, &limited, "/unknown").await;
    assert_eq!((none.status, none.code()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
    for tail in ["/billing", "/billing?include=secret", "/a%20b", "/*"] {
        let answer = get(&relay, &limited, tail).await;
        assert_eq!((answer.status, answer.json), (none.status, none.json.clone()), "{tail}");
    }
    assert_eq!(rotate(&relay, &limited, "billing", "").await.json, none.json);
    assert_eq!(make(&relay, &limited, "billing").await.status, StatusCode::FORBIDDEN);
    assert_eq!(make(&relay, &limited, "other").await.status, StatusCode::FORBIDDEN);
    let list = get(&relay, &limited, "").await.json;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["senderId"], "shop");
    assert_eq!(get(&relay, &admin, "?limit=1").await.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(get(&relay, &limited, "/shop?include=secret").await.status, StatusCode::OK);
}

/// Every text that the pages of a list and their cursors hold.
async fn pages(relay: &Relay, by: &ApiKey) -> (Vec<String>, String) {
    let (mut seen, mut texts, mut cursor) = (Vec::new(), String::new(), String::new());
    loop {
        let page = get(relay, by, &format!("?limit=3{cursor}")).await;
        assert_eq!(page.status, StatusCode::OK);
        let items = page.json["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["senderId"].as_str().unwrap().to_owned()));
        let Some(next) = page.json["nextCursor"].as_str() else { return (seen, texts) };
        let place = data_encoding::BASE64URL_NOPAD.decode(next.as_bytes()).unwrap();
        texts.push_str(&String::from_utf8(place).unwrap());
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn a_list_has_every_sender_once_and_names_no_other_to_whom_it_does_not_concern() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    let own: Vec<String> = (0..30).map(|number| format!("own-{number:02}")).collect();
    let with_secrets: Vec<String> = own.iter().step_by(2).cloned().collect();
    for sender in &with_secrets {
        make(&relay, &admin, sender).await;
        make(&relay, &admin, &sender.replace("own", "other")).await;
    }
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let limited = relay.key(2, rules_for(&own));
    let (mut seen, texts) = pages(&relay, &limited).await;
    seen.sort();
    assert_eq!(seen, with_secrets);
    assert!(!texts.contains("other"), "{texts}");
    assert_eq!(pages(&relay, &admin).await.0.len(), 30);
}

#[tokio::test]
async fn what_is_wrong_or_cannot_be_done_is_told() {
    let relay = guarded(&[]);
    let admin = relay.key(1, rules());
    for body in [
        "",
        "{}",
        r#"{"senderId":"a b"}"#,
        r#"{"senderId":"*"}"#,
        r#"{"senderId":"a","secret":"x"}"#,
    ] {
        assert_eq!(
            Ask::post(PATH, body).key(&admin).of(&relay).await.code(),
            "VALIDATION_ERROR",
            "{body}"
        );
    }
    assert_eq!(make(&relay, &admin, "a").await.status, StatusCode::CREATED);
    for query in ["?include=secrets", "?include", "?secret"] {
        assert_eq!(get(&relay, &admin, &format!("/a{query}")).await.code(), "VALIDATION_ERROR");
    }
    for (call, tail) in
        [("find secret", "/a"), ("list secrets", ""), ("masters", "/a?include=secret")]
    {
        relay.faults.plan(call, Fault::Before);
        let answer = get(&relay, &admin, tail).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::SERVICE_UNAVAILABLE, "SYSTEM_ERROR")
        );
    }
    relay.faults.plan("write secret", Fault::After);
    assert_eq!(rotate(&relay, &admin, "a", "").await.code(), "SYSTEM_ERROR");
}
