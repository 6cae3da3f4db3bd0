//! Metrics on their way out of the functions: before the answer, so that nothing counted is lost with a process.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Client, Launch, SOON, message, signal, until};

/// What a metric of a function adds up to, over all minutes; none as long as there is none.
async fn sum(client: &Client, function: &str, name: &str) -> Option<u64> {
    let all = client.get("/_local/metrics").await.json;
    let ours = |series: &&Value| {
        series["name"] == name && series["dimensions"]["FunctionName"] == function
    };
    let minutes = all.as_array()?.iter().find(ours)?["minutes"].as_array()?.iter();
    let pairs = minutes.flat_map(|minute| {
        let numbers =
            |key: &str| minute[key].as_array().into_iter().flatten().filter_map(Value::as_u64);
        numbers("values").zip(numbers("counts")).collect::<Vec<_>>()
    });
    Some(pairs.map(|(value, times)| value * times).sum())
}

async fn prometheus(client: &Client) -> String {
    let response = client.request(Method::GET, "/metrics").send().await.expect("it answers");
    response.text().await.expect("it answers in text")
}

#[tokio::test]
async fn f30_what_a_function_counted_outlives_it() {
    const KILLS: u64 = 3;
    let stack = Launch::new("killed-after-its-answer").start();
    let client = Client::of(&stack);
    let target = stack.target("/demo/ok");
    for _ in 0..KILLS {
        client.accept(&message("counted", &target)).await;
        for environment in client.environments().await {
            if environment.function == "ingest" {
                assert!(signal(environment.pid, "KILL"));
            }
        }
        until("no ingest", SOON, async || {
            let left = client.environments().await;
            left.iter().all(|one| one.function != "ingest").then_some(())
        })
        .await;
    }
    let function = "relay-local-IngestFunction";
    until("every count", SOON, async || {
        (sum(&client, function, "Accepted").await == Some(KILLS)).then_some(())
    })
    .await;
    assert_eq!(sum(&client, function, "AcceptMilliseconds").await.map(|_| ()), Some(()));
    let cold_starts = sum(&client, function, "ColdStarts").await;
    assert_eq!(cold_starts, Some(KILLS), "each process says it once, with its first answer");
    let text = prometheus(&client).await;
    let line = format!("webhook_relay_accepted_total{{function_name=\"{function}\"}} {KILLS}\n");
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("# TYPE webhook_relay_accepted_total counter\n"), "{text}");
}

#[tokio::test]
async fn switched_off_the_functions_say_nothing_of_the_kind() {
    let stack = Launch::new("without-metrics").setting("METRICS", "off").start();
    let client = Client::of(&stack);
    let id = client.accept(&message("uncounted", &stack.target("/demo/ok"))).await;
    client.finished(&id).await;
    let text = prometheus(&client).await;
    assert!(text.contains("aws_lambda_invocations_total"), "{text}");
    assert!(!text.contains("webhook_relay_"), "{text}");
}
