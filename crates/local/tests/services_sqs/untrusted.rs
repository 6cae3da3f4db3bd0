//! Requests that no SDK would send: each gets an answer or a typed error, in time, and the queues work on
//! as before.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::harness::Bench;

/// Requests with a broken body, and with a broken head.
const REQUESTS: u32 = 1500;
const RAW_REQUESTS: u32 = 400;
/// What requests are drawn from, unless `PROPTEST_RNG_SEED` says otherwise: the same in every run.
const SEED: u64 = 20_261_121;
/// No answer takes longer: none of these requests asks to wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of one answer that are read: a batch of ten messages is far smaller.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=LOCALFUZZ/20261121/us-east-1/sqs/\
                             aws4_request, SignedHeaders=host, Signature=00";

fn config(cases: u32) -> Config {
    let given = Config::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(cases, |_| given.cases);
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        chosen @ RngSeed::Fixed(_) => chosen,
    };
    Config { cases, rng_seed, failure_persistence: None, ..given }
}

/// Values that fit nowhere, or hardly. No number from 1 to 20 is among them: as a wait it would be waited
/// for.
fn odd_value() -> impl Strategy<Value = Value> {
    let odd = json!([
        null, true, 0, -1, 21, 901, 43_201, 120_001, i64::MAX, i64::MIN, u64::MAX, 0.5, 1e300, "", "x",
        "-1", "99999999999999999999", "\u{0}", "\u{fffe}", "'; DROP TABLE queues; --", "All", "../..",
        "arn:aws:sqs:us-east-1:000000000000:", "arn:::::", "http://", "/", [], [null], ["x"], [[]], {},
        {"a": null}, {"": {}}, {"a": {"DataType": "String"}}, {"a": {"DataType": "Binary", "BinaryValue": "?"}},
        {"All": "1"}, {"VisibilityTimeout": "1e9"}, {"RedrivePolicy": "{\"maxReceiveCount\":-1}"},
        {"RedrivePolicy": "[[[["}, {"DelaySeconds": "9223372036854775808"},
    ]);
    let Value::Array(odd) = odd else { unreachable!("it was written as an array") };
    prop_oneof![
        8 => prop::sample::select(odd),
        1 => ".{0,40}".prop_map(Value::from),
        1 => (1..2000_usize).prop_map(|length| Value::from("y".repeat(length))),
        1 => (1..12_usize).prop_map(|count| Value::from(vec![json!({"Id": "a", "MessageBody": "b"}); count])),
    ]
}

