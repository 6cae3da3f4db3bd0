//! The queue's adapter at services that answer what a test wants.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use aws_sdk_sqs::config::Credentials;
use bytes::Bytes;
use relay_core::body::Body;
use relay_core::destination::{Method, Target};
use relay_core::headers::Headers;
use relay_core::identity::{AcceptedId, CorrelationId, Generation, MessageId, RelayId, SenderId};
use relay_core::lifecycle::Life;
use relay_core::time::Timestamp;
use relay_core::trace::Given;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::Endpoints;
use crate::canned::Canned;

#[test]
fn waits_are_never_cut_short_but_by_the_limit() {
    for (millis, seconds) in [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (u64::MAX, 900)] {
        assert_eq!(whole_seconds(Duration::from_millis(millis), 900), seconds, "{millis}");
    }
}

fn envelope(target: &str) -> Envelope {
    let (sender, message) = (SenderId::parse("billing").unwrap(), MessageId::parse("1").unwrap());
    Envelope {
        id: RelayId::of(&sender, &message),
        sender_id: sender,
        message_id: message,
        life: Life {
            accepted_id: AcceptedId::from_random([1; 16]),
            generation: Generation(0),
            generation_started_at: Timestamp::from_millis(1),
            expires_at: Timestamp::from_millis(2),
        },
        target: Target::parse(target).unwrap(),
        method: Method::Post,
        headers: Headers::default(),
        correlation_id: CorrelationId::parse("c").unwrap(),
        trace: None,
        body: Body::Inline(Bytes::new()),
        retained: true,
    }
}

/// How many tries a send with this delay makes at a service that has trouble.
async fn tries(delay: Duration) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let service = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut piece = [0; 16 * 1024];
            let _ = socket.read(&mut piece).await;
            let answer = "HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    let credentials = Credentials::new("id", "key", None, None, "test");
    let loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-central-1"))
        .credentials_provider(credentials);
    let endpoints = Endpoints { sqs: Some(url.clone()), ..Endpoints::default() };
    let clients = Clients::load(loader, endpoints).await;
    let queue = SqsQueue::new(&clients, format!("{url}/1/queue"), None, Fairness::Off);
    let sent = queue.send(&envelope("https://example.com/"), delay).await;
    assert!(sent.is_err(), "{sent:?}");
    service.abort();
    tries.load(Ordering::SeqCst)
}

#[tokio::test]
async fn f36_a_copy_is_sent_in_one_try_and_a_first_message_in_several() {
    assert_eq!(tries(Duration::from_secs(30)).await, 1);
    assert_eq!(tries(Duration::ZERO).await, 3);
}

#[test]
fn group_ids_follow_the_setting_and_fit() {
    let near = envelope("https://example.com/hooks");
    assert_eq!(group_id(Fairness::Off, &near), None);
    assert_eq!(group_id(Fairness::Sender, &near).as_deref(), Some("billing"));
    let destination = group_id(Fairness::Destination, &near).unwrap();
    assert_eq!(destination, near.target.destination());
    let far = envelope(&format!("https://{}.example/", ["a".repeat(60).as_str(); 3].join(".")));
    let hashed = group_id(Fairness::Destination, &far).unwrap();
    assert!(hashed.len() <= GROUP_ID_CHARACTERS_MAX, "{hashed}");
}

