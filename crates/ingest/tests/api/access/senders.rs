//! Keys that are for some senders: other senders' messages do not exist for them.

use http::StatusCode;
use relay_core::access::KeyRules;
use serde_json::json;

use super::holder::{Ask, guarded, rules_for};
use crate::relay::{Answer, message, message_with};

fn without_correlation(answer: Answer) -> (StatusCode, serde_json::Value, Vec<(String, String)>) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        // The bucket of the key goes down with each request.
        .filter(|(name, _)| !name.contains("ratelimit"))
        .collect();
    headers.sort();
    (answer.status, answer.json, headers)
}

#[tokio::test]
async fn a_message_is_sent_for_the_senders_of_the_key_alone() {
    let relay = guarded(&[]);
    let key = relay.key(1, rules_for(&["billing", "shop"]));
    for path in ["/message", "/v1/messages"] {
        let other = message_with(json!({"senderId": "crm"})).to_string();
        let answer = Ask::post(path, other).key(&key).of(&relay).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::FORBIDDEN, "FORBIDDEN"), "{path}");
        let answer = Ask::post(path, message().to_string()).key(&key).of(&relay).await;
        assert!(answer.status.is_success(), "{path}");
    }
    let sent = relay.drain();
    assert!(sent.len() == 1 && sent[0].sender_id.as_str() == "billing");
    // A message that is wrong is told so first, whoever it is for.
    let wrong = message_with(json!({"senderId": "crm", "targetUrl": null})).to_string();
    assert_eq!(Ask::post("/message", wrong).key(&key).of(&relay).await.code(), "VALIDATION_ERROR");
}

#[tokio::test]
async fn another_senders_message_is_no_message() {
    let relay = guarded(&[]);
    let own = relay.key(1, rules_for(&["billing"]));
    let other = relay.key(2, rules_for(&["shop"]));
    let accepted = Ask::post("/message", message().to_string()).key(&own).of(&relay).await;
    let id = accepted.json["id"].as_str().unwrap().to_owned();
    let unknown = format!("msg_{}", "a".repeat(32));
    let (owned_path, unknown_path) =
        (format!("/v1/messages/{id}"), format!("/v1/messages/{unknown}"));
    for (method, tail) in
        [("GET", ""), ("GET", "?include=body"), ("POST", "/redrive"), ("POST", "/resend")]
    {
        let ask = |path: &str| Ask::new(method, &format!("{path}{tail}")).key(&other);
        let one = without_correlation(ask(&owned_path).of(&relay).await);
        let none = without_correlation(ask(&unknown_path).of(&relay).await);
        assert_eq!(one.0, StatusCode::NOT_FOUND, "{method} {tail}");
        assert_eq!(one, none, "{method} {tail}");
        let seen = Ask::new(method, &format!("{owned_path}{tail}")).key(&own).of(&relay).await;
        assert_ne!(seen.status, StatusCode::NOT_FOUND, "{method} {tail}");
    }
    assert_eq!(relay.found(&id).await.state.life.generation.0, 0);
}

#[tokio::test]
async fn a_key_that_is_given_more_senders_reaches_them_when_it_is_read_again() {
    let relay = guarded(&[("AUTHENTICATION_CACHE_SECONDS", "5")]);
    let key = relay.key(1, rules_for(&["shop"]));
    let ask = || Ask::post("/message", message().to_string()).key(&key);
    assert_eq!(ask().of(&relay).await.status, StatusCode::FORBIDDEN);
    let rules = KeyRules { name: "more".to_owned(), ..rules_for(&["shop", "billing"]) };
    relay.keys.put(relay.record(&key, rules));
    relay.clock.advance(std::time::Duration::from_secs(5));
    assert!(ask().of(&relay).await.status.is_success());
}
