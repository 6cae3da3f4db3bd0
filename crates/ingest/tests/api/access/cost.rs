//! What keys and limits cost a warm environment: no look for a key, and a hundredth of a write.

use std::time::Duration;

use super::holder::{Ask, guarded, rules};
use crate::relay::message_with;
use serde_json::json;

const REQUESTS: usize = 10_000;

/// At full speed: as many as the usual limit lets through in the long run, 1,000 a second.
#[tokio::test]
async fn ten_thousand_requests_cost_no_look_and_a_hundred_writes_at_most() {
    let relay = guarded(&[]);
    let key = relay.key(1, rules());
    let ask = Ask::get("/health/ready").key(&key);
    assert_eq!(ask.clone().of(&relay).await.status, 200);
    let (before, takes) = (relay.keys.calls(), relay.buckets.calls());
    assert_eq!((before.finds, before.notes), (1, 1));
    for number in 0..REQUESTS {
        assert_eq!(ask.clone().of(&relay).await.status, 200, "{number}");
        relay.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(relay.keys.calls(), before);
    let takes = relay.buckets.calls() - takes;
    assert!(takes * 100 <= REQUESTS, "{takes} takes");
}

#[tokio::test]
async fn a_message_of_a_warm_environment_costs_what_it_did_without_keys() {
    let relay = guarded(&[]);
    let open = relay.another(&[("AUTHENTICATION", "off")]);
    let key = relay.key(1, rules());
    let post =
        |name: &str| Ask::post("/message", message_with(json!({"messageId": name})).to_string());
    assert_eq!(post("warm").key(&key).of(&relay).await.status, 202);
    relay.faults.calls();
    assert_eq!(post("one").key(&key).of(&relay).await.status, 202);
    let with_keys = relay.faults.calls();
    assert_eq!(post("other").of(&open).await.status, 202);
    assert_eq!(with_keys, open.faults.calls());
}

#[tokio::test]
async fn a_key_is_read_once_in_the_time_it_is_remembered_and_its_use_noted_once_an_hour() {
    let relay = guarded(&[]);
    let key = relay.key(1, rules());
    let ask = Ask::get("/health/ready").key(&key);
    for _ in 0..120 {
        assert_eq!(ask.clone().of(&relay).await.status, 200);
        relay.clock.advance(Duration::from_secs(60));
    }
    let calls = relay.keys.calls();
    assert_eq!((calls.finds, calls.notes, calls.writes), (120, 2, 0));
    // Another environment reads when it was noted, and does not do so again.
    let other = relay.another(&[("AUTHENTICATION", "keys")]);
    assert_eq!(ask.of(&relay).await.status, 200);
    assert_eq!(Ask::get("/health/ready").key(&key).of(&other).await.status, 200);
    assert_eq!(relay.keys.calls().notes, 3);
}

#[tokio::test]
async fn the_use_of_a_key_is_shown_to_within_an_hour() {
    let relay = guarded(&[]);
    let (admin, key) = (relay.key(1, rules()), relay.key(2, rules()));
    let path = format!("/v1/api-keys/{}", key.id());
    let shown = || Ask::get(&path).key(&admin).of(&relay);
    assert_eq!(shown().await.json.get("lastUsedAt"), None);
    // Who is not let in has not used it.
    Ask::get("/health/ready").key(&key).header("webhook-id", "x").of(&relay).await;
    assert_eq!(shown().await.json.get("lastUsedAt"), None);
    Ask::get("/health/ready").key(&key).of(&relay).await;
    assert_eq!(shown().await.json["lastUsedAt"], "2100-01-01T00:00:00.000Z");
}
