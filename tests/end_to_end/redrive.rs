//! Dead letters moved back with the queue's own tools, and what else may turn up in the main queue.

use serde_json::{Value, json};

use crate::support::{Client, Launch, Queues, SOON, Stack, message, until};

/// A stack whose dead-letter queue is nobody else's: a move takes all of it.
fn stack(name: &str) -> Stack {
    Launch::new(name)
        .parameter("BatchWindowSeconds", "0")
        .setting("RETRY_ATTEMPTS_MAX", "2")
        .setting("RETRY_BASE_SECONDS", "0.1")
        .start()
}

fn id_of(message: &Value) -> &str {
    message["messageId"].as_str().unwrap()
}

#[tokio::test]
async fn f42_dead_letters_moved_back_by_the_queues_own_tools_are_redriven() {
    let stack = stack("redrive");
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    let recovers = message("recovers", &stack.target("/demo/flaky/2"));
    let stays_broken = message("broken", &stack.target("/demo/status/500"));
    let recovering = client.accept(&recovers).await;
    let broken = client.accept(&stays_broken).await;
    for (id, sent) in [(&recovering, &recovers), (&broken, &stays_broken)] {
        let shown = client.finished(id).await;
        assert_eq!(
            (&shown["status"], &shown["generation"]),
            (&json!("DEAD"), &json!(0)),
            "{shown}"
        );
        let letter = queues.dead_letter("messageId", id_of(sent)).await;
        assert_eq!(letter.attributes["deadLetter"], "0");
    }
    queues.redrive().await;

    let next_generation = async |id: &str| {
        until("an end in generation 1", SOON, async || {
            let shown = client.show(id).await;
            let is_final = matches!(shown["status"].as_str(), Some("DELIVERED" | "DEAD"));
            (is_final && shown["generation"] == 1).then_some(shown)
        })
        .await
    };
    let shown = next_generation(&recovering).await;
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DELIVERED"), &json!(1)), "{shown}");
    assert_eq!(client.received(&recovering).await.len(), 3, "two that failed and one that worked");
    let shown = next_generation(&broken).await;
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DEAD"), &json!(2)), "{shown}");
    let letter = queues.dead_letter("deadLetter", "1").await;
    assert_eq!(letter.attributes["messageId"], id_of(&stays_broken), "buried anew, once");
    queues.drained().await;
    assert_eq!(client.received(&broken).await.len(), 4);
}

#[tokio::test]
async fn f11_f20_a_stray_copy_of_a_message_that_is_over_is_forgotten() {
    let stack = stack("stray");
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    let sent = message("over", &stack.target("/demo/flaky/2"));
    let id = client.accept(&sent).await;
    client.finished(&id).await;
    let letter = queues.dead_letter("messageId", id_of(&sent)).await;
    // Without the deadLetter attribute it is no redrive: DEAD and buried, so there is nothing to do.
    queues.send(&letter.text, &[]).await;
    queues.drained().await;
    assert_eq!(client.show(&id).await["status"], "DEAD");
    assert_eq!(client.received(&id).await.len(), 2);

    queues.redrive().await;
    until("DELIVERED", SOON, async || {
        (client.show(&id).await["status"] == "DELIVERED").then_some(())
    })
    .await;
    // Copies of the generation before, plain or said to be a dead letter: the message moved on.
    queues.send(&letter.text, &[]).await;
    queues.send(&letter.text, &[("deadLetter", "0")]).await;
    queues.drained().await;
    let shown = client.show(&id).await;
    assert_eq!(
        (&shown["status"], &shown["generation"]),
        (&json!("DELIVERED"), &json!(1)),
        "{shown}"
    );
    assert_eq!(client.received(&id).await.len(), 3);
}

#[tokio::test]
async fn f14_f15_what_cannot_be_read_is_buried_and_what_is_newer_is_kept() {
    let stack = stack("strange");
    let (client, queues) = (Client::of(&stack), Queues::of(&stack));
    queues.send("no envelope", &[]).await;
    queues.send(r#"{"v":1000,"of":"a newer worker"}"#, &[]).await;
    let good = client.accept(&message("good", &stack.target("/demo/ok"))).await;
    let letter = queues.dead_letter("reason", "malformed").await;
    assert_eq!(letter.text, "no envelope");
    assert_eq!(client.finished(&good).await["status"], "DELIVERED", "others go their way");
    until("only the newer one", SOON, async || (queues.hidden().await == 1).then_some(())).await;
}
