//! Whatever is sent to the routes and headers of access, it is answered: no panic, nothing above 499.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use relay_core::access::ApiKey;

use super::holder::{Ask, guarded, rules, signing_secret};
use crate::fuzz::{apply, change, config};
use crate::relay::{Relay, message};

/// Cases of each property.
const CASES: u32 = 500;

fn check<T: std::fmt::Debug>(
    cases: impl Strategy<Value = T>,
    test: impl Fn(&dyn Fn(Ask) -> u16, &Relay, &ApiKey, T) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let relay = guarded(&[("RATE_LIMIT_PER_SECOND", "0"), ("AUTHENTICATION_FAILURES_MAX", "0")]);
    let admin = relay.key(1, rules());
    let send = |ask: Ask| runtime.block_on(ask.of(&relay)).status.as_u16();
    TestRunner::new(config(CASES)).run(&cases, |case| test(&send, &relay, &admin, case)).unwrap();
}

#[test]
fn changed_requests_of_administrators_are_answered() {
    let good = [
        (
            "POST",
            "/v1/api-keys",
            r#"{"name":"a","senders":["a"],"scopes":["send"],"expiresAt":"2101-01-01T00:00:00Z","allowedIps":["10.0.0.0/8"],"rateLimit":{"perSecond":1,"burst":1},"requireSignature":false}"#,
        ),
        ("PATCH", "/v1/api-keys/{id}", r#"{"name":"b","rateLimit":null,"expiresAt":null}"#),
        ("POST", "/v1/api-keys/{id}/rotate", r#"{"gracePeriodSeconds":0}"#),
        ("POST", "/v1/signing-secrets", r#"{"senderId":"a"}"#),
        ("POST", "/v1/signing-secrets/a/rotate", r#"{"gracePeriodSeconds":0}"#),
    ];
    let cases = (prop::sample::select(good.to_vec()), vec(change(), 0..6));
    check(cases, |send, relay, admin, ((method, path, body), changes)| {
        let other = relay.key(2, rules());
        let path = path.replace("{id}", other.id().as_str());
        let body = apply(body.as_bytes().to_vec(), &changes);
        let Ok(body) = String::from_utf8(body) else { return Ok(()) };
        let status = send(Ask::new(method, &path).body(body).key(admin));
        prop_assert!((200..500).contains(&status), "{status}");
        Ok(())
    });
}

#[test]
fn any_path_and_query_is_answered() {
    let heads = prop::sample::select(vec![
        "/v1/api-keys/",
        "/v1/signing-secrets/",
        "/v1/api-keys?cursor=",
        "/v1/signing-secrets?limit=",
        "/v1/signing-secrets/a?include=",
    ]);
    let methods = prop::sample::select(vec!["GET", "PATCH", "DELETE", "POST", "PUT"]);
    check((methods, heads, ".{0,80}"), |send, _, admin, (method, head, tail)| {
        let status = send(Ask::new(method, &format!("{head}{tail}")).body("{}").key(admin));
        prop_assert!((200..500).contains(&status), "{status}");
        Ok(())
    });
}

/// Nothing that is not a key of the relay is ever taken for one.
#[test]
fn changed_keys_and_headers_let_nobody_in() {
    check((vec(change(), 1..6), any::<bool>()), |send, _, admin, (changes, in_bearer)| {
        let good = if in_bearer { format!("Bearer {}", admin.reveal()) } else { admin.reveal() };
        let changed =
            String::from_utf8_lossy(&apply(good.clone().into_bytes(), &changes)).into_owned();
        let name = if in_bearer { "authorization" } else { "x-api-key" };
        let status = send(Ask::get("/v1/api-keys").header(name, &changed));
        // White space around a key, and the case of the scheme, are not part of it.
        let is_same = changed.split_whitespace().last() == good.split_whitespace().last();
        prop_assert!(status == 401 || (status == 200 && is_same), "{status} for {changed:?}");
        Ok(())
    });
}

#[test]
fn changed_signatures_let_nobody_in() {
    let names = prop::sample::select(vec!["webhook-id", "webhook-timestamp", "webhook-signature"]);
    check((names, vec(change(), 1..4)), |send, relay, admin, (name, changes)| {
        let seconds = relay.clock.now().as_seconds();
        let secret = signing_secret(admin, 1);
        let good =
            Ask::post("/message", message().to_string()).key(admin).signed(&secret, "a", seconds);
        let before = good.value(name).to_owned();
        let changed =
            String::from_utf8_lossy(&apply(before.clone().into_bytes(), &changes)).into_owned();
        let status = send(good.header(name, &changed));
        let is_same = changed == before
            || name == "webhook-signature" && changed.split(' ').any(|one| one == before);
        prop_assert!(status == 401 || is_same && status < 300, "{status} for {name}: {changed:?}");
        Ok(())
    });
}
