//! Many messages set going again, and many cancelled.

use http::StatusCode;
use relay_core::decide::Decision;
use relay_core::lifecycle::Status;
use relay_core::metrics::Metric;
use relay_core::outcome::DeadReason;
use relay_core::ports::Store;
use relay_testkit::sample;
use serde_json::json;

use super::{ask, counts, messages, post, told};
use crate::access::holder::{Ask, guarded, rules, rules_for};
use crate::faults::Fault;
use crate::reading::attempt;
use crate::relay::Relay;

const REDRIVE: (&str, &str) = ("POST", "/v1/messages/bulk/redrive");
const CANCEL: (&str, &str) = ("DELETE", "/v1/messages/bulk");

/// A relay with as many accepted messages, and their ids. Its queue is empty.
async fn accepted(count: usize, settings: &[(&str, &str)]) -> (Relay, Vec<String>) {
    let relay = Relay::with(settings);
    let answer = post(&relay, &messages(count)).await;
    relay.drain();
    let results = answer.json["results"].as_array().unwrap();
    (relay, results.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect())
}

fn texts(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn each_dead_letter_goes_again_and_nothing_else_does() {
    let (relay, ids) = accepted(4, &[]).await;
    attempt(&relay, &ids[0], 410, Decision::GiveUp(DeadReason::Gone)).await;
    attempt(&relay, &ids[1], 200, Decision::Delivered).await;
    attempt(&relay, &ids[3], 410, Decision::GiveUp(DeadReason::Gone)).await;
    let unknown = format!("msg_{}", "a".repeat(32));
    let asked = [&ids[0], &ids[1], &unknown, "no id", &ids[0], &ids[2], &ids[3]].map(|id: &str| id);
    let answer = ask(&relay, REDRIVE.0, REDRIVE.1, &asked).await;
    expect_test::expect![[r#"
        202 QUEUED
        409 STATE_CONFLICT
        404 NOT_FOUND
        404 NOT_FOUND
        202 QUEUED duplicate
        409 STATE_CONFLICT
        202 QUEUED"#]]
    .assert_eq(&told(&answer).join("\n"));
    assert_eq!(counts(&answer), [2, 1, 4, 0]);
    let result = &answer.json["results"][0];
    let expected = json!({
        "status": 202, "id": ids[0], "messageId": "m-0", "messageStatus": "QUEUED", "generation": 1,
        "expiresAt": "2100-01-31T00:00:00.000Z",
    });
    assert_eq!(*result, expected);
    assert_eq!(relay.drain().len(), 2, "each once, however often it is named");
    assert_eq!(relay.recorder.take().sum(Metric::Redriven), 2);
}

#[tokio::test]
async fn f22_a_repetition_finishes_redrives_that_stopped_half_way() {
    for step in ["find", "begin_again", "send", "mark_queued"] {
        for fault in [Fault::Before, Fault::After] {
            let (relay, ids) = accepted(3, &[]).await;
            for id in &ids {
                attempt(&relay, id, 410, Decision::GiveUp(DeadReason::Gone)).await;
            }
            relay.faults.plan_after(1, step, fault);
            let first = ask(&relay, REDRIVE.0, REDRIVE.1, &texts(&ids)).await;
            assert_eq!(counts(&first), [2, 0, 0, 1], "{step} {fault:?}: {:?}", first.json);
            assert_eq!(first.headers["retry-after"], "5");
            ask(&relay, REDRIVE.0, REDRIVE.1, &texts(&ids)).await;
            let sent = relay.drain();
            for id in &ids {
                let found = relay.found(id).await;
                assert_eq!(found.state.phase.status(), Status::Queued, "{step} {fault:?}");
                let mut copies = sent.iter().filter(|sent| sent.id.as_str() == id);
                assert!(copies.any(|copy| copy.life == found.state.life), "{step} {fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_nobody_holds_and_has_not_ended_is_cancelled() {
    let (relay, ids) = accepted(6, &[]).await;
    let retry = Decision::Retry { not_before: sample::at(900_000) };
    attempt(&relay, &ids[1], 503, retry).await;
    attempt(&relay, &ids[2], 200, Decision::Delivered).await;
    attempt(&relay, &ids[3], 410, Decision::GiveUp(DeadReason::Gone)).await;
    let held = relay.found(&ids[4]).await;
    let claim = sample::claim(&held.state.life, 1, relay.clock.now());
    relay.store.claim(&held.message.id, &claim).await.unwrap();
    let asked: Vec<&str> = texts(&ids).into_iter().chain([ids[0].as_str()]).collect();
    let answer = ask(&relay, CANCEL.0, CANCEL.1, &asked).await;
    expect_test::expect![[r#"
        200 CANCELLED
        200 CANCELLED
        409 STATE_CONFLICT
        409 STATE_CONFLICT
        409 STATE_CONFLICT
        200 CANCELLED
        200 CANCELLED duplicate"#]]
    .assert_eq(&told(&answer).join("\n"));
    let problem = &answer.json["results"][4]["problem"];
    let detail = "the message is PROCESSING, and only PENDING, QUEUED or RETRYING allows it";
    assert_eq!(problem["detail"], detail);
    for id in [&ids[0], &ids[1], &ids[5]] {
        let shown = relay.get(&format!("/v1/messages/{id}")).await.json;
        assert_eq!(shown["status"], "CANCELLED");
    }
    assert_eq!(relay.recorder.take().sum(Metric::Cancelled), 3);
    let again = ask(&relay, CANCEL.0, CANCEL.1, &[&ids[0]]).await;
    assert_eq!(told(&again), ["200 CANCELLED"]);
    assert_eq!(relay.recorder.take().sum(Metric::Cancelled), 0);
    let redrive = ask(&relay, REDRIVE.0, REDRIVE.1, &[&ids[0]]).await;
    assert_eq!(told(&redrive), ["409 STATE_CONFLICT"], "a cancelled message stays so");
    let repeated = post(&relay, &messages(1)).await;
    assert_eq!(told(&repeated), ["200 CANCELLED duplicate"]);
}

#[tokio::test]
async fn a_cancelling_that_is_cut_off_can_be_repeated() {
    for step in ["find", "cancel"] {
        for fault in [Fault::Before, Fault::After] {
            let (relay, ids) = accepted(3, &[]).await;
            relay.faults.plan_after(1, step, fault);
            let first = ask(&relay, CANCEL.0, CANCEL.1, &texts(&ids)).await;
            assert_eq!(told(&first)[1], "503 SYSTEM_ERROR", "{step} {fault:?}");
            let retry = ask(&relay, CANCEL.0, CANCEL.1, &texts(&ids)).await;
            assert_eq!(counts(&retry), [3, 0, 0, 0], "{step} {fault:?}");
        }
    }
}

#[tokio::test]
async fn with_lean_tracking_a_first_attempt_may_be_under_way() {
    let (relay, ids) = accepted(2, &[("STATUS_TRACKING", "lean")]).await;
    let not_before = sample::at(900_000);
    attempt(&relay, &ids[1], 503, Decision::Retry { not_before }).await;
    let answer = ask(&relay, CANCEL.0, CANCEL.1, &texts(&ids)).await;
    assert_eq!(told(&answer), ["409 STATE_CONFLICT", "200 CANCELLED"]);
    let detail = answer.json["results"][0]["problem"]["detail"].as_str().unwrap();
    assert!(detail.contains("first attempt may be under way"), "{detail}");
}

#[tokio::test]
async fn messages_of_somebody_else_are_not_there() {
    let relay = guarded(&[]);
    let owner = relay.key(1, rules());
    let stranger = relay.key(2, rules_for(&["somebody-else"]));
    let posted = json!({"messages": messages(2)}).to_string();
    let answer = Ask::post(super::PATH, posted.clone()).key(&stranger).of(&relay).await;
    assert_eq!(told(&answer), ["403 FORBIDDEN"; 2]);
    assert!(relay.store.ids().is_empty());
    let answer = Ask::post(super::PATH, posted).key(&owner).of(&relay).await;
    let ids: Vec<_> =
        (0..2).map(|at| answer.json["results"][at]["id"].as_str().unwrap().to_owned()).collect();
    for (method, path) in [REDRIVE, CANCEL] {
        let body = json!({"ids": ids}).to_string();
        let answer = Ask::new(method, path).body(body).key(&stranger).of(&relay).await;
        assert_eq!(told(&answer), ["404 NOT_FOUND"; 2]);
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_refused_as_a_whole() {
    let relay = Relay::new();
    for (method, path) in [REDRIVE, CANCEL] {
        for (body, error) in [
            (json!({}), "/ids: is required"),
            (json!({"ids": []}), "/ids: must be a list of 1 to 100 strings"),
            (json!({"ids": vec!["a"; 101]}), "/ids: must be a list of 1 to 100 strings"),
            (json!({"ids": ["a", 1]}), "/ids/1: must be a string"),
        ] {
            let request = http::Request::builder().method(method).uri(path);
            let answer = relay.send(request.body(body.to_string().into()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            assert_eq!(answer.errors(), [error]);
        }
    }
}
