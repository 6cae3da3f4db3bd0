//! The request of one attempt: which headers it carries and how long it may take.

use std::time::Duration;

use crate::envelope::Envelope;
use crate::time::Timestamp;
use crate::trace::{self, SpanId};

/// What the relay calls itself to targets.
pub const USER_AGENT: &str = concat!("webhook-relay/", env!("CARGO_PKG_VERSION"));

/// Most headers that the relay adds to the client's.
const RELAY_HEADERS_MAX: usize = 9;

/// What an attempt needs besides its own time: its result is written, with the retries of that write. The adapters
/// give one call at most 7 s.
pub const SETTLE_TIME: Duration = Duration::from_secs(8);

/// The headers of an attempt: the client's, and those of the relay, which the client cannot choose.
/// `signature` is the value of `webhook-signature`, for senders that have a secret; `span` is the attempt's place in
/// the message's trace.
pub fn headers(
    envelope: &Envelope,
    attempt: u32,
    at: Timestamp,
    span: SpanId,
    signature: Option<String>,
) -> Vec<(String, String)> {
    let chosen = envelope.headers.iter();
    let mut headers = Vec::with_capacity(envelope.headers.iter().count() + RELAY_HEADERS_MAX);
    headers.extend(chosen.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    if envelope.headers.get("user-agent").is_none() {
        add("user-agent", USER_AGENT.to_owned());
    }
    add("webhook-id", envelope.id.to_string());
    add("webhook-timestamp", at.as_seconds().to_string());
    add("webhook-attempt", attempt.to_string());
    add("x-correlation-id", envelope.correlation_id.to_string());
    if let Some(signature) = signature {
        add("webhook-signature", signature);
    }
    headers.extend(trace_headers(envelope, span));
    headers
}

/// The headers that carry the trace on. What the client set itself is sent as it is: a client that traces its target
/// under a trace of its own knows why, and the state of a trace belongs to its parent.
fn trace_headers(envelope: &Envelope, span: SpanId) -> Vec<(String, String)> {
    let trace = envelope.trace();
    let is_free = |name: &str| envelope.headers.get(name).is_none();
    let mut headers = Vec::new();
    if is_free(trace::TRACEPARENT) && is_free(trace::TRACESTATE) {
        headers.push((trace::TRACEPARENT.to_owned(), trace.traceparent_of(span)));
        headers.extend(trace.state().map(|state| (trace::TRACESTATE.to_owned(), state.to_owned())));
    }
    if is_free(trace::XRAY_HEADER) {
        headers.extend(trace.xray().map(|text| (trace::XRAY_HEADER.to_owned(), text)));
    }
    headers
}

/// How long an attempt may take: the set timeout, and for a body that is not sent in an instant the
/// time it takes at `bytes_per_second_min`.
pub fn timeout(base: Duration, body_bytes: u64, bytes_per_second_min: u64) -> Duration {
    base + Duration::from_millis(body_bytes.saturating_mul(1000) / bytes_per_second_min.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_grows_with_the_body() {
        let of = |bytes| timeout(Duration::from_secs(10), bytes, 4 << 20).as_millis();
        assert_eq!([of(0), of(4 << 20), of(100 << 20)], [10_000, 11_000, 35_000]);
    }
}
