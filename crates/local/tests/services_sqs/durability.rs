//! What is kept when the server ends, in good order or not.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use crate::harness::{Bench, START_MILLIS, client, system};
use relay_local::sqs::TurnableClock;

const OPENS_FILE: &str = "opens the database file again";

async fn open(path: &Path, clock: &TurnableClock) -> Option<Bench> {
    Bench::start_own_or_skip(OPENS_FILE).await?;
    Some(Bench::start_own(Some(path.to_owned()), clock.clone()).await)
}

#[tokio::test]
async fn everything_is_there_after_a_restart_on_another_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sqs.sqlite");
    let clock = TurnableClock::at(START_MILLIS);
    let Some(first) = open(&path, &clock).await else { return };
    let url = first.queue(&[(QueueAttributeName::VisibilityTimeout, "120")]).await;
    first.send(&url, "in flight").await;
    let in_flight = first.receive_one(&url).await;
    first.send(&url, "waiting").await;
    let send = first.client.send_message().queue_url(&url).message_body("delayed");
    send.delay_seconds(60).send().await.unwrap();
    first.own.unwrap().server.shutdown().await;

    let second = open(&path, &clock).await.unwrap();
    assert_eq!(second.counts(&url).await, ["1", "1", "1"], "found by name, whatever the port");
    assert_eq!(second.attributes(&url).await["VisibilityTimeout"], "120");
    assert_eq!(second.receive_one(&url).await.body(), Some("waiting"));
    second.delete(&url, &in_flight).await;
    second.advance_seconds(60);
    assert_eq!(second.receive_one(&url).await.body(), Some("delayed"));
    second.advance_seconds(60);
    let again = second.receive_one(&url).await;
    assert_eq!(again.body(), Some("waiting"));
    assert_eq!(system(&again, MessageSystemAttributeName::ApproximateReceiveCount), Some("2"));
}

#[tokio::test]
async fn a_move_task_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sqs.sqlite");
    let clock = TurnableClock::at(START_MILLIS);
    let Some(first) = open(&path, &clock).await else { return };
    let (url, dead) = first.queue_with_dead_letters(1).await;
    for number in 0..3 {
        first.send(&dead, &number.to_string()).await;
    }
    let start = first.client.start_message_move_task().source_arn(first.arn(&dead));
    let start = start.destination_arn(first.arn(&url)).max_number_of_messages_per_second(1);
    start.send().await.unwrap();
    first.own.unwrap().server.shutdown().await;

    let second = open(&path, &clock).await.unwrap();
    let started = Instant::now();
    while second.counts(&url).await[0] != "3" {
        assert!(started.elapsed() < Duration::from_secs(10), "the task does not go on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(second.counts(&dead).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn a_shutdown_ends_long_polls_at_once() {
    let Some(bench) = Bench::start_own_or_skip("shuts the server down").await else { return };
    let url = bench.queue(&[]).await;
    let started = Instant::now();
    let poll = bench.receiving(&url).wait_time_seconds(20).send();
    let server = bench.own.unwrap().server;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.shutdown().await;
    };
    let (answer, ()) = tokio::join!(poll, stop);
    assert!(answer.unwrap().messages().is_empty());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// Names the database file to the child process of the test below.
const CHILD_DATABASE: &str = "SQS_TEST_CHILD_DATABASE";
/// What the child writes before its address.
const CHILD_READY: &str = "child serves ";

/// Not a check of its own: the server that the next test kills.
#[tokio::test]
async fn serve_until_killed() {
    let Ok(path) = std::env::var(CHILD_DATABASE) else { return };
    let bench = Bench::start_own(Some(path.into()), TurnableClock::at(START_MILLIS)).await;
    println!("{CHILD_READY}{}", bench.own().server.url());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn killing_the_process_loses_nothing_that_was_acknowledged() {
    if Bench::start_own_or_skip("kills its own server").await.is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sqs.sqlite");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::serve_until_killed", "--nocapture"])
        .env(CHILD_DATABASE, &path)
        .env_remove("SQS_CONFORMANCE_ENDPOINT")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once(CHILD_READY).map(|(_, url)| url.trim().to_owned()));
    let client = client(&url.expect("the child serves"));
    let queue = client.create_queue().queue_name("kept").send().await.unwrap().queue_url.unwrap();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..8 {
        let (client, queue) = (client.clone(), queue.clone());
        senders.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let body = format!("{sender}-{number}");
                let send = client.send_message().queue_url(&queue).message_body(&body).send();
                if send.await.is_err() {
                    break;
                }
                acknowledged.push(body);
            }
            acknowledged
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let acknowledged: BTreeSet<String> = senders.join_all().await.into_iter().flatten().collect();
    assert!(!acknowledged.is_empty());

    let bench = Bench::start_own(Some(path), TurnableClock::at(START_MILLIS)).await;
    let mut kept = BTreeSet::new();
    loop {
        let messages = bench.receive(&queue).await;
        if messages.is_empty() {
            break;
        }
        kept.extend(messages.into_iter().filter_map(|message| message.body));
    }
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    eprintln!("{} acknowledged before the kill, {} kept", acknowledged.len(), kept.len());
}
