//! The protocol below the SDK: error bodies and headers, unsigned calls, the record of calls.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::harness::{Bench, CALLER};

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=LOCALWIRE/20261121/us-east-1/sqs/\
                             aws4_request, SignedHeaders=host, Signature=00";

async fn post(url: &str, target: &str, body: &str, signed: bool) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client
        .post(url)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", target)
        .body(body.to_owned());
    if signed {
        request = request.header("authorization", AUTHORIZATION);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn errors_have_the_service_s_form() {
    let Some(bench) = Bench::start_own_or_skip("looks at the bytes on the wire").await else {
        return;
    };
    let url = bench.own().server.url();
    let answer = post(&url, "AmazonSQS.GetQueueUrl", r#"{"QueueName":"absent"}"#, true).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.0");
    assert!(answer.headers().contains_key("x-amzn-requestid"));
    assert_eq!(
        answer.headers()["x-amzn-query-error"],
        "AWS.SimpleQueueService.NonExistentQueue;Sender"
    );
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
    assert!(body["message"].as_str().unwrap().contains("absent"));
}

#[tokio::test]
async fn calls_that_make_no_sense_are_refused_and_never_break_the_server() {
    let Some(bench) = Bench::start_own_or_skip("looks at the bytes on the wire").await else {
        return;
    };
    let url = bench.own().server.url();
    let long = format!(r#"{{"MessageBody":"{}"}}"#, "x".repeat(9 * 1_048_576));
    for (target, body, signed, status, code) in [
        ("AmazonSQS.ListQueues", "{}", false, 403, "MissingAuthenticationToken"),
        ("AmazonSNS.Publish", "{}", true, 400, "InvalidAction"),
        ("AmazonSQS.AddPermission", "{}", true, 400, "AWS.SimpleQueueService.UnsupportedOperation"),
        ("AmazonSQS.SendMessage", "{}", true, 400, "MissingParameter"),
        ("AmazonSQS.SendMessage", "not json", true, 400, "MalformedInput"),
        ("AmazonSQS.SendMessage", r#"{"QueueUrl":7}"#, true, 400, "MalformedInput"),
        ("AmazonSQS.SendMessage", r#"{"MessageBody":"\ud800"}"#, true, 400, "MalformedInput"),
        ("AmazonSQS.SendMessage", &long, true, 413, "RequestEntityTooLarge"),
        ("AmazonSQS.ListQueues", "", true, 200, ""),
    ] {
        let answer = post(&url, target, body, signed).await;
        let shown = &body[..body.len().min(40)];
        assert_eq!(answer.status(), status, "{target} {shown}");
        let found = answer.headers().get("x-amzn-query-error").map(|v| v.to_str().unwrap());
        let expected = (!code.is_empty()).then(|| format!("{code};Sender"));
        assert_eq!(found, expected.as_deref(), "{target} {shown}");
    }
}

#[tokio::test]
async fn calls_are_noted_as_what_must_be_allowed() {
    let Some(bench) = Bench::start_own_or_skip("looks at the record of calls").await else {
        return;
    };
    let (url, dead) = bench.queue_with_dead_letters(1).await;
    let entry = SendMessageBatchRequestEntry::builder().id("a").message_body("x");
    let batch = bench.client.send_message_batch().queue_url(&url);
    batch.entries(entry.build().unwrap()).send().await.unwrap();
    let message = bench.receive_one(&url).await;
    bench.delete(&url, &message).await;
    let start = bench.client.start_message_move_task().source_arn(bench.arn(&dead));
    start.destination_arn(bench.arn(&url)).send().await.unwrap();
    let noted = bench.own().recorder.snapshot();
    let (queue, dead) = (url.rsplit('/').next().unwrap(), dead.rsplit('/').next().unwrap());
    for (action, resource) in [
        ("sqs:SendMessage", queue),
        ("sqs:ReceiveMessage", queue),
        ("sqs:DeleteMessage", queue),
        ("sqs:StartMessageMoveTask", dead),
        ("sqs:ReceiveMessage", dead),
    ] {
        let is_noted = |call: &relay_local::services::record::Call| {
            call.caller == CALLER && call.action == action && call.resource == resource
        };
        assert!(noted.iter().any(is_noted), "{action} {resource} in {noted:?}");
    }
    assert!(!noted.iter().any(|call| call.action.ends_with("Batch")), "{noted:?}");
    let record_url = format!("{}/_recorded", bench.own().server.url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let served: serde_json::Value =
        client.get(record_url).send().await.unwrap().json().await.unwrap();
    assert_eq!(served, serde_json::json!(noted));
}
