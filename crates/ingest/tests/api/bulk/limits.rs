//! A request of many costs a token for each.

use std::time::Duration;

use relay_core::access::{KeyRules, RateLimit};
use serde_json::json;

use super::{PATH, counts, messages};
use crate::access::holder::{Ask, guarded, rules};
use crate::relay::{Answer, Relay};

fn limited(relay: &Relay, per_second: u32, burst: u32) -> impl Fn(usize) -> Ask {
    let rate_limit = Some(RateLimit { per_second, burst });
    let key = relay.key(1, KeyRules { rate_limit, ..rules() });
    move |count| Ask::post(PATH, json!({"messages": messages(count)}).to_string()).key(&key)
}

fn seconds(answer: &Answer, header: &str) -> u64 {
    answer.headers[header].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn as_many_messages_pass_in_bulk_as_one_by_one() {
    let relay = guarded(&[]);
    let of = limited(&relay, 10, 100);
    for left in [75, 50, 25, 0] {
        let answer = of(25).of(&relay).await;
        assert_eq!(answer.status, 207);
        assert_eq!(seconds(&answer, "x-ratelimit-remaining"), left);
    }
    let refused = of(25).of(&relay).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "RATE_LIMITED"));
    let stored = relay.store.ids().len();
    for _ in 0..4 {
        relay.clock.advance(Duration::from_secs(3));
        let mut passed = 0;
        while of(10).of(&relay).await.status == 207 {
            passed += 1;
        }
        assert_eq!(passed, 3, "ten a second");
    }
    assert_eq!(relay.store.ids().len(), stored);
}

#[tokio::test]
async fn a_request_that_is_one_too_many_is_refused_whole_and_passes_when_it_said_it_would() {
    let relay = guarded(&[]);
    let of = limited(&relay, 2, 100);
    assert_eq!(of(90).of(&relay).await.status, 207);
    let before = relay.store.ids().len();
    relay.drain();
    let refused = of(100).of(&relay).await;
    assert_eq!(refused.code(), "RATE_LIMITED");
    assert_eq!(relay.store.ids().len(), before, "nothing of it is accepted");
    assert!(relay.drain().is_empty());
    let wait = seconds(&refused, "retry-after");
    assert_eq!(wait, 50, "until the bucket is full");
    relay.clock.advance(Duration::from_secs(wait));
    assert_eq!(of(100).of(&relay).await.status, 207);
}

#[tokio::test]
async fn what_a_refused_request_asked_for_is_left_to_smaller_ones() {
    let relay = guarded(&[]);
    let of = limited(&relay, 1, 100);
    assert_eq!(of(60).of(&relay).await.status, 207);
    assert_eq!(of(90).of(&relay).await.status, 429);
    assert_eq!(of(30).of(&relay).await.status, 207);
}

#[tokio::test]
async fn more_than_the_burst_is_never_let_wait() {
    let relay = guarded(&[]);
    let of = limited(&relay, 1000, 50);
    let answer = of(51).of(&relay).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, "VALIDATION_ERROR"));
    let expected = ": has 51 in one request, and the rate limit of this key lets 50 pass at once";
    assert_eq!(answer.errors(), [expected]);
    assert!(relay.store.ids().is_empty());
    // The refused request itself cost a token.
    relay.clock.advance(Duration::from_secs(1));
    assert_eq!(counts(&of(50).of(&relay).await)[0], 50);
}

#[tokio::test]
async fn ids_cost_what_messages_cost() {
    let relay = guarded(&[]);
    let rate_limit = Some(RateLimit { per_second: 1, burst: 40 });
    let key = relay.key(1, KeyRules { rate_limit, ..rules() });
    let body = json!({"ids": vec!["x"; 20]}).to_string();
    let mut told = Vec::new();
    for (method, path) in
        [("POST", "/v1/messages/bulk/redrive"), ("DELETE", PATH), ("DELETE", PATH)]
    {
        let answer = Ask::new(method, path).body(body.clone()).key(&key).of(&relay).await;
        told.push(answer.status.as_u16());
    }
    assert_eq!(told, [207, 207, 429]);
}
