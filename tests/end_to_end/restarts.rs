//! The whole program ended in every way, and started again on the same data.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use reqwest::Method;
use serde_json::Value;

use crate::crashes::{COMES_BACK_WITHIN, quick_to_recover};
use crate::support::{
    Client, Launch, OwnReceiver, Process, Random, SOON, Stack, is_running, message, ready_url,
    signal, until,
};

/// Messages posted in one run.
const MESSAGES: usize = 40;
/// How many at one time.
const CONCURRENCY: usize = 8;
/// Kills in one run.
const KILLS: usize = 3;
/// Each kill comes after so many more messages were accepted, and up to so many milliseconds later:
/// some kills hit a request, some a delivery, some neither.
const ACCEPTED_PER_KILL: usize = MESSAGES / (KILLS + 1);
const KILL_WITHIN_MILLIS: usize = 300;
/// The moments follow from this.
const SEED: u64 = 9;
/// How often a client asks again before it gives up on a relay that comes back within seconds.
const TRIES_MAX: usize = 400;

/// Posts until there is a 2xx, as every client has to.
async fn post_until_accepted(client: &Client, message: &Value) -> String {
    for _ in 0..TRIES_MAX {
        let request = client.request(Method::POST, "/message");
        let request = request.header("content-type", "application/json");
        match client.try_answer(request.body(message.to_string())).await {
            Some(answer) if (200..300).contains(&answer.status) => {
                return answer.json["id"].as_str().unwrap().to_owned();
            }
            Some(answer) => assert!(answer.status >= 500, "{answer:?}"),
            None => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{message} was not accepted");
}

/// Every process of every function.
async fn children(client: &Client) -> Vec<u32> {
    client.environments().await.iter().map(|environment| environment.pid).collect()
}

async fn all_gone(children: &[u32]) {
    until("the end of every child", SOON, async || {
        children.iter().all(|pid| !is_running(*pid)).then_some(())
    })
    .await;
}

/// Kills the stack at random moments and starts it again, each time on the same data.
async fn kill_again_and_again(mut stack: Stack, accepted: &AtomicUsize) -> Stack {
    let mut random = Random::seeded(SEED);
    for kill in 1..=KILLS {
        let enough = kill * ACCEPTED_PER_KILL;
        until("more accepted messages", COMES_BACK_WITHIN, async || {
            (accepted.load(Ordering::SeqCst) >= enough).then_some(())
        })
        .await;
        let moment = Duration::from_millis(random.below(KILL_WITHIN_MILLIS) as u64);
        // Not a wait for something to happen: the moment of the kill is what is random here.
        tokio::time::sleep(moment).await;
        let children = children(&Client::of(&stack)).await;
        stack.kill();
        all_gone(&children).await;
        let again = stack.again();
        stack = tokio::task::spawn_blocking(move || again.start()).await.unwrap();
    }
    stack
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_f10_f35_kill_9_at_any_moment_loses_no_accepted_message() {
    let receiver = OwnReceiver::start(Duration::from_millis(150)).await;
    // More attempts than kills: what is not delivered in the end was lost, not given up.
    let stack = quick_to_recover("killed")
        .setting("DESTINATION_ALLOW", &receiver.address().to_string())
        .setting("RETRY_ATTEMPTS_MAX", "10")
        .start();
    let client = Client::of(&stack);
    let messages: Vec<Value> =
        (0..MESSAGES).map(|_| message("survivor", &receiver.target())).collect();
    let accepted = AtomicUsize::new(0);
    let posting = stream::iter(&messages)
        .map(async |message| {
            let id = post_until_accepted(&client, message).await;
            accepted.fetch_add(1, Ordering::SeqCst);
            id
        })
        .buffer_unordered(CONCURRENCY)
        .collect::<Vec<String>>();
    let (ids, stack) = tokio::join!(posting, kill_again_and_again(stack, &accepted));
    assert_eq!(ids.len(), MESSAGES);
    let mut attempts = 0;
    for id in &ids {
        let shown = client.finished_within(id, COMES_BACK_WITHIN).await;
        assert_eq!(shown["status"], "DELIVERED", "{shown}");
        attempts += shown["attempts"].as_u64().unwrap();
    }
    let counts = receiver.counts();
    assert!(ids.iter().all(|id| counts.contains_key(id)), "what is DELIVERED did arrive");
    assert_eq!(counts.len(), MESSAGES, "and nothing else did");
    let arrivals: usize = counts.values().sum();
    println!("{MESSAGES} messages, {KILLS} kills: {attempts} attempts, {arrivals} arrivals");
    let children = children(&client).await;
    drop(stack);
    all_gone(&children).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_cleanly_and_keeps_what_is_in_flight() {
    let receiver = OwnReceiver::start(Duration::from_secs(1)).await;
    let mut stack = Launch::new("terminated")
        .parameter("BatchWindowSeconds", "0")
        .setting("DESTINATION_ALLOW", &receiver.address().to_string())
        .start();
    let client = Client::of(&stack);
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(client.accept(&message("in-flight", &receiver.target())).await);
    }
    until("a delivery under way", SOON, async || (!receiver.counts().is_empty()).then_some(()))
        .await;
    let children = children(&client).await;
    let status = stack.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}");
    all_gone(&children).await;

    let again = stack.again();
    let _stack = tokio::task::spawn_blocking(move || again.start()).await.unwrap();
    for id in &ids {
        let shown = client.finished_within(id, COMES_BACK_WITHIN).await;
        assert_eq!((&shown["status"], shown["attempts"].as_u64()), (&"DELIVERED".into(), Some(1)));
    }
    let counts = receiver.counts();
    assert_eq!(counts.len(), ids.len());
    assert!(counts.values().all(|count| *count == 1), "nothing was sent twice: {counts:?}");
}

#[tokio::test]
async fn f35_a_second_start_on_the_same_data_says_so_and_ends() {
    let launch = Launch::new("second");
    let stack = launch.start();
    let client = Client::of(&stack);
    let mut second = Process(launch.spawn());
    assert_eq!(ready_url(&mut second.0), None, "nothing is ready");
    assert_eq!(second.ended().await.code(), Some(1));
    let folder = launch.data_folder();
    let log = stack.log();
    let said = log.lines().find(|line| line.contains("another relay is running"));
    let said = said.unwrap_or_else(|| panic!("it does not say why:\n{log}"));
    assert!(said.contains(&folder.display().to_string()), "{said}");
    assert_eq!(client.get("/health").await.status, 200, "the first is none the worse");
}

#[tokio::test]
async fn an_ephemeral_stack_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_relay-local"));
    command.env_clear().env("TMPDIR", folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(Stdio::null()).args(["--ephemeral", "--port", "0", "--receiver-port", "0"]);
    let mut ephemeral = Process(command.spawn().unwrap());
    assert!(ready_url(&mut ephemeral.0).is_some());
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(entries(), 1, "it keeps its data where temporary things are kept");
    assert!(signal(ephemeral.0.id(), "TERM"));
    assert_eq!(ephemeral.ended().await.code(), Some(0));
    assert_eq!(entries(), 0);
}
