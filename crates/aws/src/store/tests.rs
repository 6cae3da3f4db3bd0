//! What the store makes of answers that a table gives in trouble, how many calls it makes, and what its items weigh.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use relay_core::body::{Body, Pointer};
use relay_core::decide::Decision;
use relay_core::destination::{Method, Target};
use relay_core::fingerprint::Fingerprint;
use relay_core::headers::Headers;
use relay_core::identity::{
    AcceptedId, CorrelationId, Generation, LeaseId, MessageId, RelayId, SenderId,
};
use relay_core::outcome::{ANSWER_KEPT_BYTES, AttemptRecord, Outcome};
use relay_core::ports::{Lease, Settlement};
use serde_json::{Value, json};

use super::*;
use crate::canned::Canned;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_123);

fn message(number: usize, body: Body) -> Message {
    let sender_id = SenderId::parse("billing").unwrap();
    let message_id = MessageId::parse(&format!("order-{number}")).unwrap();
    let target = Target::parse("https://api.example.com/hooks/orders?version=2").unwrap();
    let headers = [("content-type", "application/json"), ("x-order", "1042")];
    let headers = Headers::parse(headers).unwrap();
    Message {
        id: RelayId::of(&sender_id, &message_id),
        sender_id,
        message_id,
        accepted_id: AcceptedId::from_random([7; 16]),
        fingerprint: Fingerprint::of(Method::Post, &target, &headers, body.sha256(), None),
        target,
        method: Method::Post,
        headers,
        body,
        timestamp: Some("2026-11-21T05:00:00.000Z".to_owned()),
        correlation_id: CorrelationId::parse("d0c4b7e8-40c1-4d54-b5c5-6a9f0f6cd3b1").unwrap(),
        created_at: NOW,
        expires_at: Timestamp::from_millis(NOW.as_millis() + 30 * 86_400_000),
    }
}

fn messages(count: usize) -> Vec<Message> {
    let body = || Body::Inline(Bytes::from_static(b"{}"));
    (0..count).map(|number| message(number, body())).collect()
}

/// The number of the message that a statement inserts.
fn number_in(statement: &Value) -> usize {
    let parameters = statement["Parameters"].as_array().unwrap().iter();
    let mut names = parameters.filter_map(|value| value["S"].as_str()?.strip_prefix("order-"));
    names.next().unwrap().parse().unwrap()
}

/// A table that answers each statement with the code that `code` has for its message and for how often it was asked.
async fn table(
    code: impl Fn(usize, usize) -> Option<&'static str> + Send + Sync + 'static,
) -> Canned {
    Canned::start(move |operation, arguments, asked| match operation {
        "batchexecutestatement" => {
            let statements = arguments["Statements"].as_array().unwrap().iter();
            let responses = statements.map(|one| match code(number_in(one), asked) {
                Some(code) => json!({ "Error": { "Code": code, "Message": "as told" } }),
                None => json!({ "TableName": "messages" }),
            });
            (200, json!({ "Responses": responses.collect::<Vec<_>>() }))
        }
        _ => (200, json!({})),
    })
    .await
}

async fn record_all(canned: &Canned, count: usize) -> Vec<Result<Recorded, PortError>> {
    let store = DynamoStore::new(&canned.clients().await, "messages");
    store.record_all(&messages(count), NOW).await
}

