//! Rate limits, in one environment and in several.

use std::time::Duration;

use relay_core::access::{KeyRules, RateLimit, SLICE_LIFE, Scope};

use super::holder::{Ask, guarded, rules};
use crate::relay::Relay;

const PATH: &str = "/health/ready";

fn limited(relay: &Relay, number: u8, per_second: u32, burst: u32) -> Ask {
    let rate_limit = Some(RateLimit { per_second, burst });
    Ask::get(PATH).key(&relay.key(number, KeyRules { rate_limit, ..rules() }))
}

async fn passed(relay: &Relay, ask: &Ask, requests: usize) -> usize {
    let mut passed = 0;
    for _ in 0..requests {
        let answer = ask.clone().of(relay).await;
        assert!([200, 429].contains(&answer.status.as_u16()), "{}", answer.status);
        passed += usize::from(answer.status == 200);
    }
    passed
}

#[tokio::test]
async fn a_burst_passes_and_then_the_rate() {
    let relay = guarded(&[]);
    let ask = limited(&relay, 1, 10, 40);
    assert_eq!(passed(&relay, &ask, 100).await, 40);
    for _ in 0..5 {
        relay.clock.advance(Duration::from_secs(1));
        assert_eq!(passed(&relay, &ask, 30).await, 10);
    }
    relay.clock.advance(Duration::from_secs(3600));
    assert_eq!(passed(&relay, &ask, 100).await, 40);
}

#[tokio::test]
async fn each_key_has_a_bucket_of_its_own_and_none_needs_one_without_a_limit() {
    let relay = guarded(&[("RATE_LIMIT_PER_SECOND", "0")]);
    let (one, other) = (limited(&relay, 1, 1, 8), limited(&relay, 2, 1, 8));
    assert_eq!(passed(&relay, &one, 20).await, 8);
    assert_eq!(passed(&relay, &other, 20).await, 8);
    let free = Ask::get(PATH).key(&relay.key(3, rules()));
    let calls = relay.buckets.calls();
    assert_eq!(passed(&relay, &free, 200).await, 200);
    assert_eq!(relay.buckets.calls(), calls);
}

#[tokio::test]
async fn what_a_key_is_not_for_counts_too() {
    let relay = guarded(&[]);
    let rate_limit = Some(RateLimit { per_second: 1, burst: 8 });
    let key = relay.key(1, KeyRules { rate_limit, scopes: [Scope::Read].into(), ..rules() });
    let ask = Ask::get("/v1/api-keys").key(&key);
    let mut told = Vec::new();
    for _ in 0..10 {
        told.push(ask.clone().of(&relay).await.status.as_u16());
    }
    assert_eq!(told, [[403; 8].as_slice(), &[429; 2]].concat());
}

#[tokio::test]
async fn the_settings_limit_keys_that_have_no_limit_of_their_own() {
    let relay = guarded(&[("RATE_LIMIT_PER_SECOND", "1"), ("RATE_LIMIT_BURST", "24")]);
    let usual = Ask::get(PATH).key(&relay.key(1, rules()));
    assert_eq!(passed(&relay, &usual, 60).await, 24);
    assert_eq!(passed(&relay, &limited(&relay, 2, 1, 48), 60).await, 48);
}

/// With `n` environments and one clock, at most `b + r·t` requests pass from the beginning until `t`, and at least what
/// is left when every environment keeps one slice unspent.
#[tokio::test]
async fn environments_that_share_a_bucket_keep_its_limit_together() {
    const ENVIRONMENTS: usize = 4;
    const SECONDS: u64 = 20;
    let (rate, burst) = (50_u32, 200_u32);
    let slice = (burst / 8) as usize;
    let relay = guarded(&[]);
    let ask = limited(&relay, 1, rate, burst);
    let environments: Vec<Relay> =
        (0..ENVIRONMENTS).map(|_| relay.another(&[("AUTHENTICATION", "keys")])).collect();
    let mut all = 0;
    for _ in 0..SECONDS * 10 {
        for environment in &environments {
            all += passed(environment, &ask, 5).await;
        }
        relay.clock.advance(Duration::from_millis(100));
    }
    let ideal = (burst + rate * u32::try_from(SECONDS).unwrap()) as usize;
    assert!(all <= ideal, "{all} of {ideal}");
    assert!(all + ENVIRONMENTS * slice >= ideal, "{all} of {ideal}");
}

#[tokio::test]
async fn a_slice_that_nobody_spent_in_time_is_not_spent_later() {
    let relay = guarded(&[]);
    let ask = limited(&relay, 1, 1, 80);
    let other = relay.another(&[("AUTHENTICATION", "keys")]);
    // One environment takes slices and leaves most of them; the other one empties the bucket.
    assert_eq!(passed(&relay, &ask, 1).await, 1);
    assert_eq!(passed(&other, &ask, 200).await, 70);
    relay.clock.advance(SLICE_LIFE);
    let refilled = usize::try_from(SLICE_LIFE.as_secs()).unwrap();
    let both = passed(&relay, &ask, 100).await + passed(&other, &ask, 100).await;
    assert_eq!(both, refilled);
}

#[tokio::test]
async fn requests_at_one_moment_ask_for_one_slice() {
    let relay = guarded(&[]);
    let ask = limited(&relay, 1, 1000, 8000);
    let answers = (0..100).map(|_| ask.clone().of(&relay));
    let answers = futures::future::join_all(answers).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(relay.buckets.calls() <= 5, "{}", relay.buckets.calls());
}
