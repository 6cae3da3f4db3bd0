//! A thousand random and mutated requests: none is answered with a 5xx, none makes anything panic.
//!
//! The host of a target is never mutated: a changed digit could name a public address.

use futures::StreamExt;
use futures::stream;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Client, Random, alone, message, shared, unique};

/// How many requests are made.
const REQUESTS: usize = 1000;
/// How many at one time.
const CONCURRENCY: usize = 8;
/// The numbers follow from this; a failure is repeated by it.
const SEED: u64 = 20_261_121;

/// Texts that parsers have stumbled over.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1e400",
    "-0",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "\u{fffe}",
    "\u{1f600}",
    "\u{202e}",
    "\r\n\r\n",
    "%00",
    "../",
    "__proto__",
    "$ref",
    "99999999999999999999",
    "é",
];

const FIELDS: [&str; 10] = [
    "messageId",
    "senderId",
    "timestamp",
    "method",
    "headers",
    "body",
    "bodyEncoding",
    "payload",
    "uploadId",
    "unknown",
];

const PATHS: [&str; 8] = [
    "/message",
    "/v1/messages",
    "/v1/messages/",
    "/v1/uploads",
    "/health",
    "/health/ready",
    "/openapi.json",
    "/",
];

/// Any JSON value, not too deep.
fn any_json(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(i64::from_le_bytes(random.next().to_le_bytes())),
        3 => json!(f64::from_bits(random.next())),
        4 => json!(any_text(random)),
        5 => json!(""),
        6 => (0..random.below(4)).map(|_| any_json(random, depth - 1)).collect(),
        _ => {
            let pairs =
                (0..random.below(4)).map(|_| (any_text(random), any_json(random, depth - 1)));
            Value::Object(pairs.collect())
        }
    }
}

fn any_text(random: &mut Random) -> String {
    (0..random.below(6)).map(|_| random.pick(&PIECES)).collect()
}

/// Changes a few bytes: one is flipped, some are removed, doubled or put in.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(2) {
        let at = random.below(bytes.len() + 1);
        let end = bytes.len().min(at + random.below(12));
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec()).count()),
            3 => drop(bytes.splice(at..at, random.pick(&PIECES).bytes()).count()),
            _ => bytes.truncate(at.max(1)),
        }
    }
}

/// A message of which everything but the target was mutated, as bytes.
fn mutated_text(random: &mut Random, target: &str) -> Vec<u8> {
    let mut before = format!(
        r#"{{"messageId":"{}","senderId":"tests","method":"POST","headers":{{"x-a":"1"}},"#,
        unique("mutated")
    )
    .into_bytes();
    let mut after = br#","timestamp":"2026-11-21T05:00:00Z","body":{"a":[1,2.50,"x"]}}"#.to_vec();
    match random.below(3) {
        0 => mutate(random, &mut before),
        1 => mutate(random, &mut after),
        _ => {
            mutate(random, &mut before);
            mutate(random, &mut after);
        }
    }
    [before, format!("\"targetUrl\":\"{target}\"").into_bytes(), after].concat()
}

/// A message some of whose fields are any JSON, or whose target has any path.
fn mutated_fields(random: &mut Random, target: &str) -> Vec<u8> {
    let mut changed = message("random", target);
    // A body may be anything: such messages are taken, and show what the rest of the way does.
    changed["body"] = any_json(random, 5);
    for _ in 0..random.below(3) {
        changed[random.pick(&FIELDS)] = any_json(random, 3);
    }
    if random.below(3) == 0 {
        changed["targetUrl"] = json!(format!("{target}/{}", any_text(random)));
    }
    changed.to_string().into_bytes()
}

fn any_request(random: &mut Random, client: &Client, target: &str) -> RequestBuilder {
    let json = |request: RequestBuilder| request.header("content-type", "application/json");
    match random.below(10) {
        0..=3 => json(client.request(Method::POST, "/message")).body(mutated_text(random, target)),
        4..=6 => {
            json(client.request(Method::POST, "/v1/messages")).body(mutated_fields(random, target))
        }
        7 => {
            let count = random.below(300);
            let bytes = random.bytes(count);
            json(client.request(Method::POST, random.pick(&PATHS[..]))).body(bytes)
        }
        8 => {
            let announcement = json!({
                "bytes": any_json(random, 1), "sha256": any_text(random), "x": any_json(random, 1),
            });
            json(client.request(Method::POST, "/v1/uploads")).body(announcement.to_string())
        }
        _ => {
            let escape = |byte: u8| format!("%{byte:02x}");
            let tail: String = random.bytes(6).into_iter().map(escape).collect();
            let method = random.pick(&["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);
            let path = format!("{}{tail}?include={tail}&{tail}", random.pick(&PATHS));
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let value: String = random
                .bytes(6)
                .into_iter()
                .map(|byte| char::from(byte | 0x20))
                .filter(char::is_ascii_graphic)
                .collect();
            client.request(method, &path).header("x-correlation-id", value)
        }
    }
}

#[tokio::test]
async fn a_thousand_random_requests_make_no_5xx_and_no_panic() {
    let _alone = alone().await;
    let stack = shared();
    let client = Client::of(stack);
    let mut random = Random::seeded(SEED);
    let target = stack.target("/demo/ok");
    let requests: Vec<RequestBuilder> =
        (0..REQUESTS).map(|_| any_request(&mut random, &client, &target)).collect();
    let client = &client;
    let statuses: Vec<u16> = stream::iter(requests.into_iter().enumerate())
        .map(async |(number, request)| {
            let shown = format!("request {number}: {request:?}");
            let answer = client.answer(request).await;
            assert!((200..500).contains(&answer.status), "{shown}: {answer:?}");
            let in_the_gateway = answer.json.get("message").is_some() || answer.status == 204;
            let is_problem = answer.header("content-type") == "application/problem+json";
            assert!(answer.status < 400 || is_problem || in_the_gateway, "{shown}: {answer:?}");
            answer.status
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let of = |range: std::ops::Range<u16>| statuses.iter().filter(|s| range.contains(s)).count();
    let (good, bad) = (of(200..300), of(400..500));
    println!("{good} were taken, {bad} refused");
    assert!(good >= REQUESTS / 20 && bad >= REQUESTS / 2, "{good} taken, {bad} refused");
    let log = stack.log();
    assert!(!log.contains("panicked"), "{log}");
    let after = client.accept(&message("after", &target)).await;
    assert_eq!(client.finished(&after).await["status"], "DELIVERED");
}
