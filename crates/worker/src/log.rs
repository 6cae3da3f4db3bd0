//! What the worker logs of one message: the span that names it on every line, and the one line of an attempt. What a
//! share of plain success leaves out is decided here as well.
//!
//! Bodies, headers and answers of targets are never logged.

use std::time::Duration;

use relay_core::body::Body;
use relay_core::decide::Decision;
use relay_core::envelope::Envelope;
use relay_core::identity::Generation;
use relay_core::logs;
use relay_core::outcome::{Class, ErrorKind, Outcome, classify};
use relay_core::ports::Settlement;
use relay_core::trace::SpanId;
use tracing::Span;
use tracing::field::{Empty, display};

use crate::deliver::Worker;
use crate::given::Item;

/// The span around everything that is done for one item, which does not say yet whose it is: reading it may fail, and
/// what comes of that is to be told within.
pub(crate) fn about_item() -> Span {
    // An error, so that no level of the log hides whose lines they are.
    tracing::error_span!(
        "message",
        id = Empty,
        message_id = Empty,
        sender_id = Empty,
        correlation_id = Empty,
        trace_id = Empty,
        xray_trace_id = Empty,
    )
}

/// From here on the lines about the item say which message it is of.
pub(crate) fn name_message(envelope: &Envelope) {
    let (trace, span) = (envelope.trace(), Span::current());
    tracing::record_all!(
        span,
        id = envelope.id.as_str(),
        message_id = envelope.message_id.as_str(),
        sender_id = envelope.sender_id.as_str(),
        correlation_id = envelope.correlation_id.as_str(),
        trace_id = trace.id(),
        xray_trace_id = trace.xray_id(),
    );
}

/// The same of an item that is no envelope this code can read, if that much of it can be read.
pub(crate) fn name_message_in(text: &str) {
    if let Some((id, _life)) = Envelope::identity_in(text) {
        Span::current().record("id", display(&id));
    }
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
    /// Whether the line of an attempt is left out unless its result cannot be written down: that a message was
    /// delivered at once is plain success, of which only a share may be written.
    pub(crate) fn withholds_line(&self, settlement: &Settlement) -> bool {
        let is_plain = settlement.decision == Decision::Delivered
            && settlement.attempt.attempt == 1
            && settlement.life.generation == Generation::default();
        is_plain && !logs::writes_success(&settlement.id, self.success_percent)
    }
}

/// The line of an attempt: a warning if it did not deliver.
pub(crate) fn log_attempt(
    envelope: &Envelope,
    item: &Item,
    settlement: &Settlement,
    outcome: &Outcome,
    span_id: SpanId,
) {
    let (attempt, decision) = (&settlement.attempt, settlement.decision);
    let class = classify(outcome.result);
    let millis = outcome.duration_millis;
    let ended_at = outcome.started_at.plus(Duration::from_millis(millis));
    let waited = |since| outcome.started_at.millis_since(since);
    let next_attempt_at = match decision {
        Decision::Retry { not_before } => Some(display(not_before)),
        Decision::Delivered | Decision::GiveUp(_) => None,
    };
    let payload_bytes = match &envelope.body {
        Body::Inline(bytes) => bytes.len() as u64,
        Body::Stored(pointer) | Body::Unretained(pointer) => pointer.bytes,
    };
    macro_rules! write_line {
        ($level:ident) => {
            tracing::$level!(
                destination = envelope.target.destination(),
                generation = settlement.life.generation.0,
                attempt = attempt.attempt,
                outcome = outcome_name(class),
                status = attempt.status,
                error = attempt.error.map(ErrorKind::as_str),
                decision = decision.as_str(),
                next_attempt_at,
                duration_ms = millis,
                since_accepted_ms = ended_at.millis_since(settlement.life.generation_started_at),
                queue_wait_ms = item.waits_since().map(waited),
                receipts = item.receipts,
                payload_bytes,
                %span_id,
                "attempt"
            )
        };
    }
    match class {
        Class::Delivered => write_line!(info),
        Class::Transient | Class::Permanent(_) => write_line!(warn),
    }
}
