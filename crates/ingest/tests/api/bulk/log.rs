//! What the log and the metrics say of many: on-call finds each message by its ids.

use serde_json::{Value, json};

use super::{messages, post};
use crate::access::log::Lines;
use crate::counts::counted;
use crate::faults::Fault;
use crate::relay::{Relay, message_with};

fn mixed() -> Vec<Value> {
    let mut mixed = messages(3);
    mixed.push(message_with(json!({"messageId": "m-0"})));
    mixed.push(message_with(json!({"messageId": "m-0", "body": 2})));
    mixed.push(message_with(json!({"method": "BREW"})));
    mixed
}

#[tokio::test]
async fn one_line_tells_of_the_request_and_one_of_each_message() {
    let (lines, _guard) = Lines::kept();
    let relay = Relay::new();
    relay.faults.plan_after(1, "record", Fault::Before);
    post(&relay, &mixed()).await;
    let requests = lines.saying("request");
    let [request] = &requests[..] else { panic!("{requests:?}") };
    let told =
        ["status", "accepted", "duplicates", "refused", "failed"].map(|field| &request[field]);
    assert_eq!(told, [207, 2, 1, 2, 1].map(Value::from).each_ref());
    assert_eq!(request["route"], "/v1/messages/bulk");
    let ones = lines.saying("one of many");
    let told: Vec<String> = ones
        .iter()
        .map(|line| format!("{} {} {}", line["status"], line["message_id"], line["code"]))
        .collect();
    expect_test::expect![[r#"
        202 "m-0" null
        503 "m-1" "SYSTEM_ERROR"
        202 "m-2" null
        200 "m-0" null
        422 "m-0" "MESSAGE_ID_REUSED"
        400 null "VALIDATION_ERROR""#]]
    .assert_eq(&told.join("\n"));
    let first = &ones[0];
    assert!(first["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!((&first["sender_id"], &first["payload_bytes"]), (&json!("billing"), &json!(14)));
    assert_eq!((&first["duplicate"], &ones[3]["duplicate"]), (&json!(false), &json!(true)));
    let failed = &ones[1];
    assert!(failed["cause"].as_str().unwrap().contains("record failed"), "{failed}");
}

#[tokio::test]
async fn plain_success_is_told_of_the_share_that_was_asked_for_and_trouble_always() {
    let (lines, _guard) = Lines::kept();
    let relay = Relay::with(&[("LOG_SUCCESS_PERCENT", "0")]);
    post(&relay, &messages(3)).await;
    assert!(lines.saying("request").is_empty() && lines.saying("one of many").is_empty());
    post(&relay, &mixed()).await;
    assert_eq!(lines.saying("request").len(), 1);
    let codes: Vec<_> =
        lines.saying("one of many").into_iter().map(|line| line["code"].clone()).collect();
    assert_eq!(codes, ["MESSAGE_ID_REUSED", "VALIDATION_ERROR"]);
}

#[tokio::test]
async fn messages_are_counted_one_by_one_and_requests_by_what_they_were_answered() {
    let relay = Relay::new();
    relay.faults.plan_after(1, "record", Fault::Before);
    relay.faults.plan_after(0, "record", Fault::Before);
    post(&relay, &mixed()).await;
    expect_test::expect![[r#"
        Requests 1
        Accepted 1
        Duplicates 1
        PayloadBytes [14]
        RefusedSystemError 1
    "#]]
    .assert_eq(&counted(&relay));
    post(&relay, &mixed()).await;
    let samples = relay.recorder.take();
    let times = samples
        .iter()
        .filter(|(metric, _)| *metric == relay_core::metrics::Metric::AcceptMilliseconds);
    assert_eq!(times.count(), 1);
    relay.post_text(super::PATH, "{}").await;
    expect_test::expect![[r#"
        Requests 1
        RefusedValidationError 1
    "#]]
    .assert_eq(&counted(&relay));
}
