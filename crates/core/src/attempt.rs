//! The request of one attempt: which headers it carries and how long it may take.

use std::borrow::Cow;
use std::time::Duration;

use crate::envelope::Envelope;
use crate::ports::Header;
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
) -> Vec<Header> {
    let mut headers = Vec::with_capacity(envelope.headers.iter().count() + RELAY_HEADERS_MAX);
    headers.extend(envelope.headers.iter().map(|(name, value)| (chosen(name), chosen(value))));
    if envelope.headers.get("user-agent").is_none() {
        headers.push(("user-agent".into(), USER_AGENT.into()));
    }
    let mut add = |name: &'static str, value: String| headers.push((name.into(), value.into()));
    add("webhook-id", envelope.id.as_str().to_owned());
    add("webhook-timestamp", at.as_seconds().to_string());
    add("webhook-attempt", attempt.to_string());
    add("x-correlation-id", envelope.correlation_id.as_str().to_owned());
    if let Some(signature) = signature {
        add("webhook-signature", signature);
    }
    add_trace(envelope, span, add);
    headers
}

/// A name or value that the client chose.
fn chosen(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

/// Adds the headers that carry the trace on. What the client set itself is sent as it is: a client that traces its
/// target under a trace of its own knows why, and the state of a trace belongs to its parent.
fn add_trace(envelope: &Envelope, span: SpanId, mut add: impl FnMut(&'static str, String)) {
    let trace = envelope.trace();
    let is_free = |name: &str| envelope.headers.get(name).is_none();
    if is_free(trace::TRACEPARENT) && is_free(trace::TRACESTATE) {
        add(trace::TRACEPARENT, trace.traceparent_of(span));
        if let Some(state) = trace.state() {
            add(trace::TRACESTATE, state.to_owned());
        }
    }
    if is_free(trace::XRAY_HEADER)
        && let Some(text) = trace.xray()
    {
        add(trace::XRAY_HEADER, text);
    }
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
