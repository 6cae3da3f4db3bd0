//! Where a request comes from: what the gateway saw, whatever its headers say; and addresses that fail too often.

use std::time::Duration;

use http::StatusCode;
use relay_core::access::{AllowedIps, ApiKey, KeyRules};

use super::holder::{Ask, HOME, guarded, is_in, numbered, rules};
use crate::relay::Relay;

const PATH: &str = "/health/ready";
/// Headers by which proxies say where a request came from.
const TRICKS: [&str; 9] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-amzn-source-ip",
    "cloudfront-viewer-address",
    "x-forwarded-host",
];

/// A request with a key that does not exist.
fn guess() -> Ask {
    Ask::get(PATH).key(&numbered(99))
}

fn allowing(blocks: &[&str]) -> KeyRules {
    let blocks = blocks.iter().map(|block| AllowedIps::parse_block(block).unwrap());
    KeyRules { allowed_ips: AllowedIps::new(blocks), ..rules() }
}

#[tokio::test]
async fn a_key_is_good_from_its_addresses_alone() {
    let relay = guarded(&[]);
    let key = relay.key(1, allowing(&["192.0.2.0/28", "2001:db8:1::/48", "198.51.100.7"]));
    for (source, expected) in [
        ("192.0.2.0", true),
        ("192.0.2.15", true),
        ("192.0.2.16", false),
        ("::ffff:192.0.2.1", true),
        ("::ffff:192.0.2.16", false),
        ("2001:db8:1:ffff::1", true),
        ("2001:db8:2::1", false),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("", false),
        ("192.0.2.1, 192.0.2.2", false),
        ("localhost", false),
    ] {
        let answer = Ask::get(PATH).key(&key).from(source).of(&relay).await;
        let status = if expected { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status, status, "{source}");
    }
}

#[tokio::test]
async fn no_header_moves_a_request_to_another_address() {
    let relay = guarded(&[]);
    let key = relay.key(1, allowing(&["192.0.2.9"]));
    for name in TRICKS {
        for value in
            ["192.0.2.9", "for=192.0.2.9", "192.0.2.9, 203.0.113.1", "203.0.113.1, 192.0.2.9"]
        {
            let ask = Ask::get(PATH).key(&key).from("203.0.113.1").header(name, value);
            assert_eq!(ask.of(&relay).await.status, StatusCode::FORBIDDEN, "{name}: {value}");
            let ask = Ask::get(PATH).key(&key).from("192.0.2.9").header(name, "203.0.113.1");
            assert_eq!(ask.of(&relay).await.status, StatusCode::OK, "{name}");
        }
    }
}

/// How often this address can fail until it is refused unheard.
async fn failures(relay: &Relay, ask: impl Fn(usize) -> Ask) -> usize {
    for count in 0..200 {
        let answer = ask(count).of(relay).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.code(), "RATE_LIMITED");
            let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(wait >= 1);
            return count;
        }
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    panic!("it was never refused")
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_refused_unheard_and_no_other() {
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "16")]);
    let key = relay.key(1, rules());
    let known = relay.key(2, rules());
    assert!(is_in(&Ask::get(PATH).key(&known).of(&relay).await));
    assert_eq!(failures(&relay, |_| guess()).await, 16);
    let finds = relay.keys.calls().finds;
    let unheard = Ask::get(PATH).key(&key).of(&relay).await;
    assert_eq!((unheard.status, unheard.code()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"));
    // Whose key is known here is not to suffer for a neighbour; who only knows its id is.
    assert!(is_in(&Ask::get(PATH).key(&known).of(&relay).await));
    let wrong = ApiKey::of(known.id().clone(), [[7; 16], [7; 16]]);
    assert_eq!(Ask::get(PATH).key(&wrong).of(&relay).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(relay.keys.calls().finds, finds);
    let unsigned = Ask::get(PATH).key(&known).header("webhook-id", "GET /health/ready");
    assert_eq!(unsigned.of(&relay).await.status, StatusCode::TOO_MANY_REQUESTS);
    for other in ["192.0.2.2", "2001:db8::1", ""] {
        assert!(is_in(&Ask::get(PATH).key(&key).from(other).of(&relay).await), "{other}");
    }
    assert!(is_in(&Ask::get("/health").of(&relay).await));
    let wait: u64 = unheard.headers["retry-after"].to_str().unwrap().parse().unwrap();
    relay.clock.advance(Duration::from_secs(wait));
    assert!(is_in(&Ask::get(PATH).key(&key).of(&relay).await));
}

#[tokio::test]
async fn no_header_makes_another_address_of_one_that_fails() {
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "16")]);
    let trick = |count: usize| {
        let address = format!("198.51.100.{count}");
        TRICKS.iter().fold(guess(), |ask, name| ask.header(name, &address))
    };
    assert_eq!(failures(&relay, trick).await, 16);
    assert_eq!(relay.buckets.names(), [format!("ADDRESS#{HOME}")]);
}

