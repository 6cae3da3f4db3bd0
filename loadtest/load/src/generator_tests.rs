//! The generator against a server that answers late: what is measured must contain the whole wait.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::arguments::RunArguments;
use crate::scenario::named;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const STALL: Duration = Duration::from_millis(400);

/// Serves one request at a time, each after a stall, on connections that it then closes.
async fn stalling_server() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // All of the request is read, or closing the connection would tear the answer down.
            let mut request = Vec::new();
            while !request.ends_with(b"\"}") && stream.read_buf(&mut request).await.unwrap_or(0) > 0
            {
            }
            tokio::time::sleep(STALL).await;
            let answer =
                b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            let _ = stream.write_all(answer).await;
        }
    });
    url
}

async fn load(rate: f64, seconds: f64, bound: u32) -> Arc<Run> {
    let arguments =
        RunArguments { rate: Some(rate), seconds: Some(seconds), ..RunArguments::default() };
    let plan = Plan::of(named("steady").unwrap(), &arguments).unwrap();
    let run = Arc::new(Run {
        content: Content::of(&plan, 1),
        tally: Tally::of(plan.messages()).unwrap(),
        plan,
        origin: Instant::now(),
    });
    let url = stalling_server().await;
    let nowhere = "http://127.0.0.1:9/sound".to_owned();
    let targets = Targets { sound: nowhere.clone(), slow: nowhere.clone(), dead: nowhere };
    let client = Client::of(&url, None).unwrap();
    let generator = Generator { run: Arc::clone(&run), client, targets: Arc::new(targets) };
    let places = Arc::new(Semaphore::new(bound as usize));
    generator.follow(&places).await;
    Generator::drain(&places, bound).await;
    run
}

#[tokio::test]
async fn a_stall_is_in_the_latency_of_everything_that_was_due_during_it() {
    // Four are due within 150 ms, and the server takes one every 400 ms: they take 400, 750, 1100 and 1450 ms, where
    // a generator that waited for answers, or counted from when it sent, would find 400 ms four times.
    let run = load(20.0, 0.2, 64).await;
    let summary = run.tally.accept.summary();
    assert_eq!(summary.count, 4);
    assert!(summary.max.unwrap() >= 1400.0, "{summary:?}");
    assert!(summary.p50.unwrap() >= 740.0, "{summary:?}");
    assert_eq!(run.tally.counts(4, false).held_back, 0);
}

#[tokio::test]
async fn what_the_bound_holds_back_is_late_counted_and_not_lag() {
    // Eight are due within 700 ms. With one place the second waits until 400 ms and the third until 800 ms, when the
    // schedule is over.
    let run = load(10.0, 0.8, 1).await;
    let counts = run.tally.counts(run.plan.messages(), false);
    assert_eq!(counts.offered, 8);
    assert!((1..=2).contains(&counts.held_back), "{counts:?}");
    assert_eq!(counts.sent + counts.never_sent, 8);
    assert!(counts.never_sent >= 5, "{counts:?}");
    assert!(counts.held_back_milliseconds_max >= 290, "{counts:?}");
    // The second was due at 100 ms and answered at 800 ms at the soonest.
    assert!(run.tally.accept.summary().max.unwrap() >= 690.0);
    let lag = run.tally.lag.summary().max.unwrap();
    assert!(lag < 290.0, "{lag} ms of lag: the wait was not its own");
}
