//! What the worker logs of one message: the span that names it on every line, and the one line of an attempt.
//!
//! Bodies, headers and answers of targets are never logged.

use relay_core::body::Body;
use relay_core::decide::Decision;
use relay_core::envelope::Envelope;
use relay_core::identity::Generation;
use relay_core::logs;
use relay_core::outcome::{AttemptRecord, Class, ErrorKind, Outcome, classify};
use relay_core::trace::SpanId;
use tracing::Span;

use crate::deliver::{Item, Worker};

/// The span around everything that is done for one message.
pub(crate) fn about(envelope: &Envelope) -> Span {
    let trace = envelope.trace();
    let Envelope { id, message_id, sender_id, correlation_id, .. } = envelope;
    // An error, so that no level of the log hides whose lines they are.
    tracing::error_span!(
        "message",
        %id,
        %message_id,
        %sender_id,
        %correlation_id,
        trace_id = trace.id(),
        xray_trace_id = trace.xray_id(),
    )
}

/// What an attempt was worth, as the log calls it.
const fn outcome_name(class: Class) -> &'static str {
    match class {
        Class::Delivered => "delivered",
        Class::Transient => "transient",
        Class::Permanent(_) => "permanent",
    }
}

impl Worker {
    /// The line of an attempt. That a message was delivered at once is plain success, of which only a share may be
    /// written.
    pub(crate) fn log_attempt(
        &self,
        envelope: &Envelope,
        item: &Item,
        attempt: &AttemptRecord,
        outcome: &Outcome,
        decision: Decision,
        span: SpanId,
    ) {
        let generation = envelope.life.generation;
        let is_plain = decision == Decision::Delivered
            && attempt.attempt == 1
            && generation == Generation::default();
        if is_plain && !logs::writes_success(&envelope.id, self.success_percent) {
            return;
        }
        let millis = outcome.duration_millis;
        let ended_at = outcome.started_at.as_millis().saturating_add(millis);
        let began_at = envelope.life.generation_started_at.as_millis();
        let waited = |since: u64| outcome.started_at.as_millis().saturating_sub(since);
        let next_attempt_at = match decision {
            Decision::Retry { not_before } => Some(tracing::field::display(not_before)),
            Decision::Delivered | Decision::GiveUp(_) => None,
        };
        let payload_bytes = match &envelope.body {
            Body::Inline(bytes) => bytes.len() as u64,
            Body::Stored(pointer) => pointer.bytes,
        };
        tracing::info!(
            destination = envelope.target.destination(),
            generation = generation.0,
            attempt = attempt.attempt,
            outcome = outcome_name(classify(outcome.result)),
            status = attempt.status,
            error = attempt.error.map(ErrorKind::as_str),
            decision = decision.as_str(),
            next_attempt_at,
            duration_ms = millis,
            since_accepted_ms = ended_at.saturating_sub(began_at),
            queue_wait_ms = item.available_at.map(|since| waited(since.as_millis())),
            receipts = item.receipts,
            payload_bytes,
            span_id = %span,
            "attempt"
        );
    }
}