/// A request that is good, for each operation.
fn good_requests(
    queue: &str,
    other: &str,
    arn: &str,
    other_arn: &str,
) -> Vec<(&'static str, Value)> {
    let attribute = json!({"a": {"DataType": "Number.int", "StringValue": "1"}});
    let entry =
        json!({"Id": "a", "MessageBody": "b", "DelaySeconds": 0, "MessageAttributes": attribute});
    let handle = json!({"Id": "a", "ReceiptHandle": "c3RhbGU=", "VisibilityTimeout": 0});
    let of = |more: Value| {
        let mut request = json!({"QueueUrl": queue});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    vec![
        ("CreateQueue", json!({"QueueName": "new", "Attributes": {"VisibilityTimeout": "30"}})),
        ("GetQueueUrl", json!({"QueueName": "new"})),
        ("GetQueueAttributes", of(json!({"AttributeNames": ["All"]}))),
        ("SetQueueAttributes", of(json!({"Attributes": {"DelaySeconds": "0"}}))),
        ("ListQueues", json!({"QueueNamePrefix": "n", "MaxResults": 100, "NextToken": "a"})),
        ("ListDeadLetterSourceQueues", of(json!({}))),
        ("PurgeQueue", json!({"QueueUrl": other})),
        ("DeleteQueue", json!({"QueueUrl": other})),
        ("SendMessage", of(entry.clone())),
        ("SendMessageBatch", of(json!({"Entries": [entry]}))),
        ("ReceiveMessage", of(json!({"MaxNumberOfMessages": 10, "AttributeNames": ["All"]}))),
        ("DeleteMessage", of(handle.clone())),
        ("DeleteMessageBatch", of(json!({"Entries": [handle.clone()]}))),
        ("ChangeMessageVisibility", of(handle.clone())),
        ("ChangeMessageVisibilityBatch", of(json!({"Entries": [handle]}))),
        ("StartMessageMoveTask", json!({"SourceArn": arn, "DestinationArn": other_arn})),
        ("CancelMessageMoveTask", json!({"TaskHandle": "a"})),
        ("ListMessageMoveTasks", json!({"SourceArn": arn, "MaxResults": 1})),
    ]
}

/// What is done to a good request.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Replace(prop::sample::Index, Value),
    Remove(prop::sample::Index),
    Add(&'static str, Value),
    Splice(Vec<(usize, usize, &'static str)>),
    Deep(usize),
    Bytes(Vec<u8>),
}

/// Cuts of some bytes with something put in their place.
fn splices() -> impl Strategy<Value = Vec<(usize, usize, &'static str)>> {
    let pieces = prop::sample::select(vec![
        "",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        ",",
        ":",
        "null",
        "-",
        "e9",
        "\\ud800",
        "\u{0}",
        "\u{1f600}",
        "\r\n",
        "%",
        "\"QueueUrl\":7,",
        "//",
    ]);
    vec((any::<usize>(), 0..10_usize, pieces), 1..5)
}

fn damage() -> impl Strategy<Value = Damage> {
    let names =
        ["WaitTimeSeconds", "VisibilityTimeout", "QueueUrl", "Entries", "MessageGroupId", "x"];
    prop_oneof![
        1 => Just(Damage::None),
        8 => (any::<prop::sample::Index>(), odd_value()).prop_map(|(at, value)| Damage::Replace(at, value)),
        2 => any::<prop::sample::Index>().prop_map(Damage::Remove),
        3 => (prop::sample::select(names.to_vec()), odd_value()).prop_map(|(name, value)| Damage::Add(name, value)),
        6 => splices().prop_map(Damage::Splice),
        1 => (1..300_usize).prop_map(Damage::Deep),
        1 => vec(any::<u8>(), 0..100).prop_map(Damage::Bytes),
    ]
}

fn spliced(mut text: Vec<u8>, splices: &[(usize, usize, &'static str)]) -> Vec<u8> {
    for (at, cut, piece) in splices {
        let at = at % (text.len() + 1);
        text.splice(at..text.len().min(at + cut), piece.bytes());
    }
    text
}

/// Every place in a value, as a JSON pointer.
fn places(value: &Value, at: &str) -> Vec<String> {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, it)| (name.clone(), it)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, it)| (at.to_string(), it)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let inner = members.iter().flat_map(|(name, it)| places(it, &format!("{at}/{name}")));
    std::iter::once(at.to_owned()).chain(inner).collect()
}

fn damaged(mut request: Value, damage: &Damage) -> Vec<u8> {
    match damage {
        Damage::None => {}
        Damage::Replace(at, value) => {
            let places = places(&request, "");
            *request.pointer_mut(at.get(&places).as_str()).unwrap() = value.clone();
        }
        Damage::Remove(at) => {
            let names: Vec<_> = request.as_object().unwrap().keys().cloned().collect();
            request.as_object_mut().unwrap().remove(at.get(&names));
        }
        Damage::Add(name, value) => request[*name] = value.clone(),
        Damage::Splice(splices) => return spliced(request.to_string().into_bytes(), splices),
        Damage::Deep(depth) => {
            let deep = format!("{{\"QueueUrl\":{}{}}}", "[".repeat(*depth), "]".repeat(*depth));
            return deep.into_bytes();
        }
        Damage::Bytes(bytes) => return bytes.clone(),
    }
    request.to_string().into_bytes()
}

/// An answer of success holds an object; a refusal has the form in which the service refuses.
/// Says which of them it was.
async fn check_answer(answer: reqwest::Response) -> Result<bool, TestCaseError> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    let body: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        prop_assert!(text.starts_with('{'), "{text}");
        return Ok(true);
    }
    prop_assert!(status.is_client_error(), "{status}: {text}");
    let shape = body.get("__type").and_then(Value::as_str).unwrap_or_default();
    prop_assert!(shape.starts_with("com.amazonaws.sqs#"), "{status}: {text}");
    prop_assert!(body.get("message").is_some_and(Value::is_string), "{text}");
    let query_error = headers.get("x-amzn-query-error").map(|it| it.to_str().unwrap());
    prop_assert!(query_error.is_some_and(|it| it.ends_with(";Sender")), "{query_error:?}");
    Ok(false)
}

/// The server still does what it is for.
async fn works(bench: &Bench) {
    let url = bench.queue(&[]).await;
    let id = bench.send(&url, "still here").await;
    let message = bench.receive_one(&url).await;
    assert_eq!((message.message_id(), message.body()), (Some(&*id), Some("still here")));
    bench.delete(&url, &message).await;
    assert_eq!(bench.counts(&url).await, ["0", "0", "0"]);
}

/// Makes the queues be there, with the attributes that queues have by default.
async fn declare(bench: &Bench, urls: [&String; 2]) {
    for url in urls {
        let name = url.rsplit('/').next().unwrap();
        bench.own().server.create_queue(name, BTreeMap::new()).await.unwrap();
    }
}

fn start() -> Option<(Runtime, Bench)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::start_own_or_skip("sends what no service need survive"))?;
    Some((runtime, bench))
}

