//! A message as JSON, read from the table: the fields that the API answers with, by the same names, and
//! what only operators want to know. A test holds the two together.

use relay_core::lifecycle::Phase;
use relay_core::outcome::AttemptRecord;
use relay_core::ports::Found;
use serde_json::{Value, json};

/// The message without its body.
pub(crate) fn document(found: &Found) -> Value {
    let Found { message, state } = found;
    let mut document = json!({
        "id": message.id.as_str(),
        "messageId": message.message_id.as_str(),
        "senderId": message.sender_id.as_str(),
        "status": state.phase.status().as_str(),
        "attempts": state.attempts,
        "outcomes": state.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "generation": state.life.generation.0,
        "destination": message.target.destination(),
        "targetUrl": message.target.as_str(),
        "method": message.method.as_str(),
        "createdAt": message.created_at.to_string(),
        "updatedAt": state.updated_at.to_string(),
        "expiresAt": message.expires_at.to_string(),
        "correlationId": message.correlation_id.as_str(),
        "bodyBytes": message.body.bytes(),
        "bodySha256": message.body.sha256().to_string(),
    });
    if let Some(timestamp) = &message.timestamp {
        document["timestamp"] = json!(timestamp);
    }
    match &state.phase {
        Phase::Dead { reason, buried } => {
            document["reason"] = json!(reason.as_str());
            document["buried"] = json!(buried);
        }
        Phase::Retrying { not_before } => document["notBefore"] = json!(not_before.to_string()),
        Phase::Processing { lease_until, .. } => {
            document["leaseUntil"] = json!(lease_until.to_string());
        }
        Phase::Pending | Phase::Queued | Phase::Delivered | Phase::Cancelled => {}
    }
    document
}

fn outcome(attempt: &AttemptRecord) -> Value {
    let mut outcome = json!({
        "generation": attempt.generation.0,
        "attempt": attempt.attempt,
        "at": attempt.at.to_string(),
        "durationMs": attempt.millis,
    });
    if let Some(status) = attempt.status {
        outcome["status"] = json!(status);
    }
    if let Some(error) = attempt.error {
        outcome["error"] = json!(error.as_str());
    }
    if !attempt.answer.is_empty() {
        outcome["answer"] = json!(attempt.answer);
    }
    outcome
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use relay_core::lifecycle::State;
    use relay_core::outcome::{DeadReason, ErrorKind};
    use relay_ingest::answers::MessageAnswer;
    use relay_ingest::read::ShownBody;
    use relay_testkit::sample;

    use super::*;

    #[test]
    fn it_is_what_the_api_answers_and_a_little_more() {
        let mut message = sample::message("m", 1);
        message.timestamp = Some("2026-11-21T05:00:00Z".to_owned());
        let mut state = State::unwritten(message.first_life(), sample::at(5));
        let mut lost = sample::attempt(2, 503);
        (lost.status, lost.error, lost.answer) = (None, Some(ErrorKind::Timeout), String::new());
        state.outcomes = vec![sample::attempt(1, 503), lost];
        for (phase, more) in [
            (Phase::Pending, None),
            (Phase::Retrying { not_before: sample::at(9) }, None),
            (Phase::Dead { reason: DeadReason::Gone, buried: true }, Some("buried")),
            (
                Phase::Processing { lease_id: sample::lease_id(1), lease_until: sample::at(9) },
                Some("leaseUntil"),
            ),
            (Phase::Delivered, None),
        ] {
            state.phase = phase;
            let found = Found { message: message.clone(), state: state.clone() };
            let mut ours = document(&found);
            assert_eq!(ours["destination"], "https://api.example.com");
            let fields = ours.as_object_mut().unwrap();
            for name in ["destination"].into_iter().chain(more) {
                assert!(fields.remove(name).is_some(), "{name}");
            }
            let answer = MessageAnswer::of(found, ShownBody::NotAsked);
            assert_eq!(ours, serde_json::to_value(answer).unwrap());
        }
    }
}