/// How many entries each call had, in size, and what became of `count` envelopes at a queue that refuses an entry as
/// `refusal` says for its body and for how often the queue was asked.
async fn send_all(
    count: usize,
    refusal: impl Fn(&str, usize) -> Option<(&'static str, bool)> + Send + Sync + 'static,
) -> (Vec<Result<(), PortError>>, Vec<usize>) {
    let canned = Canned::start(move |_, arguments, asked| {
        let Some(entries) = arguments["Entries"].as_array() else {
            return (200, json!({ "MessageId": "m", "MD5OfMessageBody": "" }));
        };
        let (mut failed, mut successful) = (Vec::new(), Vec::new());
        for entry in entries {
            match refusal(entry["MessageBody"].as_str().unwrap(), asked) {
                Some(("", _)) => {}
                Some((code, fault)) => {
                    failed.push(json!({ "Id": entry["Id"], "Code": code, "SenderFault": fault }));
                }
                None => successful
                    .push(json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "" })),
            }
        }
        (200, json!({ "Failed": failed, "Successful": successful }))
    })
    .await;
    let clients = canned.clients().await;
    let queue = SqsQueue::new(&clients, canned.queue_url(), None, Fairness::Off);
    let envelopes: Vec<_> =
        (0..count).map(|number| envelope(&format!("https://{number}.example.com/"))).collect();
    let sent = queue.send_all(&envelopes).await;
    let entries = |asked: &(String, Value)| asked.1["Entries"].as_array().map_or(1, Vec::len);
    let mut entries: Vec<_> = canned.asked().iter().map(entries).collect();
    entries.sort_unstable();
    (sent, entries)
}

fn is_for(body: &str, number: usize) -> bool {
    body.contains(&format!("https://{number}.example.com/"))
}

#[tokio::test]
async fn many_envelopes_are_sent_by_a_call_for_ten() {
    for (count, calls) in [
        (0, vec![]),
        (1, vec![1]),
        (10, vec![10]),
        (11, vec![1, 10]),
        (25, vec![5, 10, 10]),
        (100, vec![10; 10]),
    ] {
        let (sent, entries) = send_all(count, |_, _| None).await;
        assert_eq!((sent, entries), (vec![Ok(()); count], calls), "{count}");
    }
}

#[tokio::test]
async fn f02_an_entry_that_the_queue_put_off_is_sent_again_alone() {
    let busy =
        |body: &str, asked| (is_for(body, 4) && asked < 2).then_some(("InternalError", false));
    let (sent, entries) = send_all(10, busy).await;
    assert_eq!((sent, entries), (vec![Ok(()); 10], vec![1, 10]));
    let (sent, entries) = send_all(10, |body, asked| {
        ((is_for(body, 4) || is_for(body, 6)) && asked < 2).then_some(("InternalError", false))
    })
    .await;
    assert_eq!((sent, entries), (vec![Ok(()); 10], vec![2, 2, 10]));
}

#[tokio::test]
async fn f02_an_entry_that_is_not_taken_fails_alone() {
    let refuse = |body: &str, _| match () {
        () if is_for(body, 1) => Some(("InvalidMessageContents", true)),
        () if is_for(body, 2) || is_for(body, 3) => Some(("InternalError", false)),
        // The answer says nothing of it.
        () if is_for(body, 5) => Some(("", false)),
        () => None,
    };
    let (sent, entries) = send_all(10, refuse).await;
    let failed: Vec<_> = (0..10).filter(|number| sent[*number].is_err()).collect();
    assert_eq!(failed, [1, 2, 3, 5], "{sent:?}");
    assert_eq!(entries, [2, 2, 10]);
    let told = sent[1].as_ref().unwrap_err().to_string();
    assert_eq!(told, "sending to the queue failed: InvalidMessageContents");
}

#[tokio::test]
async fn a_batch_carries_what_a_single_message_does() {
    let canned = Canned::start(|_, _, _| (200, json!({ "Failed": [], "Successful": [] }))).await;
    let clients = canned.clients().await;
    let queue = SqsQueue::new(&clients, canned.queue_url(), None, Fairness::Sender);
    let xray = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let given = Given { xray: Some(xray), ..Given::default() };
    let traced = envelope("https://example.com/").traced(Trace::of_request(given, [7; 16]));
    let mut sent = queue.send_all(&[traced.clone(), traced.clone()]).await;
    // The answer names neither.
    assert!(sent.pop().unwrap().is_err());
    let _ = queue.send(&traced, Duration::ZERO).await;
    let asked = canned.asked();
    let [(_, batch), (_, single)] = asked.as_slice() else { panic!("{asked:?}") };
    for part in ["MessageBody", "MessageAttributes", "MessageSystemAttributes", "MessageGroupId"] {
        assert_eq!(batch["Entries"][1][part], single[part], "{part}");
        assert!(!single[part].is_null(), "{part}");
    }
}
