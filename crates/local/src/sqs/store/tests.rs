//! What cannot be brought about through the API in reasonable time: a hundred and twenty thousand
//! messages in flight, a full disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use rusqlite::params;

use super::{Identity, ReceiveRequest, Store};
use crate::sqs::error::SqsError;
use crate::sqs::limits;
use crate::sqs::message::{MessageInput, NewMessage};
use crate::sqs::writer::Writer;

fn store() -> Store {
    let identity = Identity { region: "us-east-1".to_owned(), account: "000000000000".to_owned() };
    let store = Store::open(None, identity).unwrap();
    store.create_queue("q", &BTreeMap::new(), 0).unwrap();
    store
}

fn message(body: &str) -> NewMessage {
    let input: MessageInput =
        serde_json::from_value(serde_json::json!({ "MessageBody": body })).unwrap();
    input.check("AKID").unwrap()
}

fn receive(store: &Store) -> super::ReceiveOutcome {
    let request =
        ReceiveRequest { queue: "q".to_owned(), messages_max: 10, visibility_seconds: None };
    store.receive(&request, 0).unwrap()
}

#[test]
fn no_more_than_the_limit_are_in_flight() {
    let store = store();
    let hidden = limits::IN_FLIGHT_MESSAGES_MAX - 1;
    store
        .connection
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO messages (queue, message_id, sender_id, sent_at, visible_at, received,
                                   attributes, body)
             SELECT 'q', i, 'a', 0, 1000, 1, '{}', 'x' FROM n",
            params![hidden],
        )
        .unwrap();
    let queue = store.queue("q").unwrap();
    for _ in 0..2 {
        store.send(&queue, &message("x"), 0).unwrap();
    }
    let last = receive(&store);
    assert_eq!((last.messages.len(), last.is_over_limit), (1, false));
    let over = receive(&store);
    assert_eq!((over.messages.len(), over.is_over_limit), (0, true));
    store.delete_message(&queue, &last.messages[0].handle).unwrap();
    assert_eq!(receive(&store).messages.len(), 1);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_the_server_goes_on() {
    let store = store();
    let pages: i64 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    store.connection.pragma_update(None, "max_page_count", pages + 40).unwrap();
    let (writer, thread) = Writer::start(store).unwrap();
    let body = "x".repeat(10_000);
    let send =
        |body: String| writer.run(move |store| store.send(&store.queue("q")?, &message(&body), 0));
    let sends = futures::future::join_all((0..40).map(|_| send(body.clone()))).await;
    assert!(sends.iter().all(|sent| matches!(sent, Ok(_) | Err(SqsError::Store(_)))));
    assert!(sends.iter().any(Result::is_err), "the disk did not fill");
    let kept = || writer.run(|store| Ok(store.count("q", 0)?.1.visible));
    let acknowledged = sends.iter().filter(|sent| sent.is_ok()).count();
    assert_eq!(usize::try_from(kept().await.unwrap()).unwrap(), acknowledged);
    writer.run(|store| store.purge_queue("q", 0)).await.unwrap();
    send("there is room again".to_owned()).await.unwrap();
    assert_eq!(kept().await.unwrap(), 1);
    drop(writer);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_call_that_fails_takes_back_what_it_wrote_and_nothing_else() {
    let (writer, thread) = Writer::start(store()).unwrap();
    let send = |should_fail: bool| {
        writer.run(move |store| {
            store.send(&store.queue("q")?, &message("x"), 0)?;
            if should_fail { Err(SqsError::OverLimit) } else { Ok(()) }
        })
    };
    // Handed over together, so that they share transactions.
    let sends = futures::future::join_all((0..40).map(|number| send(number % 2 == 0))).await;
    assert_eq!(sends.iter().filter(|sent| sent.is_ok()).count(), 20);
    assert_eq!(writer.run(|store| Ok(store.count("q", 0)?.1.visible)).await.unwrap(), 20);
    drop(writer);
    thread.join().unwrap();
}

#[test]
fn released_messages_are_received_again() {
    let store = store();
    let queue = store.queue("q").unwrap();
    store.send(&queue, &message("one"), 0).unwrap();
    assert_eq!(receive(&store).messages.len(), 1);
    assert_eq!(receive(&store).messages.len(), 0);
    assert_eq!(store.release_received("q", 0).unwrap(), 1);
    assert_eq!(receive(&store).messages.len(), 1);
}
