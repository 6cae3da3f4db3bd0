//! The dashboard's numbers are those of the outside world: what clients were answered and what the receiver got, metric by
//! metric, under a load in which much fails. The template's own dashboard is evaluated over what the functions recorded.

mod lines;
mod recorded;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use self::recorded::Recorded;
use crate::support::{Client, Launch, SOON, Stack, alone, message, until};

/// Longest that the load may take to end: its longest message has three attempts of a second.
const WITHIN: Duration = Duration::from_secs(90);
/// Attempts before a message is given up.
const ATTEMPTS: usize = 3;
/// Kinds of messages: the path at the receiver, how many, and how they end.
const OK: (&str, usize) = ("/demo/ok", 60);
const FLAKY: (&str, usize) = ("/demo/flaky/1", 8);
const GONE: (&str, usize) = ("/demo/status/410", 5);
const REJECTED: (&str, usize) = ("/demo/status/400", 4);
const REDIRECTED: (&str, usize) = ("/demo/status/301", 3);
const FAILING: (&str, usize) = ("/demo/status/503", 4);
const THROTTLING: (&str, usize) = ("/demo/status/429", 2);
const SLOW: (&str, usize) = ("/demo/slow/30s", 2);
const KINDS: [(&str, usize); 8] =
    [OK, FLAKY, GONE, REJECTED, REDIRECTED, FAILING, THROTTLING, SLOW];
/// Messages that are posted twice.
const DUPLICATES: usize = 3;
/// Bodies that do not fit the queue, and how large.
const LARGE: usize = 2;
const LARGE_BYTES: usize = 300_000;
/// Requests that nobody accepts.
const REFUSED: usize = 3;
/// How long an attempt at a slow target takes at least: its timeout of a second, less what it took to prepare it.
const SLOW_MILLISECONDS: f64 = 950.0;

fn launch(closed_port: u16) -> Stack {
    Launch::new("dashboard")
        .parameter("BatchWindowSeconds", "0")
        .parameter("BatchSize", "10")
        .parameter("DeliveryConcurrencyPerDestination", "10")
        .parameter("DeliveryTimeoutSeconds", "1")
        .parameter("DeliveryConnectTimeoutSeconds", "1")
        // By the share of failures alone: the receiver's own many failures are among more successes.
        .parameter("BreakerFailuresMax", "1000")
        .parameter("BreakerFailurePercent", "90")
        .setting("RETRY_BASE_SECONDS", "0.1")
        .setting("RETRY_DELAY_SECONDS_MAX", "0.1")
        .setting("DESTINATION_ALLOW", &format!("127.0.0.1:{closed_port},127.0.0.1"))
        .start()
}

/// What a widget says of the whole load, by label.
async fn shown(client: &Client, title: &str) -> BTreeMap<String, f64> {
    Recorded::by(client).await.shown(title)
}

/// Posts everything, mixed so that no destination sees more failures than successes in a row, and what nobody accepts.
async fn load(client: &Client, stack: &Stack) -> Vec<String> {
    let mut messages: Vec<Value> = KINDS
        .iter()
        .flat_map(|(path, count)| (0..*count).map(|_| message("load", &stack.target(path))))
        .collect();
    let step = 7;
    messages = (0..step)
        .flat_map(|from| messages.iter().skip(from).step_by(step).cloned().collect::<Vec<_>>())
        .collect();
    for _ in 0..LARGE {
        let mut large = message("large", &stack.target(OK.0));
        large["body"] = json!("x".repeat(LARGE_BYTES));
        messages.push(large);
    }
    let ids = join_all(messages.iter().map(|message| client.accept(message))).await;
    for again in &messages[..DUPLICATES] {
        assert_eq!(client.post(again).await.status, 200);
    }
    assert_eq!(client.post(&json!({})).await.status, 400);
    assert_eq!(client.get("/v1/messages/msg_unknown").await.status, 404);
    let mut other = messages[0].clone();
    other["body"] = json!("another body");
    assert_eq!(client.post(&other).await.status, 422);
    // Nobody has asked for anything else yet.
    let sent = (messages.len() + DUPLICATES + REFUSED) as f64;
    let title = "How many requests come in, and what becomes of them?";
    until("the count of the last request", SOON, async || {
        (shown(client, title).await.get("Requests")? >= &sent).then_some(())
    })
    .await;
    assert_eq!(shown(client, title).await["Requests"], sent, "{title}");
    ids
}

