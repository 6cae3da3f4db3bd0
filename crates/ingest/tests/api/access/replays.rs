//! Signed requests that come again: every one counts once but messages, and reads without a query.

use std::time::Duration;

use http::StatusCode;
use relay_core::access::{KeyRules, RateLimit};

use super::holder::{Ask, guarded, is_in, rules, signing_secret};
use super::signatures::{assert_refused, now, signing};
use crate::faults::Fault;
use crate::relay::message;

/// The kinds of requests that count once: what reads, what makes, what changes, what ends, and what there is not.
const ONCE: [(&str, &str, &str); 9] = [
    ("GET", "/v1/api-keys?limit=9", ""),
    ("GET", "/v1/signing-secrets/a?include=secret", ""),
    ("POST", "/v1/signing-secrets", r#"{"senderId":"b"}"#),
    ("POST", "/v1/api-keys", r#"{"name":"a","senders":["a"],"scopes":["send"]}"#),
    ("POST", "/v1/api-keys/{id}/rotate", "{}"),
    ("PATCH", "/v1/api-keys/{id}", r#"{"name":"b"}"#),
    ("POST", "/v1/messages/msg_x/redrive", ""),
    ("DELETE", "/v1/api-keys/{id}", ""),
    ("GET", "/nothing?a=b", ""),
];

#[tokio::test]
async fn every_signed_request_but_a_message_counts_once() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let other = relay.key(2, rules());
    for (method, path, body) in ONCE {
        let path = path.replace("{id}", other.id().as_str());
        let id = format!("{method} {path}");
        let signed = |at| Ask::new(method, &path).body(body).key(&key).signed(&secret, &id, at);
        let elsewhere = relay.another(&[("AUTHENTICATION", "keys")]);
        let first = signed(now(&relay)).of(&relay).await;
        assert!(is_in(&first), "{id}: {}", first.status);
        let writes = relay.keys.calls().writes;
        for environment in [&relay, &elsewhere] {
            assert_refused(&signed(now(&relay)).of(environment).await, "was made before");
        }
        // What is not signed makes no other request of it.
        let dressed = signed(now(&relay)).header("x-other", "1").header("x-api-key", &key.reveal());
        assert_refused(&dressed.of(&relay).await, "was made before");
        assert_eq!(relay.keys.calls().writes, writes, "{id}");
        // The same thing once more is another request.
        assert!(is_in(&signed(now(&relay) - 1).of(&relay).await), "{id}");
    }
}

/// Polling costs no write: what it shows is neither a body nor a secret.
#[tokio::test]
async fn a_signed_read_without_a_query_may_be_repeated() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    for path in ["/v1/messages/msg_x", "/health/ready", "/v1/signing-secrets/a"] {
        let ask = Ask::get(path).key(&key).signed(&secret, &format!("GET {path}"), now(&relay));
        for _ in 0..3 {
            assert!(is_in(&ask.clone().of(&relay).await), "{path}");
        }
    }
    assert_eq!(relay.replays.calls(), 0);
}

#[tokio::test]
async fn a_replay_is_known_however_it_is_written() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let path = "/v1/api-keys?limit=9";
    let ask = Ask::get(path).key(&key).signed(&secret, &format!("GET {path}"), now(&relay));
    let signature = ask.value("webhook-signature").to_owned();
    assert!(is_in(&ask.clone().of(&relay).await));
    for several in [
        format!("v1,AAAA {signature}"),
        format!("{signature} v1,AAAA"),
        format!("{signature} {signature}"),
        format!("v2,x  {signature}"),
    ] {
        let again = ask.clone().header("webhook-signature", &several);
        assert_refused(&again.of(&relay).await, "was made before");
    }
    for spelling in ["0", "00"] {
        let again = ask.clone().header("webhook-timestamp", &format!("{spelling}{}", now(&relay)));
        assert_refused(&again.of(&relay).await, "whole number");
    }
    relay.clock.advance(Duration::from_secs(300));
    assert_refused(&ask.clone().of(&relay).await, "was made before");
    relay.clock.advance(Duration::from_secs(1));
    assert_refused(&ask.of(&relay).await, "five minutes");
}

#[tokio::test]
async fn what_was_refused_for_another_reason_may_be_sent_again() {
    let relay = guarded(&[]);
    let limited = RateLimit { per_second: 1, burst: 1 };
    let key = relay.key(1, KeyRules { rate_limit: Some(limited), ..rules() });
    let (secret, path) = (signing_secret(&key, 1), "/v1/api-keys?limit=9");
    let ask = |at| Ask::get(path).key(&key).signed(&secret, &format!("GET {path}"), at);
    let (first, second) = (ask(now(&relay)), ask(now(&relay) + 1));
    assert!(is_in(&first.of(&relay).await));
    assert_eq!(second.clone().of(&relay).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(relay.replays.calls(), 1);
    relay.clock.advance(Duration::from_secs(1));
    assert!(is_in(&second.of(&relay).await));
}

#[tokio::test]
async fn while_replays_cannot_be_told_nothing_that_counts_once_is_let_in() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let path = "/v1/api-keys?limit=9";
    let ask = || Ask::get(path).key(&key).signed(&secret, &format!("GET {path}"), now(&relay));
    relay.faults.plan("is first", Fault::Before);
    let answer = ask().of(&relay).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "SYSTEM_ERROR"));
    assert!(is_in(&ask().of(&relay).await));
    let calls = relay.replays.calls();
    let message = || Ask::post("/message", message().to_string()).key(&key);
    for _ in 0..3 {
        relay.faults.plan("is first", Fault::Before);
        assert!(is_in(&message().signed(&secret, "a", now(&relay)).of(&relay).await));
    }
    assert_eq!(relay.replays.calls(), calls, "messages are told apart by their ids");
}

/// The body of a message is chosen by whoever has it sent, and so may be its id: neither may make it another request.
#[tokio::test]
async fn a_message_is_no_other_request_and_no_other_request_is_a_message() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let body = message().to_string();
    let delete = format!("/v1/api-keys/{}", key.id());
    for id in [
        format!("DELETE {delete}"),
        "GET /v1/api-keys".to_owned(),
        " ".to_owned(),
        "a b".to_owned(),
    ] {
        for path in ["/message", "/v1/messages"] {
            let ask = Ask::post(path, &body).key(&key).signed(&secret, &id, now(&relay));
            assert_refused(&ask.of(&relay).await, "must not contain a space");
        }
    }
    for id in ["order-1042".to_owned(), delete.clone(), format!("DELETE\t{delete}")] {
        for (method, path) in [("GET", "/v1/api-keys"), ("DELETE", &delete)] {
            let ask =
                Ask::new(method, path).body(&body).key(&key).signed(&secret, &id, now(&relay));
            assert_refused(&ask.of(&relay).await, "webhook-id must be");
        }
    }
    assert!(relay.drain().is_empty());
}
