//! Many messages in one request: each is answered for itself, in order, and arrives once.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Answer, Client, SOON, Stack, message, shared, until};

/// Most messages that one request may have.
const BULK_MAX: usize = 100;
/// Too large for the queue: it goes by the bucket.
const LARGE_BYTES: usize = 300 * 1024;
/// Kept in the bucket, and carried by the queue.
const MIDDLE_BYTES: usize = 20 * 1024;

/// What an entry has to come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    New,
    /// The same as an entry before it.
    Same,
    /// Other content under the id of an entry before it.
    Other,
    Wrong,
}

async fn post(client: &Client, messages: &[Value]) -> Answer {
    client.post_text("/v1/messages/bulk", json!({ "messages": messages }).to_string()).await
}

async fn uploaded(client: &Client, target: &str, bytes: &[u8]) -> Value {
    let sha256 = HEXLOWER.encode(&Sha256::digest(bytes));
    let announcement = json!({ "bytes": bytes.len(), "sha256": sha256 });
    let upload = client.post_text("/v1/uploads", announcement.to_string()).await.json;
    let mut put = client.request(Method::PUT, upload["url"].as_str().unwrap());
    for (name, value) in upload["headers"].as_object().unwrap() {
        // The client writes it itself, from the bytes.
        if name != "content-length" {
            put = put.header(name, value.as_str().unwrap());
        }
    }
    assert_eq!(put.body(bytes.to_vec()).send().await.unwrap().status(), 200);
    let mut sent = message("bulk-upload", target);
    sent.as_object_mut().unwrap().remove("body");
    sent["payload"] = json!({ "uploadId": upload["uploadId"] });
    sent
}

/// A hundred entries of every kind, and the bytes that each new one is to deliver.
async fn mixed(stack: &Stack, client: &Client) -> Vec<(Value, Expected, Vec<u8>)> {
    let target = stack.target("/demo/ok");
    let mut entries = Vec::with_capacity(BULK_MAX);
    for number in 0..BULK_MAX - 12 {
        let mut sent = message("bulk", &target);
        let filling = match number % 20 {
            3 => LARGE_BYTES,
            7 => MIDDLE_BYTES,
            _ => number,
        };
        sent["body"] = json!({ "number": number, "text": "x".repeat(filling) });
        let bytes = sent["body"].to_string().into_bytes();
        entries.push((sent, Expected::New, bytes));
    }
    let bytes = b"by upload".to_vec();
    entries.push((uploaded(client, &target, &bytes).await, Expected::New, bytes));
    for number in 0..5 {
        let (same, ..) = entries[number * 3].clone();
        entries.push((same, Expected::Same, Vec::new()));
    }
    for number in 0..3 {
        let mut other = entries[number * 5].0.clone();
        other["body"] = json!("something else");
        entries.push((other, Expected::Other, Vec::new()));
    }
    for (name, value) in
        [("targetUrl", json!("ftp://example.com/")), ("messageId", json!("")), ("typo", json!(1))]
    {
        let mut wrong = message("bulk", &target);
        wrong[name] = value;
        entries.push((wrong, Expected::Wrong, Vec::new()));
    }
    assert_eq!(entries.len(), BULK_MAX);
    entries
}

/// Holds each result against what its entry asks for; `is_known` says that all of it was accepted before.
fn judge(answer: &Answer, entries: &[(Value, Expected, Vec<u8>)], is_known: bool) {
    assert_eq!(answer.status, 207, "{}", answer.json["detail"]);
    let results = answer.json["results"].as_array().unwrap();
    assert_eq!(results.len(), entries.len());
    let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
    for (index, ((sent, expected, _), result)) in entries.iter().zip(results).enumerate() {
        let status = match expected {
            Expected::New if is_known => 200,
            Expected::New => 202,
            Expected::Same => 200,
            Expected::Other => 422,
            Expected::Wrong => 400,
        };
        assert_eq!(result["status"], status, "entry {index}: {result}");
        *sums.entry(status).or_default() += 1;
        match expected {
            Expected::New | Expected::Same => {
                assert_eq!(result["messageId"], sent["messageId"], "entry {index}: {result}");
                assert_eq!(result["duplicate"], status == 200, "entry {index}: {result}");
            }
            Expected::Other => assert_eq!(result["problem"]["code"], "MESSAGE_ID_REUSED"),
            Expected::Wrong => {
                let pointer = result["problem"]["errors"][0]["pointer"].as_str().unwrap();
                assert!(pointer.starts_with(&format!("/messages/{index}/")), "{result}");
            }
        }
    }
    let sum = |statuses: &[u64]| -> u64 { statuses.iter().filter_map(|it| sums.get(it)).sum() };
    assert_eq!(answer.json["accepted"], sum(&[202]));
    assert_eq!(answer.json["duplicates"], sum(&[200]));
    assert_eq!(answer.json["refused"], sum(&[400, 422]));
    assert_eq!(answer.json["failed"], 0);
}

