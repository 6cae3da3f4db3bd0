//! Requests that are signed: over the exact bytes, for one path, for five minutes.

use http::StatusCode;
use relay_core::access::{ApiKey, KeyRules};
use relay_core::signature::SigningSecret;

use super::holder::{Ask, guarded, is_in, rules, signing_secret};
use crate::relay::{Answer, Relay, message};

pub(super) fn signing(relay: &Relay) -> (ApiKey, SigningSecret) {
    let key = relay.key(1, KeyRules { require_signature: true, ..rules() });
    let secret = signing_secret(&key, 1);
    (key, secret)
}

pub(super) fn now(relay: &Relay) -> u64 {
    relay.clock.now().as_seconds()
}

pub(super) fn assert_refused(answer: &Answer, words: &str) {
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        "{words}"
    );
    let detail = answer.json["detail"].as_str().unwrap();
    assert!(detail.contains(words), "{detail:?} lacks {words:?}");
}

#[tokio::test]
async fn a_good_signature_is_let_in_and_the_body_arrives() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let body = message().to_string();
    for (path, id) in [("/message", "order-1042"), ("/v1/messages", "anything/at,all")] {
        let ask = Ask::post(path, &body).key(&key).signed(&secret, id, now(&relay));
        assert!(ask.of(&relay).await.status.is_success(), "{path}");
    }
    assert_eq!(relay.drain().len(), 1);
    let get = "/v1/messages/msg_x?include=body";
    let ask = Ask::get(get).key(&key).signed(&secret, &format!("GET {get}"), now(&relay));
    assert_eq!(ask.of(&relay).await.status, StatusCode::NOT_FOUND);
    let ask =
        Ask::post("/v1/uploads", "{}").key(&key).signed(&secret, "POST /v1/uploads", now(&relay));
    assert_eq!(ask.of(&relay).await.code(), "VALIDATION_ERROR");
}

#[tokio::test]
async fn an_unsigned_request_is_refused_where_the_key_asks_for_signatures() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let body = message().to_string();
    assert_refused(&Ask::post("/message", &body).key(&key).of(&relay).await, "are missing");
    assert_refused(&Ask::get("/health/ready").key(&key).of(&relay).await, "are missing");
    for missing in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let ask = Ask::post("/message", &body).key(&key).signed(&secret, "a", now(&relay));
        let answer = ask.without(missing).of(&relay).await;
        assert_refused(&answer, "go together");
    }
    assert!(relay.drain().is_empty());
}

#[tokio::test]
async fn a_signature_that_is_there_is_checked_although_nobody_asked_for_it() {
    let relay = guarded(&[]);
    let key = relay.key(1, rules());
    let secret = signing_secret(&key, 1);
    let good = Ask::post("/message", message().to_string()).key(&key);
    let answer = good.clone().signed(&secret, "a", now(&relay)).of(&relay).await;
    assert!(answer.status.is_success());
    let wrong = SigningSecret::from_bytes([7; 32]);
    let answer = good.clone().signed(&wrong, "a", now(&relay)).of(&relay).await;
    assert_refused(&answer, "no signature");
    assert_refused(&good.header("webhook-id", "a").of(&relay).await, "go together");
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let body = message().to_string();
    let good = || Ask::post("/message", &body).key(&key).signed(&secret, "a", now(&relay));
    let other_version = signing_secret(&key, 2);
    let other_key = signing_secret(&relay.key(2, rules()), 1);
    for (case, ask, words) in [
        ("another body", good().body(body.replace("1042", "1043")), "no signature"),
        ("a longer body", good().body(format!("{body} ")), "no signature"),
        ("no body", good().body(""), "no signature"),
        ("another id", good().header("webhook-id", "b"), "no signature"),
        (
            "another time",
            good().header("webhook-timestamp", &(now(&relay) + 1).to_string()),
            "no signature",
        ),
        ("no time", good().header("webhook-timestamp", "now"), "whole number"),
        (
            "a signed time",
            good().header("webhook-timestamp", &format!("+{}", now(&relay))),
            "whole number",
        ),
        ("no signature", good().header("webhook-signature", ""), "no signature"),
        ("another scheme", good().header("webhook-signature", "v1a,AAAA"), "no signature"),
        ("no base64", good().header("webhook-signature", "v1,!"), "no signature"),
        ("a cut signature", good().header("webhook-signature", "v1,AAAA"), "no signature"),
        (
            "the secret of another version",
            Ask::post("/message", &body).key(&key).signed(&other_version, "a", now(&relay)),
            "no signature",
        ),
        (
            "the secret of another key",
            Ask::post("/message", &body).key(&key).signed(&other_key, "a", now(&relay)),
            "no signature",
        ),
    ] {
        let answer = ask.of(&relay).await;
        assert_refused(&answer, words);
        assert!(relay.drain().is_empty(), "{case}");
    }
    assert!(is_in(&good().of(&relay).await));
}

