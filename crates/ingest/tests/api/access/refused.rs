//! Requests without a good key.

use std::time::Duration;

use http::StatusCode;
use relay_core::access::{ApiKey, KeyRules};
use relay_core::ports::Keys;
use relay_testkit::sample;
use serde_json::json;

use super::holder::{Ask, guarded, is_in, numbered, rules};
use crate::relay::{Answer, message};

const PATH: &str = "/health/ready";

fn assert_unauthenticated(answer: &Answer, case: &str) {
    let told = (answer.status, answer.code());
    assert_eq!(told, (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"), "{case}");
    assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"webhook-relay\"", "{case}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_request_needs_one_key_in_its_form() {
    let relay = guarded(&[]);
    let good = relay.key(1, rules()).reveal();
    let other = relay.key(2, rules()).reveal();
    let (start, end) = good.split_at(good.len() - 1);
    let mistyped = format!("{start}{}", if end == "a" { "b" } else { "a" });
    let bearer = format!("Bearer {good}");
    let cases: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("none", vec![]),
        ("empty", vec![("authorization", String::new()), ("x-api-key", String::new())]),
        ("two that differ", vec![("authorization", bearer.clone()), ("x-api-key", other)]),
        (
            "one that is empty",
            vec![("authorization", bearer.clone()), ("x-api-key", String::new())],
        ),
        ("doubled", vec![("authorization", format!("{bearer},{bearer}"))]),
        ("doubled other", vec![("x-api-key", format!("{good},{good}"))]),
        ("another scheme", vec![("authorization", format!("Basic {good}"))]),
        ("no scheme", vec![("authorization", good.clone())]),
        ("mistyped", vec![("x-api-key", mistyped)]),
        ("cut off", vec![("x-api-key", good[..40].to_owned())]),
        ("in capitals", vec![("x-api-key", good.to_uppercase())]),
        (
            "in another header",
            vec![("x-amzn-api-key", good.clone()), ("cookie", format!("key={good}"))],
        ),
    ];
    for (case, headers) in cases {
        let ask = headers.iter().fold(Ask::get(PATH), |ask, (name, value)| ask.header(name, value));
        assert_unauthenticated(&ask.of(&relay).await, case);
    }
    assert_unauthenticated(
        &Ask::get(&format!("{PATH}?key={good}")).of(&relay).await,
        "in the query",
    );
    // What is told from its form alone costs no look into the table.
    assert_eq!(relay.keys.calls().finds, 0);
    for headers in [vec![("authorization", &bearer)], vec![("x-api-key", &good)]] {
        let ask = headers.iter().fold(Ask::get(PATH), |ask, (name, value)| ask.header(name, value));
        assert_eq!(ask.of(&relay).await.status, StatusCode::OK);
    }
    let both = Ask::get(PATH).header("authorization", &bearer).header("x-api-key", &good);
    assert_eq!(both.of(&relay).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_has_no_good_key_learns_nothing_about_it() {
    let relay = guarded(&[]);
    let in_a_second = Some(relay.clock.now().plus(Duration::from_secs(1)));
    relay.key(1, rules());
    let expired = relay.key(2, KeyRules { expires_at: in_a_second, ..rules() });
    let revoked = relay.key(3, rules());
    let record = relay.record(&revoked, rules()).revoked(relay.clock.now(), "x".to_owned());
    relay.keys.put(record);
    let ended = relay.key(4, rules());
    let rotated = ApiKey::of(ended.id().clone(), [[9; 16], [9; 16]]);
    let record = relay.record(&ended, rules());
    let now = relay.clock.now();
    let record = record.rotated(&rotated, None, Duration::from_secs(1), now, "x".to_owned());
    relay.keys.put(record.unwrap());
    relay.clock.advance(Duration::from_secs(1));
    let wrong_secret = ApiKey::of(numbered(1).id().clone(), [[7; 16], [7; 16]]);
    let mut bodies = Vec::new();
    let cases = [
        ("unknown", numbered(77)),
        ("a wrong secret", wrong_secret),
        ("expired", expired),
        ("revoked", revoked),
        ("ended", ended),
    ];
    for (case, key) in cases {
        let answer = Ask::get(PATH).key(&key).of(&relay).await;
        assert_unauthenticated(&answer, case);
        bodies.push((answer.json, answer.headers));
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(bodies[0].0["detail"], "this API key is not valid");
    assert!(is_in(&Ask::get(PATH).key(&rotated).of(&relay).await));
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_the_time_that_keys_are_remembered() {
    let relay = guarded(&[("AUTHENTICATION_CACHE_SECONDS", "20")]);
    let key = relay.key(1, rules());
    assert!(is_in(&Ask::get(PATH).key(&key).of(&relay).await));
    let record = relay.record(&key, rules()).revoked(relay.clock.now(), "x".to_owned());
    assert_eq!(relay.keys.write(&record).await, Ok(relay_core::ports::RevisionWritten::Done));
    relay.clock.advance(Duration::from_millis(19_999));
    assert!(is_in(&Ask::get(PATH).key(&key).of(&relay).await));
    relay.clock.advance(Duration::from_millis(1));
    assert_unauthenticated(&Ask::get(PATH).key(&key).of(&relay).await, "revoked");
    assert_eq!(relay.keys.calls().finds, 2);
}

#[tokio::test]
async fn an_expired_key_is_refused_at_once_however_fresh_its_memory() {
    let relay = guarded(&[]);
    let end = sample::at(5000);
    let key = relay.key(1, KeyRules { expires_at: Some(end), ..rules() });
    relay.clock.advance(Duration::from_millis(4999));
    assert!(is_in(&Ask::get(PATH).key(&key).of(&relay).await));
    relay.clock.advance(Duration::from_millis(1));
    assert_unauthenticated(&Ask::get(PATH).key(&key).of(&relay).await, "expired");
}

#[tokio::test]
async fn a_guess_costs_one_look_in_five_seconds_and_pushes_no_good_key_out() {
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "0")]);
    let good = relay.key(1, rules());
    assert!(is_in(&Ask::get(PATH).key(&good).of(&relay).await));
    let unknown = numbered(2);
    for _ in 0..10 {
        assert_unauthenticated(&Ask::get(PATH).key(&unknown).of(&relay).await, "unknown");
    }
    assert_eq!(relay.keys.calls().finds, 2);
    relay.clock.advance(Duration::from_secs(5));
    assert_unauthenticated(&Ask::get(PATH).key(&unknown).of(&relay).await, "unknown");
    assert_eq!(relay.keys.calls().finds, 3);
    for number in 0..1500_u16 {
        let [high, low] = number.to_be_bytes();
        let guess =
            ApiKey::draw([high, low, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9], [[5; 16]; 2]);
        assert_unauthenticated(&Ask::get(PATH).key(&guess).of(&relay).await, "a guess");
    }
    let finds = relay.keys.calls().finds;
    assert!(is_in(&Ask::get(PATH).key(&good).of(&relay).await));
    assert_eq!(relay.keys.calls().finds, finds);
}

#[tokio::test]
async fn nothing_is_done_for_whom_is_not_let_in() {
    let relay = guarded(&[]);
    let answer = Ask::post("/message", message().to_string()).of(&relay).await;
    assert_unauthenticated(&answer, "a message");
    assert!(relay.drain().is_empty());
    let calls = relay.faults.calls();
    assert!(calls.iter().all(|call| *call == "take"), "{calls:?}");
    // What is wrong with the message is not told either.
    let answer = Ask::post("/message", "{").of(&relay).await;
    assert_unauthenticated(&answer, "no message");
    assert_eq!(answer.json.get("errors"), None);
    assert_eq!(answer.json["correlationId"], json!("request-1"));
}

#[tokio::test]
async fn with_authentication_off_nobody_needs_a_key_and_nothing_is_asked() {
    let relay = guarded(&[]).another(&[("AUTHENTICATION", "off")]);
    for key in ["", "rk_wrong"] {
        let ask = Ask::post("/message", message().to_string()).header("x-api-key", key);
        assert!(ask.of(&relay).await.status.is_success());
    }
    let asked = ["find key", "take", "masters", "note use"];
    assert!(relay.faults.calls().iter().all(|call| !asked.contains(call)));
}
