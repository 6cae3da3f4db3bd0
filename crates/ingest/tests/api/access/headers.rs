//! What the headers of answers say.

use std::time::Duration;

use relay_core::access::{KeyRules, RateLimit};

use super::holder::{Ask, guarded, rules};
use crate::relay::Answer;

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_answer_is_safe_to_be_shown() {
    let relay = guarded(&[]);
    let key = relay.key(1, rules());
    for ask in [
        Ask::get("/health"),
        Ask::get("/openapi.json"),
        Ask::get("/health/ready"),
        Ask::get("/health/ready").key(&key),
        Ask::get("/nothing").key(&key),
        Ask::post("/message", "{").key(&key),
        Ask::get("/health").header("x-correlation-id", "a b"),
    ] {
        let shown = format!("{ask:?}");
        let answer = ask.of(&relay).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("strict-transport-security", "max-age=31536000"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(header(&answer, name), value, "{shown}");
        }
        assert!(!header(&answer, "x-correlation-id").is_empty());
    }
}

#[tokio::test]
async fn a_limited_request_is_told_how_its_bucket_stands() {
    let relay = guarded(&[]);
    let rate_limit = Some(RateLimit { per_second: 2, burst: 8 });
    let key = relay.key(1, KeyRules { rate_limit, ..rules() });
    let first = Ask::get("/health/ready").key(&key).of(&relay).await;
    assert_eq!(header(&first, "ratelimit-policy"), "\"default\";q=8;w=4");
    assert_eq!(header(&first, "ratelimit"), "\"default\";r=7;t=1");
    assert_eq!(header(&first, "x-ratelimit-limit"), "8");
    assert_eq!(header(&first, "x-ratelimit-remaining"), "7");
    assert_eq!(header(&first, "x-ratelimit-reset"), "1");
    assert!(!first.headers.contains_key("retry-after"));
    // A problem is told it too.
    let problem = Ask::get("/nothing").key(&key).of(&relay).await;
    assert_eq!(header(&problem, "x-ratelimit-remaining"), "6");
    for _ in 0..6 {
        Ask::get("/health/ready").key(&key).of(&relay).await;
    }
    let refused = Ask::get("/health/ready").key(&key).of(&relay).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "RATE_LIMITED"));
    assert_eq!(header(&refused, "retry-after"), "1");
    assert_eq!(header(&refused, "ratelimit"), "\"default\";r=0;t=1");
    assert_eq!(header(&refused, "x-ratelimit-remaining"), "0");
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    relay.clock.advance(Duration::from_secs(1));
    assert_eq!(Ask::get("/health/ready").key(&key).of(&relay).await.status, 200);
}

#[tokio::test]
async fn what_is_not_limited_says_nothing_of_limits() {
    let relay = guarded(&[("RATE_LIMIT_PER_SECOND", "0")]);
    let key = relay.key(1, rules());
    for ask in [Ask::get("/health"), Ask::get("/health/ready"), Ask::get("/health/ready").key(&key)]
    {
        let answer = ask.of(&relay).await;
        for name in ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "retry-after"] {
            assert!(!answer.headers.contains_key(name), "{name}");
        }
    }
}