#[tokio::test]
async fn the_dashboard_says_what_clients_and_receiver_saw() {
    let _alone = alone().await;
    // Bound, so that nobody else gets the port, and never listening, so that every connection is refused.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let port = closed.local_addr().expect("a bound socket has an address").port();
    let stack = launch(port);
    let client = Client::of(&stack);
    let ids = load(&client, &stack).await;
    let ended = join_all(ids.iter().map(|id| client.finished_within(id, WITHIN))).await;
    go_again(&client, &ended).await;
    client.reconcile().await;

    attempts_agree(&client).await;
    endings_agree(&client, &ended).await;
    requests_agree(&client, ids.len()).await;
    measurements_agree(&Recorded::by(&client).await);
    lines::have_values(&client, &stack, &delivered(&ended), port).await;
}

/// A message that was delivered.
fn delivered(ended: &[Value]) -> String {
    let shown = ended.iter().find(|shown| shown["status"] == "DELIVERED").expect("most are");
    shown["id"].as_str().expect("an id").to_owned()
}

/// One dead letter is redriven and dies again; one delivered message is sent once more.
async fn go_again(client: &Client, ended: &[Value]) {
    let gone = ended.iter().find(|shown| shown["reason"] == "gone").expect("some are gone");
    let gone = gone["id"].as_str().expect("an id").to_owned();
    for (id, verb) in [(&gone, "redrive"), (&delivered(ended), "resend")] {
        let answer = client.post_text(&format!("/v1/messages/{id}/{verb}"), "").await;
        assert_eq!(answer.status, 202, "{answer:?}");
        client.finished_within(id, WITHIN).await;
    }
}

/// How many requests the receiver got on this path.
async fn received(client: &Client, path: &str) -> usize {
    client.all_received(&format!("?path={path}")).await.len()
}

/// How many of them it answered with 2xx: all on the first path, the last one of each message on the second.
async fn answered_2xx(client: &Client) -> usize {
    received(client, OK.0).await + FLAKY.1
}

async fn attempts_agree(client: &Client) {
    let mut rejected = 0;
    for kind in [GONE, REJECTED, REDIRECTED] {
        rejected += received(client, kind.0).await;
    }
    let failed = received(client, FAILING.0).await + received(client, FLAKY.0).await - FLAKY.1;
    let timed_out = received(client, SLOW.0).await;
    assert_eq!(timed_out, SLOW.1 * ATTEMPTS, "the receiver saw each slow attempt begin");
    let expected = [
        ("Delivered", answered_2xx(client).await),
        ("Rejected", rejected),
        ("Throttled", received(client, THROTTLING.0).await),
        ("TargetError", failed),
        ("TimedOut", timed_out),
    ];
    let total: usize = expected.iter().map(|(_, count)| count).sum();
    let title = "How do attempts end?";
    // A worker says what it counted with the answer to its invocation, a moment after the last state is written.
    until("the counts of the last invocation", SOON, async || {
        let counted: f64 = shown(client, title).await.values().sum();
        (counted as usize >= total).then_some(())
    })
    .await;
    agree(client, title, &expected).await;
}

