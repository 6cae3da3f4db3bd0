//! Every line of every widget says something once what it tells of has happened, on one machine or at all. What the
//! values are is compared elsewhere; here it is that the names in the dashboard are those that are recorded.

use futures::future::join_all;
use reqwest::Method;

use super::WITHIN;
use super::recorded::Recorded;
use crate::support::{Client, Queues, SOON, Stack, message, until};

/// Messages to a place where nobody listens: three attempts each, of which one of ten environments sees the twenty that
/// open a breaker.
const UNREACHABLE: usize = 120;
/// Lines that may stay empty here, by the widget's title and the label, and why.
const MAY_BE_EMPTY: [(&str, &[&str], &str); 9] = [
    (
        "Why are requests refused?",
        &["PayloadTooLarge", "Forbidden", "MethodNotAllowed", "RateLimited", "SystemError"],
        "refused like the others; a table of ingest has every code's counter",
    ),
    (
        "Does ingest fail?",
        &["function throttled", "SYSTEM_ERROR", "limits kept alone"],
        "no service fails",
    ),
    (
        "Does the table keep up?",
        &["reads throttled", "writes throttled", "writes of the index throttled"],
        "the local table throttles nobody",
    ),
    (
        "What becomes of what the worker is given?",
        &["Unstarted", "Setbacks"],
        "no service fails, and there is room",
    ),
    ("Does the worker fail?", &["throttled"], "there are as many environments as may be needed"),
    (
        "How do attempts end?",
        &["AddressRefused", "BodyUnavailable"],
        "no name leads to such an address, and no body gets lost",
    ),
    ("Do circuit breakers open?", &["closed"], "the destination stays down"),
    (
        "Why are messages given up?",
        &["DeadlinePassed", "TargetRefused", "BodyCorrupt", "ReceiveCountExceeded"],
        "they take hours, a bad name, a broken body or a thousand receipts",
    ),
    (
        "How many units of the table are paid for?",
        &["write", "read", "write, index"],
        "the local table counts no capacity units",
    ),
];
/// Log groups that one machine does not have.
const NOT_LOGGED_HERE: (&str, &[&str], &str) =
    ("How much is logged?", &["Api"], "the local API writes no access log");

/// Does what has not happened yet, and looks at every line.
pub(super) async fn have_values(client: &Client, stack: &Stack, delivered: &str, port: u16) {
    be_down(client, port).await;
    be_cancelled(client, port).await;
    be_refused(client, stack, delivered).await;
    meddle_with_the_queue(client, stack).await;
    // By now every poll was answered and counted, by the API as by the function.
    let title = "How many requests and invocations are paid for?";
    until("as many requests at the function as at the API", SOON, async || {
        let recorded = Recorded::by(client).await;
        (recorded.shown(title)["API requests"] == recorded.sum("Requests")).then_some(())
    })
    .await;
    let lines = Recorded::by(client).await.lines();
    let may_be_empty = || MAY_BE_EMPTY.iter().chain([&NOT_LOGGED_HERE]);
    let known = |title: &str, label: &str| {
        may_be_empty().any(|(of, labels, _)| *of == title && labels.contains(&label))
    };
    let empty: Vec<_> = lines
        .iter()
        .filter(|(title, label, value)| value.is_none() && !known(title, label))
        .map(|(title, label, _)| format!("{title} {label}"))
        .collect();
    assert_eq!(empty, [""; 0], "lines without a value");
    for (title, labels, why) in may_be_empty() {
        for label in *labels {
            let is_there = lines.iter().any(|(of, line, _)| of == title && line == label);
            assert!(is_there, "{title} {label} ({why}) is no line of the dashboard");
        }
    }
}

/// A message for what is down waits for its breaker or for a retry; unless it is just tried, it can be cancelled.
async fn be_cancelled(client: &Client, port: u16) {
    let id = client.accept(&message("cancelled", &format!("http://127.0.0.1:{port}/"))).await;
    until("a message that is cancelled", WITHIN, async || {
        let answer = client.cancel(&[&id]).await;
        (answer.json["accepted"] == 1).then_some(())
    })
    .await;
}

/// A destination that is down opens a breaker, which puts off what waits for it.
async fn be_down(client: &Client, port: u16) {
    let target = format!("http://127.0.0.1:{port}/");
    join_all((0..UNREACHABLE).map(|_| async { client.accept(&message("down", &target)).await }))
        .await;
    until("a breaker that opens, and what it puts off", WITHIN, async || {
        let recorded = Recorded::by(client).await;
        let is_open = recorded.shown("Do circuit breakers open?").contains_key("opened");
        (is_open && recorded.sum("Deferrals") > 0.0).then_some(())
    })
    .await;
}

async fn be_refused(client: &Client, stack: &Stack, delivered: &str) {
    let stranger = Client::without_key(stack);
    assert_eq!(stranger.get(&format!("/v1/messages/{delivered}")).await.status, 401);
    let private = client.post(&message("private", "http://10.0.0.1/")).await;
    assert_eq!(private.status, 422, "{private:?}");
    let redrive = client.post_text(&format!("/v1/messages/{delivered}/redrive"), "").await;
    assert_eq!(redrive.status, 409, "{redrive:?}");
    let text = client.request(Method::POST, "/message").header("content-type", "text/plain");
    assert_eq!(client.answer(text.body("{}")).await.status, 415);
}

/// What is no message is buried, what newer code wrote is handed back, and dead letters are moved back.
async fn meddle_with_the_queue(client: &Client, stack: &Stack) {
    let queues = Queues::of(stack);
    queues.send("{\"v\":1}", &[]).await;
    queues.send("{\"v\":1000}", &[]).await;
    queues.redrive().await;
    for name in ["DeadMalformed", "Unreadable", "Redriven"] {
        // One was redriven through the API before.
        let before = if name == "Redriven" { 1.0 } else { 0.0 };
        until(name, WITHIN, async || (Recorded::by(client).await.sum(name) > before).then_some(()))
            .await;
    }
}
