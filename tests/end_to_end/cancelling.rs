//! Messages that are cancelled: nothing more is sent, and nothing is buried.

use serde_json::Value;

use crate::support::{Answer, Client, Launch, Queues, SOON, message, until};

fn statuses(answer: &Answer) -> Vec<u64> {
    let results = answer.json["results"].as_array().into_iter().flatten();
    results.filter_map(|result| result["status"].as_u64()).collect()
}

#[tokio::test]
async fn f47_a_cancelled_message_is_not_tried_again_and_leaves_no_letter() {
    let stack = Launch::new("cancel")
        .parameter("BatchWindowSeconds", "0")
        .parameter("BreakerFailuresMax", "0")
        .setting("RETRY_BASE_SECONDS", "3")
        .setting("RETRY_ATTEMPTS_MAX", "5")
        .start();
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    let delivered = client.accept(&message("cancel", &stack.target("/demo/ok"))).await;
    assert_eq!(client.finished(&delivered).await["status"], "DELIVERED");
    let sent = message("cancel", &stack.target("/demo/status/503"));
    let id = client.accept(&sent).await;
    until("a retry to wait for", SOON, async || {
        (client.show(&id).await["status"] == "RETRYING").then_some(())
    })
    .await;
    let unknown = format!("msg_{}", "a".repeat(32));
    // While a worker holds it, it cannot be cancelled.
    let answer = until("an answer that it is cancelled", SOON, async || {
        let answer = client.cancel(&[&id, &delivered, &unknown]).await;
        assert_eq!(answer.status, 207, "{answer:?}");
        (statuses(&answer)[0] == 200).then_some(answer)
    })
    .await;
    assert_eq!(statuses(&answer), [200, 409, 404], "{}", answer.json);
    let calls = client.received(&id).await.len();
    let shown = client.show(&id).await;
    assert_eq!(shown["status"], "CANCELLED", "{shown}");
    // Its copy comes when the retry is due, and goes.
    queues.drained().await;
    assert_eq!(client.received(&id).await.len(), calls, "called after it was cancelled");
    assert_eq!(queues.dead_letter_count().await, 0);
    assert_eq!(statuses(&client.cancel(&[&id]).await), [200], "repeating it is harmless");
    for wish in ["redrive", "resend"] {
        let answer = client.post_text(&format!("/v1/messages/{id}/{wish}"), "").await;
        assert_eq!(answer.status, 409, "{wish}: {answer:?}");
    }
    let again = client.post(&sent).await;
    let told = (again.status, &again.json["status"]);
    assert_eq!(told, (200, &Value::from("CANCELLED")), "{again:?}");
    assert_eq!(client.show(&id).await["status"], "CANCELLED");
    assert_eq!(client.received(&id).await.len(), calls);
}
