//! A message that ended goes once more when somebody asks, once for each time that they ask, whatever
//! fails on the way.

use http::{Request, StatusCode};
use relay_core::decide::Decision;
use relay_core::identity::Generation;
use relay_core::lifecycle::Status;
use relay_core::outcome::DeadReason;
use serde_json::json;

use crate::faults::Fault;
use crate::reading::{accepted, attempt};
use crate::relay::{Answer, Relay, message};

/// A relay with a message that ended, and its id. Its queue is empty.
async fn ended(status: u16, decision: Decision) -> (Relay, String) {
    let relay = Relay::new();
    let id = accepted(&relay, &message()).await;
    attempt(&relay, &id, status, decision).await;
    relay.drain();
    (relay, id)
}

pub(crate) async fn dead() -> (Relay, String) {
    ended(410, Decision::GiveUp(DeadReason::Gone)).await
}

async fn ask(relay: &Relay, id: &str, verb: &str) -> Answer {
    relay.post_text(&format!("/v1/messages/{id}/{verb}"), "").await
}

#[tokio::test]
async fn a_dead_letter_goes_again_in_its_next_generation() {
    for verb in ["redrive", "resend"] {
        let (relay, id) = dead().await;
        let answer = ask(&relay, &id, verb).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.json);
        let expected = json!({
            "id": id, "status": "QUEUED", "generation": 1, "expiresAt": "2100-01-31T00:00:00.000Z",
            "correlationId": answer.headers["x-correlation-id"].to_str().unwrap(),
        });
        assert_eq!(answer.json, expected);
        let shown = relay.get(&format!("/v1/messages/{id}")).await.json;
        assert_eq!((&shown["status"], &shown["generation"]), (&json!("QUEUED"), &json!(1)));
        assert_eq!((&shown["attempts"], shown.get("reason")), (&json!(0), None));
        assert_eq!(shown["outcomes"][0]["generation"], 0, "what came of it before stays");
        let [envelope] = &relay.drain()[..] else { panic!("one copy is sent") };
        assert_eq!(envelope.life.generation, Generation(1));
        assert_eq!(envelope.life.generation_started_at, relay.clock.now());
        assert_eq!(relay.body_of(envelope).await, br#"{"any":"json"}"#);
    }
}

#[tokio::test]
async fn a_delivered_message_can_be_resent_but_not_redriven() {
    let (relay, id) = ended(200, Decision::Delivered).await;
    let refused = ask(&relay, &id, "redrive").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "STATE_CONFLICT"));
    assert_eq!(refused.json["detail"], "the message is DELIVERED, and only DEAD allows it");
    assert!(relay.drain().is_empty());
    assert_eq!(ask(&relay, &id, "resend").await.status, StatusCode::ACCEPTED);
    attempt(&relay, &id, 200, Decision::Delivered).await;
    let shown = relay.get(&format!("/v1/messages/{id}")).await.json;
    let outcomes = shown["outcomes"].as_array().unwrap();
    let told: Vec<_> = outcomes.iter().map(|outcome| &outcome["attempt"]).collect();
    assert_eq!((shown["status"].as_str(), told), (Some("DELIVERED"), vec![&json!(1), &json!(1)]));
}

#[tokio::test]
async fn a_message_that_has_not_ended_is_left_alone() {
    let relay = Relay::new();
    let id = accepted(&relay, &message()).await;
    relay.drain();
    for (verb, detail) in [
        ("redrive", "the message is QUEUED, and only DEAD allows it"),
        ("resend", "the message is QUEUED, and only DELIVERED or DEAD allows it"),
    ] {
        let answer = ask(&relay, &id, verb).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::CONFLICT, "STATE_CONFLICT"));
        assert_eq!(answer.json["detail"], detail);
    }
    let not_before = relay.clock.now();
    attempt(&relay, &id, 503, Decision::Retry { not_before }).await;
    let answer = ask(&relay, &id, "redrive").await;
    assert_eq!(answer.json["detail"], "the message is RETRYING, and only DEAD allows it");
    assert!(relay.drain().is_empty());
    assert_eq!(relay.found(&id).await.state.life.generation, Generation(0));
}