#[test]
fn whatever_is_asked_is_answered_or_refused_by_type() {
    let Some((runtime, bench)) = start() else { return };
    let (queue, other) =
        runtime.block_on(async { (bench.queue(&[]).await, bench.queue(&[]).await) });
    let requests = good_requests(&queue, &other, &bench.arn(&queue), &bench.arn(&other));
    let operations: Vec<_> = requests.iter().map(|(operation, _)| *operation).collect();
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().unwrap();
    let url = bench.own().server.url();
    let another = prop_oneof![
        12 => Just(None),
        1 => prop::sample::select(operations).prop_map(|it| Some(it.to_owned())),
        1 => "[!-~]{0,20}".prop_map(Some),
    ];
    let cases = (any::<prop::sample::Index>(), damage(), another);
    let (done, refused) = (Cell::new(0), Cell::new(0));
    let outcome = TestRunner::new(config(REQUESTS)).run(&cases, |(which, damage, another)| {
        let (operation, request) = which.get(&requests).clone();
        let target = format!("AmazonSQS.{}", another.as_deref().unwrap_or(operation));
        let call = client
            .post(&url)
            .header("x-amz-target", target)
            .header("authorization", AUTHORIZATION)
            .body(damaged(request, &damage));
        let is_done = runtime.block_on(async {
            // An earlier request may have deleted one of them, or changed how it waits.
            declare(&bench, [&queue, &other]).await;
            check_answer(call.send().await.unwrap()).await
        })?;
        let count = if is_done { &done } else { &refused };
        count.set(count.get() + 1);
        Ok(())
    });
    outcome.unwrap();
    // Requests of both kinds were among them.
    assert!(
        done.get() > refused.get() / 10 && refused.get() > done.get() / 10,
        "{done:?} {refused:?}"
    );
    runtime.block_on(works(&bench));
}

/// Sends bytes as they are and reads until the server has nothing more to say.
async fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    // A server that has heard enough may close before everything is sent, or reset what was not read.
    let sent = stream.write_all(bytes).await.is_ok() && stream.shutdown().await.is_ok();
    let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await;
    assert!(sent || read.is_err() || answer.starts_with(b"HTTP/1.1 4") || answer.is_empty());
    answer
}

#[test]
fn whatever_comes_over_a_connection_ends_in_an_answer_or_its_end() {
    let Some((runtime, bench)) = start() else { return };
    let address = bench.own().server.url().trim_start_matches("http://").to_owned();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nx-amz-target: AmazonSQS.ListQueues\r\nauthorization: {AUTHORIZATION}\r\n"
    );
    let good = [
        format!("{head}content-length: 2\r\n\r\n{{}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        "GET /_recorded HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
    ];
    let cases = prop_oneof![
        6 => (prop::sample::select(good.to_vec()), splices())
            .prop_map(|(good, splices)| spliced(good.into_bytes(), &splices)),
        1 => vec(any::<u8>(), 0..300),
        1 => prop::sample::select(good.to_vec()).prop_map(|good| good.repeat(3).into_bytes()),
    ];
    let outcome = TestRunner::new(config(RAW_REQUESTS)).run(&cases, |bytes| {
        let answer = runtime.block_on(async {
            tokio::time::timeout(ANSWER_WITHIN, exchange(&address, &bytes)).await
        });
        let Ok(answer) = answer else { return Err(TestCaseError::fail("no end to the answer")) };
        let is_http = answer.is_empty() || answer.starts_with(b"HTTP/1.");
        prop_assert!(is_http, "{}", String::from_utf8_lossy(&answer));
        prop_assert!(answer.get(9) != Some(&b'5'), "{}", String::from_utf8_lossy(&answer));
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(works(&bench));
}