#[tokio::test]
async fn f03_f04_a_bulk_of_a_hundred_of_every_kind_arrives_once_each() {
    let stack = shared();
    let client = Client::of(stack);
    let entries = mixed(stack, &client).await;
    let sent: Vec<Value> = entries.iter().map(|(sent, ..)| sent.clone()).collect();
    let answer = post(&client, &sent).await;
    judge(&answer, &entries, false);
    let results = answer.json["results"].as_array().unwrap();
    let new =
        entries.iter().zip(results).filter(|((_, expected, _), _)| *expected == Expected::New);
    let arrivals = new.map(async |((_, _, bytes), result)| {
        let id = result["id"].as_str().unwrap();
        assert_eq!(client.finished(id).await["status"], "DELIVERED");
        let received = client.received(id).await;
        assert!(received[0].body() == *bytes, "{id} arrives changed");
        (id.to_owned(), received.len())
    });
    let counts = join_all(arrivals).await;
    assert_eq!(counts.len(), BULK_MAX - 11);
    // As a client does that did not hear the answer.
    judge(&post(&client, &sent).await, &entries, true);
    for (id, _) in counts {
        assert_eq!(client.received(&id).await.len(), 1, "{id} arrives once");
    }
}

#[tokio::test]
async fn a_bulk_that_is_none_is_refused_as_a_whole() {
    let stack = shared();
    let client = Client::of(stack);
    let one = message("bulk", &stack.target("/demo/ok"));
    let too_many = json!({ "messages": vec![one.clone(); BULK_MAX + 1] });
    let odd = json!({ "messages": [one], "more": 1 });
    for text in [too_many, odd, json!({ "messages": [] }), json!([]), json!({})] {
        let answer = client.post_text("/v1/messages/bulk", text.to_string()).await;
        let (status, code) = (answer.status, &answer.json["code"]);
        assert_eq!((status, code), (400, &json!("VALIDATION_ERROR")), "{}", answer.json);
    }
}

#[tokio::test]
async fn f22_dead_messages_are_redriven_together_and_each_is_answered() {
    let stack = shared();
    let client = Client::of(stack);
    let sent: Vec<Value> = ["flaky/3", "status/410", "ok"]
        .map(|path| message("bulk-redrive", &stack.target(&format!("/demo/{path}"))))
        .to_vec();
    let answer = post(&client, &sent).await;
    let results = answer.json["results"].as_array().unwrap();
    let mut ids: Vec<String> =
        results.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect();
    for (id, status) in ids.iter().zip(["DEAD", "DEAD", "DELIVERED"]) {
        assert_eq!(client.finished(id).await["status"], status);
    }
    ids.push(format!("msg_{}", "a".repeat(32)));
    let answer =
        client.post_text("/v1/messages/bulk/redrive", json!({ "ids": ids }).to_string()).await;
    assert_eq!(answer.status, 207, "{answer:?}");
    let results = answer.json["results"].as_array().unwrap();
    let statuses: Vec<u64> = results.iter().filter_map(|it| it["status"].as_u64()).collect();
    assert_eq!(statuses, [202, 202, 409, 404], "{}", answer.json);
    for (id, status) in ids.iter().zip(["DELIVERED", "DEAD"]) {
        let shown = until("an end in generation 1", SOON, async || {
            let shown = client.finished(id).await;
            (shown["generation"] == 1).then_some(shown)
        })
        .await;
        assert_eq!(shown["status"], status, "{shown}");
    }
}
