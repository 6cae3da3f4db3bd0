//! Bodies that are uploaded before their message: announced, held to what was announced, delivered.

use data_encoding::HEXLOWER;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

use crate::first_message::signature;
use crate::support::{Answer, Client, Random, alone, shared, unique};

/// The large upload.
const LARGE_BYTES: usize = 50 << 20;
/// How long it may take on a machine that is busy: it is hashed, copied, hashed and sent, unoptimised.
const LARGE_WITHIN: Duration = Duration::from_secs(120);

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

async fn announce(client: &Client, bytes: &[u8]) -> Value {
    let announcement = json!({ "bytes": bytes.len(), "sha256": hash(bytes) });
    let answer = client.post_text("/v1/uploads", announcement.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json
}

/// Sends bytes through the link of an announced upload; the status.
async fn upload(client: &Client, upload: &Value, bytes: Vec<u8>) -> u16 {
    assert_eq!(upload["method"], "PUT");
    let mut request = client.request(Method::PUT, upload["url"].as_str().unwrap());
    for (name, value) in upload["headers"].as_object().unwrap() {
        // The client writes it itself, from the bytes.
        if !name.eq_ignore_ascii_case("content-length") {
            request = request.header(name, value.as_str().unwrap());
        }
    }
    let request = request.timeout(LARGE_WITHIN).body(bytes);
    request.send().await.map_or(0, |response| response.status().as_u16())
}

async fn post(client: &Client, sender: &str, target: &str, upload_id: &Value) -> Answer {
    let message = json!({
        "messageId": unique("upload"), "senderId": sender, "targetUrl": target,
        "payload": { "uploadId": upload_id },
    });
    client.post(&message).await
}

#[tokio::test]
async fn fifty_megabytes_arrive_byte_for_byte_and_signed() {
    let _alone = alone().await;
    let stack = shared();
    let client = Client::of(stack);
    let bytes = Random::seeded(50).bytes(LARGE_BYTES);
    let announced = announce(&client, &bytes).await;
    assert_eq!(upload(&client, &announced, bytes.clone()).await, 200);
    let answer = post(&client, "billing", &stack.target("/demo/ok"), &announced["uploadId"]).await;
    let id = answer.accepted();
    let shown = client.finished_within(&id, LARGE_WITHIN).await;
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("DELIVERED"), &json!(1)), "{shown}");
    let received = client.received(&id).await;
    assert_eq!(received[0].body_bytes, LARGE_BYTES as u64);
    assert_eq!(received[0].body_sha256, hash(&bytes));
    assert_eq!(received[0].header("content-length"), Some(&*LARGE_BYTES.to_string()));
    assert_eq!(received[0].header("content-type"), Some("application/octet-stream"));
    let expected = signature(&received[0], &bytes);
    assert_eq!(received[0].header("webhook-signature"), Some(&*expected));
    let shown = client.get(&format!("/v1/messages/{id}?include=body")).await.json;
    let downloaded = client.download(shown["bodyUrl"].as_str().unwrap()).await;
    assert!(downloaded == bytes, "the download is what was uploaded");
}

#[tokio::test]
async fn an_upload_is_held_to_what_was_announced() {
    let stack = shared();
    let client = Client::of(stack);
    let target = stack.target("/demo/ok");
    let announced_bytes = b"what was announced".to_vec();
    let announced = announce(&client, &announced_bytes).await;
    for (name, wrong) in [
        ("other bytes", b"not was announced!".to_vec()),
        ("fewer", b"what was announce".to_vec()),
        ("more", b"what was announced and more".to_vec()),
        ("none", Vec::new()),
    ] {
        let status = upload(&client, &announced, wrong).await;
        assert!((400..500).contains(&status), "{name}: {status}");
    }
    let answer = post(&client, "tests", &target, &announced["uploadId"]).await;
    assert_eq!((answer.status, answer.pointers()), (400, vec!["/payload/uploadId"]), "{answer:?}");

    assert_eq!(upload(&client, &announced, announced_bytes.clone()).await, 200);
    let id = post(&client, "tests", &target, &announced["uploadId"]).await.accepted();
    assert_eq!(client.finished(&id).await["status"], "DELIVERED");
    assert_eq!(client.received(&id).await[0].body(), announced_bytes);
}

#[tokio::test]
async fn one_upload_serves_several_messages_and_a_repeated_one() {
    let stack = shared();
    let client = Client::of(stack);
    let target = stack.target("/demo/ok");
    let bytes = Random::seeded(1).bytes(300_000);
    let announced = announce(&client, &bytes).await;
    assert_eq!(upload(&client, &announced, bytes.clone()).await, 200);
    let message = json!({
        "messageId": unique("twice"), "senderId": "tests", "targetUrl": target,
        "payload": { "uploadId": announced["uploadId"] },
    });
    let first = client.accept(&message).await;
    let again = client.post(&message).await;
    assert_eq!((again.status, &again.json["duplicate"]), (200, &json!(true)), "{again:?}");
    let second = post(&client, "tests", &target, &announced["uploadId"]).await.accepted();
    for id in [first, second] {
        assert_eq!(client.finished(&id).await["status"], "DELIVERED");
        let received = client.received(&id).await;
        assert_eq!((received.len(), &received[0].body_sha256), (1, &hash(&bytes)));
    }
}

#[tokio::test]
async fn what_is_no_upload_is_refused_by_field() {
    let stack = shared();
    let client = Client::of(stack);
    let target = stack.target("/demo/ok");
    let never_sent = announce(&client, b"never sent").await;
    for id in [&never_sent["uploadId"], &json!("upl_aaaa"), &json!("../../payloads/x"), &json!(7)] {
        let answer = post(&client, "tests", &target, id).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec!["/payload/uploadId"]), "{id}");
    }
    let hash = hash(b"x");
    for (text, status, pointers) in [
        ("{}".to_owned(), 400, vec!["/bytes", "/sha256"]),
        (json!({"bytes": 0, "sha256": hash}).to_string(), 400, vec!["/bytes"]),
        (json!({"bytes": "1", "sha256": "00"}).to_string(), 400, vec!["/bytes", "/sha256"]),
        (json!({"bytes": 1, "sha256": hash, "size": 1}).to_string(), 400, vec!["/size"]),
        (json!({"bytes": (100 << 20) + 1, "sha256": hash}).to_string(), 413, vec!["/bytes"]),
    ] {
        let answer = client.post_text("/v1/uploads", text.clone()).await;
        assert_eq!((answer.status, answer.pointers()), (status, pointers), "{text}");
    }
}
