//! `relay cancel`: what waits is not sent any more, what cannot be stopped is told, and a busy relay is asked again.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::delete;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::queue::Queue;
use crate::stack::{Relay, Said, interrupted, within_soon};

/// Messages that the worker of the whole relay takes at once.
const AT_ONCE: usize = 2;
/// As many as may be posted at once, and cancelled at once.
const PER_REQUEST: usize = 100;
/// Longest that a command may take which has nothing to wait for: half of its longest wait.
const WITHOUT_WAIT_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_cancelled_by_the_hundred_and_never_sent() {
    let parameters =
        [("MaximumConcurrency", "2"), ("BatchSize", "1"), ("DeliveryTimeoutSeconds", "30")];
    let relay = Relay::start(&parameters).await;
    let queue = Queue::of(&relay.variables());
    let held = relay.accept_in_bulk("held", "/waits", AT_ONCE).await;
    let is_busy = async || relay.receiver.all_calls() == AT_ONCE;
    assert!(within_soon(is_busy).await, "the worker is not busy");
    let mut wrong = relay.accept_in_bulk("wrong", "/ok", PER_REQUEST).await;
    wrong.extend(relay.accept_in_bulk("more", "/ok", 3).await);

    let text = format!("{}\n\n{}\n", wrong.join("\r\n"), wrong[0]);
    let said = relay.relay_reading(&["cancel", "-"], &text).await;
    let mut expected: Vec<String> = wrong.iter().map(|id| format!("{id}: cancelled")).collect();
    expected.push("103 cancelled".to_owned());
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!((said.code, lines), (0, expected.iter().map(String::as_str).collect()), "{said:?}");
    let again = relay.relay_reading(&["cancel", "-", "--json"], &text).await;
    assert_eq!((again.code, &again.totals()["cancelled"]), (0, &json!(103)), "{again:?}");

    // What the worker holds cannot be stopped, nor what has ended.
    let late = relay.relay(&["cancel", &held[0], &wrong[0], &held[1]]).await;
    assert_eq!((late.code, late.out.lines().last()), (3, Some("1 cancelled, 2 refused")));
    let reason = format!("{}: left alone: the message is PROCESSING", held[0]);
    assert!(late.out.contains(&reason), "{late:?}");
    relay.receiver.mend();
    relay.all_are(&held, "DELIVERED", 0).await;
    let ended = ["cancel", "held-0", "nobody", "more-2", "--sender-id", "tests", "--json"];
    let ended = relay.relay(&ended).await;
    let done: Vec<Value> = ended.json().iter().map(|told| told["done"].clone()).collect();
    assert_eq!(
        (ended.code, &done[..3]),
        (3, &["refused", "notFound", "cancelled"].map(Value::from)[..])
    );
    assert!(ended.json()[0]["reason"].as_str().unwrap().starts_with("the message is DELIVERED"));
    assert_eq!(ended.totals()["notFound"], 1);

    assert!(within_soon(async || queue.is_empty().await).await, "the copies are still there");
    for id in &wrong {
        assert_eq!(relay.receiver.calls(id), 0, "{id} was sent");
        assert_eq!(relay.show(id).await["status"], "CANCELLED");
    }
    assert_eq!(relay.receiver.all_calls(), AT_ONCE);
}

