//! Lean status tracking, and bodies that are not retained: what is delivered, retried, given up and redriven is the same.

use serde_json::{Value, json};

use crate::support::{Client, Launch, Queues, SOON, Stack, message, until};

/// A stack that writes down as little as it can.
fn stack(name: &str) -> Stack {
    Launch::new(name)
        .parameter("BatchWindowSeconds", "0")
        .parameter("BreakerFailuresMax", "0")
        .parameter("StatusTracking", "lean")
        .parameter("RetainBodies", "false")
        .setting("RETRY_ATTEMPTS_MAX", "2")
        .setting("RETRY_BASE_SECONDS", "0.1")
        .start()
}

/// Sends one message to each path in one request; their ids.
async fn post(client: &Client, stack: &Stack, paths: &[&str]) -> Vec<String> {
    let sent: Vec<Value> = paths
        .iter()
        .map(|path| {
            let mut sent = message("lean", &stack.target(&format!("/demo/{path}")));
            sent["body"] = json!({ "to": path });
            sent
        })
        .collect();
    let text = json!({ "messages": sent }).to_string();
    let answer = client.post_text("/v1/messages/bulk", text).await;
    assert_eq!((answer.status, &answer.json["accepted"]), (207, &json!(paths.len())), "{answer:?}");
    let results = answer.json["results"].as_array().unwrap();
    results.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect()
}

async fn ended(client: &Client, id: &str) -> (String, u64, usize) {
    let shown = client.finished(id).await;
    let calls = client.received(id).await.len();
    (shown["status"].as_str().unwrap().to_owned(), shown["attempts"].as_u64().unwrap(), calls)
}

#[tokio::test]
async fn f22_lean_and_unretained_messages_are_delivered_retried_buried_and_redriven() {
    let stack = stack("lean");
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    let paths = ["ok", "flaky/1", "status/410", "flaky/2"];
    let ids = post(&client, &stack, &paths).await;
    let expected = [("DELIVERED", 1, 1), ("DELIVERED", 2, 2), ("DEAD", 1, 1), ("DEAD", 2, 2)];
    for (id, (status, attempts, calls)) in ids.iter().zip(expected) {
        assert_eq!(ended(&client, id).await, (status.to_owned(), attempts, calls), "{id}");
    }
    queues.drained().await;
    assert_eq!(queues.dead_letter_count().await, 2);

    // The first is gone with its delivery: neither shown nor sent again.
    let shown = client.get(&format!("/v1/messages/{}?include=body", ids[0])).await;
    assert_eq!((shown.status, shown.json.get("body")), (200, None), "{shown:?}");
    let resend = client.post_text(&format!("/v1/messages/{}/resend", ids[0]), "").await;
    let code = &resend.json["code"];
    assert_eq!((resend.status, code), (409, &json!("STATE_CONFLICT")), "{resend:?}");

    // What died kept its body.
    let redriven = client.post_text(&format!("/v1/messages/{}/redrive", ids[3]), "").await;
    assert_eq!(redriven.status, 202, "{redriven:?}");
    let shown = until("DELIVERED in generation 1", SOON, async || {
        let shown = client.show(&ids[3]).await;
        (shown["status"] == "DELIVERED").then_some(shown)
    })
    .await;
    assert_eq!((&shown["generation"], &shown["attempts"]), (&json!(1), &json!(1)), "{shown}");
    let received = client.received(&ids[3]).await;
    assert_eq!(received.len(), 3);
    let body = json!({ "to": paths[3] }).to_string().into_bytes();
    assert!(received.iter().all(|call| call.body() == body), "the same bytes each time");
}