fn statements(asked: &(String, Value)) -> usize {
    asked.1["Statements"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn f06_a_statement_that_was_put_off_is_tried_again_alone() {
    let canned =
        table(|number, asked| (number == 3 && asked < 2).then_some("ThrottlingError")).await;
    let answers = record_all(&canned, 10).await;
    assert_eq!(answers, vec![Ok(Recorded::New); 10]);
    let asked: Vec<_> = canned.asked().iter().map(statements).collect();
    assert_eq!(asked, [10, 1, 1]);
}

#[tokio::test]
async fn f06_a_statement_that_is_put_off_for_long_fails_alone() {
    let codes = ["ProvisionedThroughputExceeded", "InternalServerError", "RequestLimitExceeded"];
    let canned = table(move |number, _| codes.get(number).copied()).await;
    let answers = record_all(&canned, 10).await;
    for (number, answer) in answers.iter().enumerate() {
        match codes.get(number) {
            Some(code) => {
                let reason = format!("{code}: as told");
                let action = "recording a message";
                assert_eq!(*answer, Err(PortError::Unavailable { action, reason }));
            }
            None => assert_eq!(*answer, Ok(Recorded::New)),
        }
    }
    assert_eq!(canned.asked().iter().map(statements).collect::<Vec<_>>(), [10, 3, 3]);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    let canned = table(|number, _| (number == 1).then_some("ValidationError")).await;
    let answers = record_all(&canned, 3).await;
    let failed: Vec<_> = answers.iter().map(Result::is_err).collect();
    assert_eq!((failed, canned.asked().len()), (vec![false, true, false], 1));
}

#[tokio::test]
async fn f06_a_call_that_fails_fails_all_that_it_was_for_and_no_more() {
    // The first call to come fails, and so does each of the SDK's own tries of it.
    let canned = Canned::start(|_, arguments, _| {
        let statements = arguments["Statements"].as_array().unwrap();
        if statements.iter().any(|one| number_in(one) == 0) {
            return (500, json!({ "__type": "InternalServerError" }));
        }
        (200, json!({ "Responses": vec![json!({ "TableName": "messages" }); statements.len()] }))
    })
    .await;
    let answers = record_all(&canned, 60).await;
    assert!(answers[..25].iter().all(Result::is_err), "{answers:?}");
    assert!(answers[25..].iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn a_call_that_is_refused_as_a_whole_leaves_each_item_to_a_call_of_its_own() {
    // One of the items is what the table does not take.
    let canned = Canned::start(|operation, arguments, _| {
        let is_faulty = operation == "batchexecutestatement"
            || arguments["Item"]["message_id"]["S"] == "order-3";
        if is_faulty {
            return (400, json!({ "__type": "ValidationException", "message": "as told" }));
        }
        (200, json!({}))
    })
    .await;
    let answers = record_all(&canned, 5).await;
    let failed: Vec<_> = answers.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, false, false, true, false], "{answers:?}");
    let mut operations = canned.operations();
    operations.dedup();
    assert_eq!(operations, ["batchexecutestatement", "putitem"]);
}

#[tokio::test]
async fn f06_a_call_that_comes_too_early_is_not_made_many() {
    for code in ["ThrottlingException", "ProvisionedThroughputExceededException"] {
        let canned = Canned::start(move |_, _, _| (400, json!({ "__type": code }))).await;
        let answers = record_all(&canned, 5).await;
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        let mut operations = canned.operations();
        operations.dedup();
        assert_eq!(operations, ["batchexecutestatement"], "{code}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_short_is_no_success() {
    let canned = Canned::start(|_, _, _| (200, json!({ "Responses": [{}] }))).await;
    let answers = record_all(&canned, 2).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn f03_only_what_is_there_already_costs_a_call_of_its_own() {
    let canned = table(|number, _| (number == 5).then_some("DuplicateItem")).await;
    assert_eq!(record_all(&canned, 25).await, vec![Ok(Recorded::New); 25]);
    assert_eq!(canned.operations(), ["batchexecutestatement", "putitem"]);
}

/// What many cost: nothing else makes a bulk cheaper than its messages.
#[tokio::test]
async fn many_are_recorded_marked_and_settled_by_a_call_for_25() {
    for (count, calls) in [(2, 1), (25, 1), (50, 2), (100, 4)] {
        let canned = table(|_, _| None).await;
        record_all(&canned, count).await;
        assert_eq!(canned.operations(), vec!["batchexecutestatement"; calls], "{count}");
    }
    for (count, last) in [(1, vec!["putitem"]), (26, vec!["batchexecutestatement", "putitem"])] {
        let canned = table(|_, _| None).await;
        record_all(&canned, count).await;
        let mut operations = canned.operations();
        operations.sort();
        assert_eq!(operations, last, "{count}");
    }
    let canned = Canned::start(|_, arguments, _| {
        let statements = arguments["Statements"].as_array().unwrap();
        (200, json!({ "Responses": vec![json!({ "TableName": "messages" }); statements.len()] }))
    })
    .await;
    let store = DynamoStore::new(&canned.clients().await, "messages");
    let messages = messages(100);
    let lives: Vec<_> = messages.iter().map(|one| (one.id.clone(), one.first_life())).collect();
    assert_eq!(store.mark_queued_all(&lives, NOW).await, vec![Ok(()); 100]);
    assert_eq!(canned.operations().len(), 4);
    let settlements: Vec<_> = messages.iter().map(delivered).collect();
    let settled = store.settle_all(&settlements[..10]).await;
    assert!(settled.iter().all(|one| matches!(one, Ok(Settled::Done(_)))), "{settled:?}");
    assert_eq!(canned.operations().len(), 5);
}

#[tokio::test]
async fn large_items_are_spread_over_calls_by_their_size() {
    let canned = table(|_, _| None).await;
    let store = DynamoStore::new(&canned.clients().await, "messages");
    let body = || Body::Inline(Bytes::from(vec![b'x'; 300 * 1024]));
    let messages: Vec<_> = (0..7).map(|number| message(number, body())).collect();
    assert_eq!(store.record_all(&messages, NOW).await, vec![Ok(Recorded::New); 7]);
    let mut sizes: Vec<_> = canned.asked().iter().map(statements).collect();
    sizes.sort_unstable();
    // The seventh is alone, and goes as a plain put.
    assert_eq!(sizes, [0, 3, 3]);
}

/// The settlement of a delivery on the first attempt, by a target that answered as much as is kept, and with nothing but
/// quotes, which the record writes as two characters each.
fn delivered(message: &Message) -> Settlement {
    let outcome = Outcome {
        result: Ok(200),
        retry_after: None,
        answer: "\"".repeat(4 * ANSWER_KEPT_BYTES),
        started_at: NOW,
        duration_millis: 12_345,
    };
    Settlement {
        id: message.id.clone(),
        life: message.first_life(),
        lease: Lease {
            lease_id: LeaseId::from_random([9; 16]),
            until: NOW,
            attempt: 1,
            outcomes: Vec::new(),
            claimed: false,
        },
        attempt: AttemptRecord::of(Generation::default(), 1, &outcome),
        decision: Decision::Delivered,
        now: NOW,
    }
}

/// A kilobyte is a write unit.
#[test]
fn a_usual_message_and_its_state_cost_one_write_unit_each() {
    let bytes = Bytes::from(vec![b'x'; 1024]);
    let mut message = message(1042, Body::Inline(bytes));
    let pointer = Pointer::for_payload(
        "webhook-relay-payloads-123456789012",
        &message.id,
        message.body.sha256(),
        1024,
    );
    let retained = item::bytes(&message::write(&message).unwrap());
    message.body = Body::Unretained(pointer);
    let unretained = item::bytes(&message::write(&message).unwrap());
    assert!(unretained < 1024, "{unretained}");
    assert!((1024..2048).contains(&retained), "{retained}");
    let state = settle::settled(&delivered(&message));
    assert_eq!(state.outcomes[0].answer.len(), ANSWER_KEPT_BYTES);
    let state = item::bytes(&state::write(&message.id, &state));
    assert!(state < 1024, "{state}");
}