/// What something that looks like a relay answers.
#[derive(Clone, Copy)]
enum Told {
    /// This, to the request as a whole.
    Whole(u16),
    /// These, to its messages in order; 200 to those that are left.
    Each(&'static [u16]),
    /// The same, and not to come back for a minute.
    EachAndWait(&'static [u16]),
    /// 200 to every message, but not before it is let go.
    Held,
}

/// Something that gives these answers one after the other, and the last of them from then on.
#[derive(Clone)]
struct Script {
    told: Arc<Mutex<Vec<Told>>>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
    is_let_go: watch::Sender<bool>,
}

impl Script {
    /// One that answers so, and a command that is to cancel by it.
    async fn start(told: &[Told], arguments: &[&str]) -> (Self, Command) {
        let told = Arc::new(Mutex::new(told.to_vec()));
        let script = Self { told, asked: Arc::default(), is_let_go: watch::Sender::new(false) };
        let router = Router::new().route("/v1/messages/bulk", delete(answer));
        let router = router.with_state(script.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.env_clear().env("RELAY_URL", url).arg("cancel").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        (script, command)
    }

    fn next(&self, ids: Vec<String>) -> Told {
        self.asked.lock().unwrap().push(ids);
        let mut told = self.told.lock().unwrap();
        if told.len() > 1 { told.remove(0) } else { told[0] }
    }

    /// How many messages each request named.
    fn sizes(&self) -> Vec<usize> {
        self.asked.lock().unwrap().iter().map(Vec::len).collect()
    }
}

async fn answer(State(script): State<Script>, Json(request): Json<Value>) -> Response {
    let ids: Vec<String> = serde_json::from_value(request["ids"].clone()).unwrap();
    let (statuses, retry_after) = match script.next(ids.clone()) {
        Told::Whole(status) => {
            let status = StatusCode::from_u16(status).unwrap();
            return (status, [(RETRY_AFTER, "0")], r#"{"code":"NO"}"#).into_response();
        }
        Told::Each(statuses) => (statuses, "0"),
        Told::EachAndWait(statuses) => (statuses, "60"),
        Told::Held => {
            script.is_let_go.subscribe().wait_for(|is_let_go| *is_let_go).await.unwrap();
            (&[][..], "0")
        }
    };
    let statuses = statuses.iter().chain(std::iter::repeat(&200));
    let result =
        |(id, status)| json!({ "status": status, "id": id, "problem": {"detail": "says why"} });
    let results: Vec<Value> = ids.iter().zip(statuses).map(result).collect();
    let answer = Json(json!({ "results": results }));
    (StatusCode::MULTI_STATUS, [(RETRY_AFTER, retry_after)], answer).into_response()
}

/// So many ids.
fn ids(count: usize) -> Vec<String> {
    let id = |number: usize| -> String {
        format!("{number:032}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
    };
    (0..count).map(|number| format!("msg_{}", id(number))).collect()
}

fn texts(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

async fn run(mut command: Command) -> Said {
    Said::of(tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap())
}

#[tokio::test]
async fn requests_name_at_most_a_hundred_or_as_many_as_is_said() {
    let ids = ids(250);
    for (flags, sizes) in
        [(&[][..], &[100, 100, 50][..]), (&["--per-request", "80"], &[80, 80, 80, 10])]
    {
        let arguments = [flags, &texts(&ids)].concat();
        let (script, command) = Script::start(&[Told::Each(&[])], &arguments).await;
        let said = run(command).await;
        assert_eq!((said.code, said.out.lines().last()), (0, Some("250 cancelled")), "{said:?}");
        assert_eq!(script.sizes(), sizes);
        let asked = script.asked.lock().unwrap().concat();
        assert_eq!(asked, ids, "each once");
    }
}

#[tokio::test]
async fn a_busy_relay_is_asked_again_for_what_it_has_not_done() {
    let told = [Told::Whole(429), Told::Each(&[200, 503, 409, 503]), Told::Whole(503)];
    let told = [&told[..], &[Told::Each(&[200, 503]), Told::Each(&[404])]].concat();
    let ids = ids(4);
    let (script, command) = Script::start(&told, &texts(&ids)).await;
    let said = run(command).await;
    let lines = [
        format!("{}: cancelled", ids[0]),
        format!("{}: left alone: says why", ids[2]),
        format!("{}: cancelled", ids[1]),
        format!("{}: there is no such message, or not any more", ids[3]),
        "2 cancelled, 1 refused, 1 not found".to_owned(),
    ];
    assert_eq!((said.code, said.out), (3, format!("{}\n", lines.join("\n"))), "{}", said.err);
    assert_eq!(script.sizes(), [4, 4, 2, 2, 1]);
}

#[tokio::test]
async fn a_relay_that_stays_busy_ends_the_work_and_one_that_lets_nobody_in_at_once() {
    let ids = ids(3);
    let by = |per_request: &'static str| ["--per-request", per_request];
    for (told, flags, code, sizes, part) in [
        (&[Told::Whole(503)][..], by("3"), 1, &[3; 5][..], "stopped: the relay answered 503"),
        (&[Told::Whole(401)], by("3"), 1, &[3], "no API key was given"),
        (&[Told::Whole(400)], by("3"), 1, &[3], "stopped: the relay answered 400"),
        // It does its part for none, so that the second request is not worth its wait.
        (&[Told::Each(&[503])], by("1"), 1, &[1; 5], "stopped: cancelling failed: says why"),
        // Nothing is left that would wait.
        (&[Told::Each(&[503; 3])], by("3"), 4, &[3; 5], ""),
        // It does its part for one, so that the others are worth asking for.
        (
            &[Told::Each(&[200, 503]), Told::Each(&[503])],
            by("2"),
            4,
            &[2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            "",
        ),
    ] {
        let (script, command) = Script::start(told, &[&flags[..], &texts(&ids)].concat()).await;
        let said = run(command).await;
        assert_eq!((said.code, said.err.contains(part)), (code, true), "{said:?}");
        assert_eq!(script.sizes(), sizes, "{said:?}");
    }
}

#[tokio::test]
async fn what_was_answered_for_is_told_although_the_next_try_ends_the_work() {
    let ids = ids(3);
    for (last, sizes, part) in [
        (503, &[3, 2, 2, 2, 2][..], "stopped: the relay answered 503"),
        (500, &[3, 2], "stopped: the relay answered 500"),
    ] {
        let told = [Told::Each(&[200, 503, 503]), Told::Whole(last)];
        let (script, command) = Script::start(&told, &texts(&ids)).await;
        let said = run(command).await;
        let lines = [
            format!("{}: cancelled", ids[0]),
            format!("{}: cancelling failed: says why", ids[1]),
            format!("{}: cancelling failed: says why", ids[2]),
            "1 cancelled, 2 failed".to_owned(),
        ];
        assert_eq!((said.code, &said.out), (1, &format!("{}\n", lines.join("\n"))), "{said:?}");
        assert!(said.err.contains(part), "{said:?}");
        assert_eq!(script.sizes(), sizes);
    }
}

#[tokio::test]
async fn who_names_nothing_or_something_else_sends_nothing() {
    let known = ids(1);
    for (arguments, part) in [
        (&["-"][..], "standard input names no message"),
        (&[], "<IDS>"),
        (&[&known[0], "order-1"], r#""order-1" must be msg_"#),
        (&["order-1", &known[0], "--sender-id", "tests"], "leave --sender-id out"),
        (&[&known[0], "--per-request", "101"], "1..=100"),
        (&[&known[0], "--per-request", "0"], "1..=100"),
    ] {
        let (script, command) = Script::start(&[Told::Each(&[])], arguments).await;
        let said = run(command).await;
        assert_eq!((said.code, said.err.contains(part)), (2, true), "{arguments:?} {said:?}");
        assert_eq!(script.sizes(), [0; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_ends_with_the_request_at_hand() {
    let ids = ids(3);
    let told = [Told::Each(&[]), Told::Held];
    let arguments = [&["--per-request", "1"], &texts(&ids)[..]].concat();
    let (script, command) = Script::start(&told, &arguments).await;
    let is_let_go = script.is_let_go.clone();
    let let_go = move || {
        is_let_go.send_replace(true);
    };
    let said = interrupted(command, let_go).await;
    assert_eq!((said.code, said.out.lines().last()), (130, Some("2 cancelled")), "{said:?}");
    assert!(said.err.starts_with("relay: finishing what is at hand"), "{said:?}");
    assert_eq!(script.sizes(), [1, 1], "the third is not begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_waits_for_no_other_try() {
    let ids = ids(2);
    let (script, command) = Script::start(&[Told::EachAndWait(&[200, 503])], &texts(&ids)).await;
    let began_at = Instant::now();
    let said = interrupted(command, || ()).await;
    assert!(began_at.elapsed() < WITHOUT_WAIT_MAX, "{:?} {said:?}", began_at.elapsed());
    let lines = [
        format!("{}: cancelled", ids[0]),
        format!("{}: cancelling failed: says why", ids[1]),
        "1 cancelled, 1 failed".to_owned(),
    ];
    assert_eq!((said.code, said.out), (130, format!("{}\n", lines.join("\n"))), "{}", said.err);
    assert_eq!(script.sizes(), [2], "the second is not asked for again");
}