#[tokio::test]
async fn one_of_several_signatures_is_enough() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let good =
        Ask::post("/message", message().to_string()).key(&key).signed(&secret, "a", now(&relay));
    let signature = good.value("webhook-signature");
    for several in [
        format!("v1,AAAA {signature}"),
        format!("{signature} v1a,x"),
        format!("v2,x {signature} v1,"),
    ] {
        assert!(
            is_in(&good.clone().header("webhook-signature", &several).of(&relay).await),
            "{several}"
        );
    }
    let joined = format!("{signature},{signature}");
    assert_refused(&good.header("webhook-signature", &joined).of(&relay).await, "no signature");
}

#[tokio::test]
async fn a_signature_is_good_for_five_minutes() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let body = message().to_string();
    for (offset, expected) in
        [(-301_i64, false), (-300, true), (0, true), (300, true), (301, false)]
    {
        let at = now(&relay).checked_add_signed(offset).unwrap();
        let answer =
            Ask::post("/message", &body).key(&key).signed(&secret, "a", at).of(&relay).await;
        assert_eq!(is_in(&answer), expected, "{offset}");
        if !expected {
            assert_refused(&answer, "five minutes");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_replayed_is_a_duplicate() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let ask =
        Ask::post("/message", message().to_string()).key(&key).signed(&secret, "a", now(&relay));
    assert_eq!(ask.clone().of(&relay).await.status, StatusCode::ACCEPTED);
    let again = ask.of(&relay).await;
    assert_eq!(
        (again.status, &again.json["duplicate"]),
        (StatusCode::OK, &serde_json::json!(true))
    );
    assert_eq!(relay.drain().len(), 1);
}

#[tokio::test]
async fn a_signature_cannot_be_carried_to_another_request() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let redrive = format!("/v1/messages/msg_{}/redrive", "a".repeat(32));
    let resend = format!("/v1/messages/msg_{}/resend", "a".repeat(32));
    let signed = |method: &str, path: &str, id: &str| {
        Ask::new(method, path).key(&key).signed(&secret, id, now(&relay))
    };
    let right = signed("POST", &redrive, &format!("POST {redrive}")).of(&relay).await;
    assert_eq!(right.status, StatusCode::NOT_FOUND);
    for (method, path, id) in [
        ("POST", resend.as_str(), format!("POST {redrive}")),
        ("POST", &redrive, "order-1042".to_owned()),
        ("POST", &redrive, format!("post {redrive}")),
        ("POST", &redrive, format!("POST  {redrive}")),
        ("POST", &redrive, format!("POST {redrive} ")),
        ("POST", &redrive, redrive.clone()),
        ("POST", &format!("{redrive}?a"), format!("POST {redrive}")),
        ("GET", "/v1/api-keys", "GET /v1/api-keys?limit=1".to_owned()),
        ("DELETE", "/v1/api-keys/x", "GET /v1/api-keys/x".to_owned()),
        ("GET", "/message", "anything".to_owned()),
        ("POST", "/v1/messages/", "anything".to_owned()),
        ("POST", "/v1/api-keys", "anything".to_owned()),
    ] {
        assert_refused(&signed(method, path, &id).of(&relay).await, "webhook-id must be");
    }
}

#[tokio::test]
async fn f33_each_version_signs_with_its_own_secret() {
    let relay = guarded(&[]);
    let admin = relay.key(9, rules());
    let (old, old_secret) = signing(&relay);
    let rotate = format!("/v1/api-keys/{}/rotate", old.id());
    let rotated = Ask::post(&rotate, "").key(&admin).of(&relay).await;
    let new = ApiKey::parse(rotated.json["key"].as_str().unwrap()).unwrap();
    let new_secret = SigningSecret::parse(rotated.json["signingSecret"].as_str().unwrap()).unwrap();
    assert_eq!(new_secret, signing_secret(&new, 2));
    for (key, secret, expected) in [
        (&old, &old_secret, true),
        (&new, &new_secret, true),
        (&old, &new_secret, false),
        (&new, &old_secret, false),
    ] {
        let ask = Ask::post("/message", message().to_string()).key(key);
        let answer = ask.signed(secret, "a", now(&relay)).of(&relay).await;
        assert_eq!(is_in(&answer), expected);
    }
}

#[tokio::test]
async fn a_version_without_a_signing_secret_cannot_sign() {
    let relay = guarded(&[]);
    let (key, secret) = signing(&relay);
    let mut record = relay.record(&key, rules());
    record.versions[0].master = None;
    relay.keys.put(record);
    let ask = Ask::post("/message", message().to_string()).key(&key);
    let answer = ask.signed(&secret, "a", now(&relay)).of(&relay).await;
    assert_refused(&answer, "no signing secret");
}
