//! `relay smoke` against a whole relay, against one that is not there, and against some that only look like one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::stack::{Relay, Said};

/// A key as one is made, good for no relay at all.
fn stranger() -> String {
    relay_core::access::ApiKey::draw([1; 16], [[2; 16], [3; 16]]).reveal()
}

/// Runs the smoke test with these variables alone.
async fn smoke(variables: &[(&str, &str)], arguments: &[&str]) -> Said {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay"));
    command.env_clear().envs(variables.iter().copied()).arg("smoke").args(arguments);
    Said::of(tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap())
}

/// Each step's word, by its name's first words.
fn steps(said: &Said) -> BTreeMap<String, String> {
    let mut steps = BTreeMap::new();
    for line in said.out.lines() {
        for word in ["ok", "FAILED", "skipped"] {
            if let Some(rest) = line.strip_prefix(&format!("{word:<7}  ")) {
                let name: Vec<_> = rest.split_whitespace().take(3).collect();
                steps.insert(name.join(" "), word.to_owned());
            }
        }
    }
    steps
}

/// The steps that came to this.
fn that_are(said: &Said, word: &str) -> Vec<String> {
    steps(said).into_iter().filter(|(_, one)| one == word).map(|(name, _)| name).collect()
}

/// Binds a port, and gives it back without listening on it.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Something that answers like this, and where it is.
async fn impostor(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_works_passes_and_its_messages_are_found_by_their_correlation_id() {
    let relay = Relay::start(&[]).await;
    let [ok, gone] = ["/ok", "/gone"].map(|path| format!("{}{path}", relay.receiver.url()));
    let said = relay.relay(&["smoke", "--target", &ok, "--failing-target", &gone]).await;
    assert_eq!((said.code, that_are(&said, "ok").len()), (0, 9), "{said:?}");
    assert_eq!(relay.receiver.all_calls(), 3, "small, large and doomed");
    let run = said.out.lines().next().unwrap().strip_prefix("correlation id ").unwrap();
    assert!(run.starts_with("smoke-"), "{run}");
    assert!(said.out.trim_end().lines().last().unwrap().starts_with("9 ok, 0 failed, 0 skipped"));

    let ids = said.out.split_whitespace().filter(|word| word.starts_with("msg_"));
    let ids: Vec<String> = ids.map(|id| id.trim_end_matches([',', ':']).to_owned()).collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    for id in &ids {
        assert_eq!(relay.show(id).await["correlationId"], *run);
    }
    let dead = relay.relay(&["dead", "list", "--sender-id", "smoke-test"]).await;
    assert!(dead.out.contains(&ids[2]), "{dead:?}");

    // Once more: no id of the first run is in the way. A dead letter is left only if it was asked for.
    let again = relay.relay(&["smoke", "--target", &ok]).await;
    assert_eq!((again.code, that_are(&again, "skipped").len()), (0, 1), "{again:?}");
    assert_ne!(again.out.lines().next(), said.out.lines().next());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_target_the_relay_sends_to_its_own_health_check() {
    let relay = Relay::start(&[]).await;
    let variables = relay.variables();
    let named = ["RELAY_URL", "RELAY_API_KEY"].map(|name| (name, variables[name].as_str()));
    let said = smoke(&named, &[]).await;
    assert_eq!((said.code, that_are(&said, "ok").len()), (0, 8), "{said:?}");
    assert_eq!(relay.receiver.all_calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_hold_fails_by_name_and_the_rest_is_tried_all_the_same() {
    let relay = Relay::start(&[]).await;
    let [ok, gone, waits] =
        ["/ok", "/gone", "/waits"].map(|path| format!("{}{path}", relay.receiver.url()));

    let said = relay.relay(&["smoke", "--target", &gone, "--failing-target", &ok]).await;
    let failed = ["a body of", "it is delivered", "what cannot be"];
    assert_eq!((said.code, that_are(&said, "FAILED")), (1, failed.map(str::to_owned).to_vec()));
    assert!(said.out.contains("DEAD (gone), attempt 1 came to 410"), "{said:?}");

    let began_at = Instant::now();
    let said = relay.relay(&["smoke", "--target", &waits, "--timeout-seconds", "3"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("no time is left") && said.out.contains("PROCESSING"), "{said:?}");
    assert!(began_at.elapsed() < Duration::from_secs(30), "{said:?}");

    let stranger = stranger();
    let url = relay.variables()["RELAY_URL"].clone();
    let said =
        smoke(&[("RELAY_URL", &url), ("RELAY_API_KEY", &stranger)], &["--target", &ok]).await;
    assert_eq!(that_are(&said, "ok"), ["a request without", "the relay is"], "{said:?}");
    assert_eq!((said.code, said.out.contains("got 401")), (1, true), "{said:?}");
    assert!(!said.out.contains(&stranger) && !said.err.contains(&stranger), "{said:?}");
}

#[tokio::test]
async fn a_relay_that_is_not_there_fails() {
    let url = nobody().await;
    let said = smoke(&[("RELAY_API_KEY", &stranger())], &["--url", &url]).await;
    assert_eq!((said.code, that_are(&said, "ok").len()), (1, 0), "{said:?}");
    assert!(said.out.starts_with("correlation id smoke-"), "{said:?}");
    assert!(said.out.to_lowercase().contains("connection refused"), "{said:?}");
    let wrong = smoke(&[], &["--url", &url, "--timeout-seconds", "0"]).await;
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""), "{wrong:?}");
}

/// An open relay is in order only for somebody who brings no key.
#[tokio::test]
async fn a_relay_that_lets_everybody_in_fails_whoever_has_a_key() {
    let refused = || async { (StatusCode::BAD_REQUEST, r#"{"code":"VALIDATION_ERROR"}"#) };
    let router = Router::new()
        .route("/health", get(async || r#"{"version":"1"}"#))
        .route("/v1/messages", post(refused));
    let url = impostor(router).await;
    let name = "a request without";
    let with_key = smoke(&[("RELAY_API_KEY", &stranger())], &["--url", &url]).await;
    assert_eq!((with_key.code, steps(&with_key)[name].as_str()), (1, "FAILED"), "{with_key:?}");
    assert!(with_key.out.contains("everybody may send"), "{with_key:?}");
    let without = smoke(&[], &["--url", &url]).await;
    assert_eq!(steps(&without)[name], "skipped", "{without:?}");
    // It says what is wrong without saying where.
    assert_eq!(steps(&without)["a wrong message"], "FAILED", "{without:?}");
}

/// A page that answers everything with 200 is no relay.
#[tokio::test]
async fn something_else_that_answers_fails_every_step() {
    let url = impostor(Router::new().fallback(async || "<html>welcome</html>")).await;
    let said = smoke(&[("RELAY_API_KEY", &stranger())], &["--url", &url]).await;
    assert_eq!((said.code, that_are(&said, "ok").len()), (1, 0), "{said:?}");
}

#[tokio::test]
async fn another_version_than_the_expected_one_fails() {
    let url =
        impostor(Router::new().route("/health", get(async || r#"{"version":"1.2.3"}"#))).await;
    for (expected, word) in [("1.2.3", "ok"), ("1.2.4", "FAILED"), ("1.2", "FAILED")] {
        let said = smoke(&[], &["--url", &url, "--expect-version", expected]).await;
        assert_eq!(steps(&said)["the relay is"], word, "{expected}: {said:?}");
    }
}

/// A relay that is busy at the first try of each request, and answers the second one: a message was taken at the
/// first all the same.
async fn busy(tries: Arc<Mutex<BTreeMap<String, u32>>>) -> String {
    let accept = async move |headers: HeaderMap, body: Bytes| {
        let message: Value = serde_json::from_slice(&body).unwrap();
        let id = message["messageId"].as_str().unwrap_or("stranger").to_owned();
        let first = {
            let mut tries = tries.lock().unwrap();
            let count = tries.entry(id.clone()).or_default();
            *count += 1;
            *count == 1
        };
        let (status, answer) = match (first, headers.contains_key("authorization"), id.as_str()) {
            (true, _, _) => (503, json!({})),
            (false, false, _) => (401, json!({})),
            (false, true, "") => {
                let errors = json!([{"pointer": "/messageId"}, {"pointer": "/targetUrl"}]);
                (400, json!({"code": "VALIDATION_ERROR", "errors": errors}))
            }
            (false, true, id) => (200, json!({"id": format!("msg_{id}"), "duplicate": true})),
        };
        (StatusCode::from_u16(status).unwrap(), [("retry-after", "1")], Json(answer))
    };
    let show = async |Path(id): Path<String>| {
        let bytes = if id.ends_with("large") { 300 * 1024 + 2 } else { 14 };
        Json(json!({"id": id, "status": "DELIVERED", "attempts": 1, "bodyBytes": bytes}))
    };
    let router = Router::new()
        .route("/health", get(async || r#"{"version":"1"}"#))
        .route("/health/ready", get(async || "{}"))
        .route("/v1/messages", post(accept))
        .route("/v1/messages/{id}", get(show));
    impostor(router).await
}

#[tokio::test]
async fn what_is_busy_for_a_moment_is_asked_again_and_the_line_says_so() {
    let tries = Arc::new(Mutex::new(BTreeMap::new()));
    let url = busy(Arc::clone(&tries)).await;
    let began_at = Instant::now();
    let said = smoke(&[("RELAY_API_KEY", &stranger())], &["--url", &url]).await;
    assert_eq!((said.code, that_are(&said, "ok").len()), (0, 8), "{said:?}");
    assert_eq!(said.out.matches("took 2 tries").count(), 4, "{said:?}");
    assert!(began_at.elapsed() >= Duration::from_secs(4), "Retry-After is not heeded: {said:?}");
    let small =
        tries.lock().unwrap().iter().find(|(id, _)| id.ends_with("-small")).unwrap().1.to_owned();
    assert_eq!(small, 3, "twice to be accepted, once as a duplicate");
}

/// A relay that has taken the message before is no relay that has just taken it.
#[tokio::test]
async fn a_duplicate_at_the_first_try_is_no_new_message() {
    let answer = async || Json(json!({"id": "msg_a", "duplicate": true}));
    let url = impostor(Router::new().route("/v1/messages", post(answer))).await;
    let said = smoke(&[("RELAY_API_KEY", &stranger())], &["--url", &url]).await;
    assert_eq!(steps(&said)["a message is"], "FAILED", "{said:?}");
    assert!(said.out.contains("expected 202 for a new message, got 200"), "{said:?}");
}

#[tokio::test]
async fn what_stays_busy_fails_after_three_tries() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let refuse = async move || {
        *count.lock().unwrap() += 1;
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], "{}")
    };
    let url = impostor(Router::new().route("/v1/messages", post(refuse))).await;
    let said = smoke(&[("RELAY_API_KEY", &stranger())], &["--url", &url]).await;
    assert_eq!(steps(&said)["a message is"], "FAILED", "{said:?}");
    assert_eq!(said.out.matches("took 3 tries: expected").count(), 4, "{said:?}");
    assert_eq!(*asked.lock().unwrap(), 4 * 3, "{said:?}");
}

/// A connection that is closed without an answer.
#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        let router = Router::new().route("/health", get(async || r#"{"version":"1"}"#));
        axum::serve(listener, router).await
    });
    let said = smoke(&[], &["--url", &url]).await;
    let line = said.out.lines().find(|line| line.contains("the relay is up")).unwrap();
    assert!(line.starts_with("ok") && line.ends_with("took 2 tries: version 1"), "{line}");
}

#[tokio::test]
async fn a_key_does_not_go_to_another_machine_in_the_clear() {
    for command in [
        &["smoke"][..],
        &["show", "order-1", "--sender-id", "a"],
        &["destination", "a.example"],
        &["send", "--target-url", "https://a.example/"],
    ] {
        let mut relay = std::process::Command::new(env!("CARGO_BIN_EXE_relay"));
        relay.env_clear().env("RELAY_API_KEY", stranger()).args(command);
        // 192.0.2.1 is nobody's, and nothing is asked of it.
        let output = relay.args(["--relay-url", "http://192.0.2.1"]).output().unwrap();
        let said = Said::of(output);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{command:?}: {said:?}");
        assert!(said.err.contains("plain http://"), "{command:?}: {said:?}");
    }
}
