//! Circuit breakers from outside: one opens, shows itself, lets messages wait without an attempt, probes, and
//! closes again; and a target that comes back is led up the ramp, as its own record of arrivals shows.

use std::time::Duration;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::{Client, Launch, SOON, Stack, alone, message, until};

/// Failures that open the breaker; sent until one environment has seen so many in a row.
const FAILURES_MAX: usize = 5;
/// Environments look at a breaker every two seconds: after that, all of them know that it is open.
const KNOWN_TO_ALL: Duration = Duration::from_millis(2500);
/// Messages that wait for the target that comes back, if so many can be posted while the breaker is open; and
/// how many it must be, for the first four steps to be full.
const WAITING: std::ops::RangeInclusive<usize> = 400..=1000;
/// Posted at one time.
const CONCURRENCY: usize = 32;
/// How long a step of the ramp lasts in the test of the ramp, in milliseconds.
const STEP_MILLIS: i64 = 3000;
/// Longest that the ramp may take, and closing after it. Its steps are 15 s; the rest is for a busy machine.
const RAMP_WITHIN: Duration = Duration::from_secs(90);

fn launch(name: &str, open_seconds: &str, step_seconds: &str) -> Launch {
    Launch::new(name)
        .parameter("BatchWindowSeconds", "0")
        .parameter("BatchSize", "10")
        .parameter("RetryAttemptsMax", "1")
        .parameter("BreakerFailuresMax", &FAILURES_MAX.to_string())
        .parameter("BreakerOpenSeconds", open_seconds)
        .parameter("BreakerRampStepSeconds", step_seconds)
}

/// How the breaker of the demo receiver stands.
async fn breaker(client: &Client, stack: &Stack) -> Value {
    let host = stack.receiver_url.strip_prefix("http://").unwrap();
    let answer = client.get(&format!("/v1/destinations/{host}?scheme=http")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["destinations"][0]["destination"], stack.receiver_url);
    answer.json["destinations"][0].clone()
}

/// Lets attempts fail until the breaker is open, and says how it stands then.
async fn open(client: &Client, stack: &Stack) -> Value {
    let failing = stack.target("/demo/status/503");
    until("an open breaker", SOON, async || {
        client.accept(&message("fails", &failing)).await;
        let shown = breaker(client, stack).await;
        (shown["state"] == "OPEN").then_some(shown)
    })
    .await
}

/// When the messages to `/demo/ok` arrived, in order, in milliseconds.
async fn arrivals(client: &Client) -> Vec<i64> {
    let received = client.all_received("?path=/demo/ok").await;
    let mut times: Vec<i64> = received.iter().map(|one| one.received_at_ms).collect();
    times.sort_unstable();
    times
}

#[tokio::test]
async fn f23_a_breaker_opens_shows_itself_defers_probes_and_closes() {
    let stack = launch("breaker", "6", "1").start();
    let client = Client::of(&stack);
    let closed = breaker(&client, &stack).await;
    assert_eq!((&closed["state"], &closed["openings"]), (&json!("CLOSED"), &json!(0)), "{closed}");

    let opened = open(&client, &stack).await;
    assert_eq!(opened["openings"], 1, "{opened}");
    assert_eq!(opened["why"]["rule"], "FAILURES_IN_A_ROW", "{opened}");
    assert!(opened["why"]["failures"].as_u64() >= Some(FAILURES_MAX as u64), "{opened}");
    assert_eq!(opened["why"]["status"], 503, "{opened}");
    assert!(opened["since"].as_str() < opened["until"].as_str(), "{opened}");

    tokio::time::sleep(KNOWN_TO_ALL).await;
    let id = client.accept(&message("waits", &stack.target("/demo/ok"))).await;
    let waiting = client.finished(&id).await;
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("DELIVERED"), &json!(1)));
    let received = client.received(&id).await;
    assert_eq!(received.len(), 1, "it waited without an attempt");
    let until_millis = opened["until"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(received[0].received_at_ms >= until_millis.as_millisecond(), "not while it was open");

    // Whoever comes now leads it up the ramp.
    let ended = until("a closed breaker", RAMP_WITHIN, async || {
        client.accept(&message("ramp", &stack.target("/demo/ok"))).await;
        let shown = breaker(&client, &stack).await;
        assert_ne!(shown["state"], "OPEN", "{shown}");
        (shown["state"] == "CLOSED").then_some(shown)
    });
    let ended = ended.await;
    assert_eq!((&ended["openings"], &ended["why"]["status"]), (&json!(0), &json!(503)), "{ended}");
}

#[tokio::test]
async fn f24_hundreds_of_messages_that_wait_for_a_target_are_led_up_the_ramp() {
    let _alone = alone().await;
    let stack = launch("ramp", "25", "3").start();
    let client = Client::of(&stack);
    let opened = open(&client, &stack).await;
    let probe_at: jiff::Timestamp = opened["until"].as_str().unwrap().parse().unwrap();
    tokio::time::sleep(KNOWN_TO_ALL).await;
    let target = stack.target("/demo/ok");
    let ids: Vec<String> = stream::iter(0..*WAITING.end())
        .take_while(|_| std::future::ready(jiff::Timestamp::now() < probe_at))
        .map(async |_| client.accept(&message("ramp", &target)).await)
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    assert!(WAITING.contains(&ids.len()), "only {} were posted in time", ids.len());

    let times = until("every arrival", RAMP_WITHIN, async || {
        let times = arrivals(&client).await;
        (times.len() >= ids.len()).then_some(times)
    });
    let times = times.await;
    assert_eq!(times.len(), ids.len(), "each once");
    assert!(times[0] >= probe_at.as_millisecond(), "none while it was open");
    // A step begins a step's time after the one before, at the earliest. Until step n + 1 can have begun,
    // there are at most the probe and what steps 1 to n allow.
    let mut told = Vec::new();
    let mut allowed = 1;
    for step in 1..=5_u32 {
        allowed += 4_usize.pow(step);
        let end = times[0] + i64::from(step) * STEP_MILLIS;
        let count = times.iter().filter(|time| **time < end).count();
        told.push(format!("{count} of {allowed}"));
        assert!(count <= allowed, "by the end of step {step}: {told:?}");
    }
    let waiting = ids.len();
    println!("{waiting} waiting messages, arrived by the end of each step: {}", told.join(", "));
    for id in ids.iter().step_by(97) {
        let shown = client.finished(id).await;
        assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DELIVERED"), &json!(1)));
    }
}