#[tokio::test]
async fn a_message_whose_acceptance_stopped_half_way_is_not_a_redrive_that_did() {
    let relay = Relay::new();
    relay.faults.plan("send", Fault::Before);
    assert_eq!(relay.post(&message()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let id = relay.store.ids()[0].to_string();
    let answer = ask(&relay, &id, "redrive").await;
    assert_eq!(answer.json["detail"], "the message is PENDING, and only DEAD allows it");
    assert!(relay.drain().is_empty());
}

#[tokio::test]
async fn f22_a_repetition_finishes_what_stopped_half_way_in_the_generation_it_began() {
    for verb in ["redrive", "resend"] {
        for step in ["find", "begin_again", "send", "mark_queued"] {
            for fault in [Fault::Before, Fault::After] {
                let (relay, id) = dead().await;
                relay.faults.plan(step, fault);
                let case = format!("{verb} {step} {fault:?}");
                let first = ask(&relay, &id, verb).await;
                assert_eq!(first.status, StatusCode::SERVICE_UNAVAILABLE, "{case}");
                assert_eq!(first.headers["retry-after"], "5", "{case}");
                assert!(!first.json.to_string().contains("secret internals"), "{case}");
                let detail = first.json["detail"].as_str().unwrap();
                assert!(detail.contains("trying again is always safe"), "{case}: {detail}");
                let says_more = detail.contains("delivered in between goes once more");
                assert_eq!(says_more, verb == "resend" && step != "find", "{case}: {detail}");

                let repeated = ask(&relay, &id, verb).await;
                if (step, fault) == ("mark_queued", Fault::After) {
                    assert_eq!(repeated.code(), "STATE_CONFLICT", "{case}: it was done");
                } else {
                    assert_eq!(repeated.status, StatusCode::ACCEPTED, "{case}");
                    assert_eq!(repeated.json["generation"], 1, "{case}");
                }
                let found = relay.found(&id).await;
                assert_eq!(found.state.phase.status(), Status::Queued, "{case}");
                let sent = relay.drain();
                assert!(!sent.is_empty(), "{case}");
                assert!(sent.iter().all(|sent| sent.life == found.state.life), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn f22_two_who_ask_at_once_begin_one_generation() {
    let (relay, id) = dead().await;
    let asks = (0..8).map(|_| ask(&relay, &id, "redrive"));
    let answers = futures::future::join_all(asks).await;
    let allowed = [StatusCode::ACCEPTED, StatusCode::CONFLICT];
    assert!(answers.iter().all(|answer| allowed.contains(&answer.status)), "{answers:?}");
    assert!(answers.iter().any(|answer| answer.status == StatusCode::ACCEPTED));
    assert!(relay.drain().iter().all(|sent| sent.life.generation == Generation(1)));
}

#[tokio::test]
async fn there_is_nothing_to_say_in_a_body() {
    for body in ["", " \n", "{}", " { } "] {
        let (relay, id) = dead().await;
        let answer = relay.post_text(&format!("/v1/messages/{id}/redrive"), body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{body:?}");
    }
    let (relay, id) = dead().await;
    for (body, error) in [
        (r#"{"rate":1}"#, "/rate: is not a known field; known are none"),
        ("[]", ": must be a JSON object"),
        ("null", ": must be a JSON object"),
    ] {
        let answer = relay.post_text(&format!("/v1/messages/{id}/redrive"), body).await;
        assert_eq!((answer.status, answer.errors()), (StatusCode::BAD_REQUEST, vec![error.into()]));
    }
    let request = Request::post(format!("/v1/messages/{id}/redrive"));
    let request = request.header("content-type", "text/plain").body("".into()).unwrap();
    assert_eq!(relay.send(request).await.code(), "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(relay.found(&id).await.state.phase.status(), Status::Dead);
}

#[tokio::test]
async fn a_message_that_is_not_there_or_not_any_more_is_not_found() {
    let (relay, id) = dead().await;
    relay.clock.advance(std::time::Duration::from_secs(31 * 86_400));
    let unknown = format!("msg_{}", "a".repeat(32));
    for id in [id.as_str(), &unknown, "order-1042", "%FF"] {
        for verb in ["redrive", "resend"] {
            let answer = ask(&relay, id, verb).await;
            assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
        }
    }
    assert!(relay.drain().is_empty());
}