async fn endings_agree(client: &Client, ended: &[Value]) {
    let delivered = answered_2xx(client).await;
    let exhausted = FAILING.1 + THROTTLING.1 + SLOW.1;
    let gone = GONE.1 + 1;
    let dead = exhausted + gone + REJECTED.1 + REDIRECTED.1;
    let died = ended.iter().filter(|shown| shown["status"] == "DEAD").count();
    assert_eq!(died + 1, dead, "with the one that died twice");
    let retries = exhausted * (ATTEMPTS - 1) + FLAKY.1;
    let title = "What becomes of what the worker is given?";
    agree(client, title, &[("Delivered", delivered), ("Retries", retries), ("Dead", dead)]).await;
    let reasons = [
        ("AttemptsExhausted", exhausted),
        ("Gone", gone),
        ("Rejected", REJECTED.1),
        ("Redirected", REDIRECTED.1),
    ];
    agree(client, "Why are messages given up?", &reasons).await;
    agree(client, "Are dead letters set going again?", &[("through the API", 1)]).await;
    let tries = shown(client, "How many attempts does a delivery take?").await;
    assert_eq!(tries["Maximum"], 2.0, "a flaky target takes the second attempt");
    let share = shown(client, "What share of messages is delivered?").await["share"];
    let expected = 100.0 * delivered as f64 / (delivered + dead) as f64;
    assert!((share - expected).abs() < 1e-9, "{share} is not {expected}");
    // Queues are looked at every few seconds.
    until("the number of dead letters", SOON, async || {
        let letters = shown(client, "How many dead letters are there?").await;
        letters.get("dead letters").filter(|count| **count >= 1.0).map(|_| ())
    })
    .await;
}

async fn requests_agree(client: &Client, accepted: usize) {
    let all = ("all 4xx, the API's own too", REFUSED);
    let refused = [("ValidationError", 1), ("MessageIdReused", 1), ("NotFound", 1), all];
    agree(client, "Why are requests refused?", &refused).await;
    let requests = shown(client, "How many requests come in, and what becomes of them?").await;
    let told = ["Accepted", "Duplicates", "Resent"].map(|label| requests[label]);
    assert_eq!(told, [accepted as f64, DUPLICATES as f64, 1.0]);
    let sizes = shown(client, "How large are messages, and how many do not fit the queue?").await;
    assert_eq!(sizes["too large for the queue"], LARGE as f64);
    assert_eq!(sizes["largest"], (LARGE_BYTES + "\"\"".len()) as f64);
}

/// The lines of a widget are these, and the others say nothing or 0.
async fn agree(client: &Client, title: &str, expected: &[(&str, usize)]) {
    let mut shown = shown(client, title).await;
    shown.retain(|_, value| *value != 0.0);
    let expected =
        expected.iter().map(|(label, count)| ((*label).to_owned(), *count as f64)).collect();
    assert_eq!(shown, expected, "{title}");
}

/// What is measured was measured as often as what it is measured of was counted, and is as long as that takes.
fn measurements_agree(recorded: &Recorded) {
    let count = |name: &str| recorded.values(name).len() as f64;
    let attempts: f64 = shown_sum(recorded, "How do attempts end?");
    assert_eq!(count("AttemptMilliseconds"), attempts);
    assert_eq!(count("EndToEndMilliseconds"), recorded.sum("Delivered"));
    assert_eq!(count("AttemptsAtDelivery"), recorded.sum("Delivered"));
    let accepted = recorded.sum("Accepted");
    assert_eq!(count("AcceptMilliseconds"), accepted + recorded.sum("Duplicates"));
    assert_eq!(count("PayloadBytes"), accepted);
    let received = recorded.sum("BatchSize");
    assert!(received >= attempts, "{received} items for {attempts} attempts");
    let waits = count("QueueWaitMilliseconds");
    assert!((accepted..=received).contains(&waits), "{waits} waits of {accepted} messages");
    let slow = recorded.values("AttemptMilliseconds").iter();
    let slow = slow.filter(|millis| **millis >= SLOW_MILLISECONDS).count();
    assert!(slow >= SLOW.1 * ATTEMPTS, "{slow} attempts took as long as the slow ones did");
    for name in ["EndToEndMilliseconds", "AcceptMilliseconds"] {
        let shortest = recorded.values(name).iter().copied().fold(f64::INFINITY, f64::min);
        assert!(shortest > 0.0, "{name}: {shortest}");
    }
}

fn shown_sum(recorded: &Recorded, title: &str) -> f64 {
    recorded.shown(title).values().sum()
}
