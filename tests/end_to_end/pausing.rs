//! Delivery that is paused by the parameter for it: messages are accepted and kept, and go out once it is over.

use std::time::Duration;

use crate::support::{Client, Launch, Queues, message};

/// How long the paused relay is watched. With no batching window a running one delivers in a small part of it.
const WATCHED: Duration = Duration::from_secs(3);

#[tokio::test]
async fn what_is_accepted_during_a_pause_is_delivered_after_it() {
    let launch = Launch::new("paused").parameter("BatchWindowSeconds", "0");
    let mut paused = launch.clone().parameter("DeliveryEnabled", "false").start();
    let client = Client::of(&paused);
    // The relay after this one has the same addresses, the receiver's too.
    let id = client.accept(&message("paused", &paused.target("/demo/ok"))).await;
    // Not a wait for something to happen: that nothing does is what is watched.
    tokio::time::sleep(WATCHED).await;
    assert_eq!(client.show(&id).await["status"], "QUEUED");
    assert_eq!(client.received(&id).await.len(), 0);
    assert!(client.busy("worker").await.is_empty());
    assert!(paused.log().contains("delivery is paused"), "whoever forgot about it is told");

    let again = launch.ports_of(&paused);
    paused.kill();
    let running = tokio::task::spawn_blocking(move || again.start()).await.unwrap();
    let client = Client::of(&running);
    assert_eq!(client.finished(&id).await["status"], "DELIVERED");
    assert_eq!(client.received(&id).await.len(), 1);
    Queues::of(&running).drained().await;
}