#[tokio::test]
async fn the_addresses_of_one_network_count_as_one() {
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "16")]);
    let of_network = |count: usize| guess().from(&format!("2001:db8:0:1::{count:x}"));
    assert_eq!(failures(&relay, of_network).await, 16);
    let key = relay.key(1, rules());
    assert!(!is_in(&Ask::get(PATH).key(&key).from("2001:db8:0:1:ffff::").of(&relay).await));
    assert!(is_in(&Ask::get(PATH).key(&key).from("2001:db8:0:2::").of(&relay).await));
    let mapped = |_| guess().from("::ffff:192.0.2.7");
    assert_eq!(failures(&relay, mapped).await, 16);
    let stranger = relay.key(2, rules());
    assert!(!is_in(&Ask::get(PATH).key(&stranger).from("192.0.2.7").of(&relay).await));
}

#[tokio::test]
async fn whatever_fails_counts_and_what_is_let_in_does_not() {
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "16")]);
    let key = relay.key(1, rules());
    let away = relay.key(2, allowing(&["203.0.113.1"]));
    for _ in 0..100 {
        assert!(is_in(&Ask::get(PATH).key(&key).of(&relay).await));
        assert_eq!(Ask::get("/nothing").key(&key).of(&relay).await.status, 404);
    }
    for count in 0..16 {
        let ask = match count % 4 {
            0 => Ask::get(PATH).key(&numbered(99)),
            1 => Ask::get(PATH).header("x-api-key", "rk_"),
            2 => Ask::get(PATH).key(&key).header("webhook-id", "GET /health/ready"),
            _ => Ask::get(PATH).key(&away),
        };
        assert!(!is_in(&ask.of(&relay).await));
    }
    assert_eq!(failures(&relay, |_| guess()).await, 0);
    let stranger = relay.key(3, rules());
    assert_eq!(Ask::get(PATH).key(&stranger).of(&relay).await.status, 429);
}

/// It costs nothing and guesses nothing, and whoever shares an address with a health check would be shut out by it.
#[tokio::test]
async fn a_request_without_a_key_counts_against_nobody() {
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "16")]);
    let key = relay.key(1, rules());
    for _ in 0..100 {
        assert_eq!(Ask::get(PATH).of(&relay).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(relay.buckets.calls(), 0);
    assert!(is_in(&Ask::get(PATH).key(&key).of(&relay).await));
}

/// What is remembered counts for its time and no longer, and for what the key may do.
#[tokio::test]
async fn a_key_that_is_known_is_let_in_from_a_failing_address_only_while_it_is_good() {
    let relay = guarded(&[("AUTHENTICATION_FAILURES_MAX", "16")]);
    let soon = relay.clock.now().plus(Duration::from_secs(1));
    let expiring = relay.key(1, KeyRules { expires_at: Some(soon), ..rules() });
    let away = relay.key(2, allowing(&["203.0.113.1"]));
    assert!(is_in(&Ask::get(PATH).key(&expiring).of(&relay).await));
    assert!(is_in(&Ask::get(PATH).key(&away).from("203.0.113.1").of(&relay).await));
    failures(&relay, |_| guess()).await;
    assert!(is_in(&Ask::get(PATH).key(&expiring).of(&relay).await));
    assert_eq!(Ask::get(PATH).key(&away).of(&relay).await.status, 429);
    relay.clock.advance(Duration::from_secs(1));
    failures(&relay, |_| guess()).await;
    assert_eq!(Ask::get(PATH).key(&expiring).of(&relay).await.status, 429);
}

#[tokio::test]
async fn failures_count_across_environments() {
    let one = guarded(&[("AUTHENTICATION_FAILURES_MAX", "16")]);
    let other = one.another(&[("AUTHENTICATION", "keys"), ("AUTHENTICATION_FAILURES_MAX", "16")]);
    assert_eq!(failures(&one, |_| guess()).await, 16);
    assert_eq!(failures(&other, |_| guess()).await, 0);
}

/// A client with a wrong key whom ten environments serve in turn is not taken for one that floods.
#[tokio::test]
async fn an_address_is_refused_no_earlier_for_being_served_by_many() {
    let settings = [("AUTHENTICATION", "keys"), ("AUTHENTICATION_FAILURES_MAX", "16")];
    let first = guarded(&settings[1..]);
    let mut environments: Vec<Relay> = (1..10).map(|_| first.another(&settings)).collect();
    environments.push(first);
    for count in 0..16 {
        let answer = guess().of(&environments[count % 10]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{count}");
    }
    assert_eq!(guess().of(&environments[6]).await.status, StatusCode::TOO_MANY_REQUESTS);
}
