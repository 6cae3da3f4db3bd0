//! Limits, with several environments at work.

use std::time::Instant;

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::holder::{Holder, make};
use crate::support::{Client, Launch, SOON, alone, until};

const PATH: &str = "/v1/messages/msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn a_key_is_limited_across_environments() {
    let _alone = alone().await;
    let stack = Launch::new("limits").start();
    let client = Client::of(&stack);
    let made = make(&client, json!({ "rateLimit": { "perSecond": 2, "burst": 40 } })).await;
    let holder = Holder::of(&stack, &made.key);
    let started = Instant::now();
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.extend(join_all((0..16).map(|_| holder.get(PATH))).await);
    }
    let took = started.elapsed();
    let environments = client.environments().await;
    let ingest = environments.iter().filter(|one| one.function == "ingest").count();
    assert!(ingest >= 2, "too few environments were at work: {environments:?}");
    let passed = answers.iter().filter(|answer| answer.status == 404).count();
    // What the shared bucket can have given by then: the clocks are one, and the limit is 2 a second.
    let bound = 40.0 + 2.0 * (took.as_secs_f64() + 1.0);
    assert!((passed as f64) <= bound, "{passed} passed of {bound}");
    // Each environment may keep one slice, the eighth part of a burst, unspent.
    let least = 40_usize.saturating_sub(ingest * 5);
    assert!(passed >= least, "only {passed} passed of {least}");
    let refused = answers.iter().find(|answer| answer.status == 429).expect("160 are too many");
    assert_eq!(refused.json["code"], "RATE_LIMITED");
    assert!(refused.header("retry-after").parse::<u64>().expect("it says when") >= 1);
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    assert!(refused.header("ratelimit-policy").contains("q=40"), "{refused:?}");
    assert!(answers.iter().all(|answer| [404, 429].contains(&answer.status)));

    let other = make(&client, json!({})).await;
    let answer = Holder::of(&stack, &other.key).get(PATH).await;
    assert_eq!(answer.status, 404, "another key is not concerned");
    assert!(answer.header("ratelimit").contains("r="), "{answer:?}");
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_not_heard() {
    let stack = Launch::new("failures").setting("AUTHENTICATION_FAILURES_MAX", "20").start();
    let client = Client::of(&stack);
    let made = make(&client, json!({})).await;
    let holder = Holder::of(&stack, &made.key);
    assert_eq!(holder.get(PATH).await.status, 404);
    let nobody = Holder::nobody(&stack);
    for _ in 0..60 {
        assert_eq!(nobody.get(PATH).await.status, 401, "no key is no guess");
    }
    let unknown = relay_core::access::ApiKey::draw([9; 16], [[1; 16], [2; 16]]).reveal();
    let guessing = Holder::of(&stack, &unknown);
    let mut told = Vec::new();
    for number in 0..60 {
        // Whatever a client says of its own address, it is one.
        let forwarded = format!("198.51.100.{number}");
        let headers = [("x-forwarded-for", forwarded)];
        told.push(guessing.ask_with(Method::GET, PATH, None, &headers).await.status);
    }
    assert!(told.contains(&401) && told.contains(&429), "{told:?}");
    let heard = told.iter().filter(|status| **status == 401).count();
    assert!((10..40).contains(&heard), "{heard} were heard: {told:?}");
    let other = relay_core::access::ApiKey::draw([8; 16], [[1; 16], [2; 16]]).reveal();
    let refused = Holder::of(&stack, &other).get(PATH).await;
    assert_eq!((refused.status, &refused.json["code"]), (429, &json!("RATE_LIMITED")));
    // Whose key an environment has seen lately is not to suffer for a neighbour.
    until("the known key is let in where a stranger is not", SOON, async || {
        let (before, known) = (guessing.get(PATH).await, holder.get(PATH).await);
        let after = guessing.get(PATH).await;
        assert!([404, 429].contains(&known.status), "{known:?}");
        (known.status == 404 && (before.status, after.status) == (429, 429)).then_some(())
    })
    .await;
    assert_eq!(nobody.get("/health").await.status, 200, "it is not about open routes");
}
