//! What answers say in their headers of limits and of keys that come to their end. The gateway's cross-origin rules have
//! to name these headers for scripts to see them.

use std::time::{Duration, UNIX_EPOCH};

use axum::response::Response;
use http::{HeaderName, HeaderValue};
use relay_core::access::{RateLimit, Standing, Superseded};

/// The first second that has no date of HTTP: the year 10000 has five digits (RFC 9110 section 5.6.7).
const HTTP_DATE_END_SECONDS: u64 = 253_402_300_800;

/// Says how the bucket of the key stands: as the IETF's draft on rate limit headers has it, and as people were used to
/// before.
pub(super) fn limit(response: &mut Response, limit: RateLimit, standing: Standing) {
    let Standing { remaining, reset } = standing;
    let window = limit.burst.div_ceil(limit.per_second.max(1));
    let reset = if reset.is_zero() { 0 } else { whole_seconds(reset) };
    for (name, value) in [
        ("ratelimit-policy", format!("\"default\";q={};w={window}", limit.burst)),
        ("ratelimit", format!("\"default\";r={remaining};t={reset}")),
        ("x-ratelimit-limit", limit.burst.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ] {
        say(response, name, &value);
    }
}

/// Says that the key was rotated and this version of it will end (RFC 9745, RFC 8594).
pub(super) fn superseded(response: &mut Response, superseded: Superseded) {
    let Superseded { since, until } = superseded;
    say(response, "deprecation", &format!("@{}", since.as_seconds()));
    if until.as_seconds() < HTTP_DATE_END_SECONDS {
        let until = UNIX_EPOCH + Duration::from_secs(until.as_seconds());
        say(response, "sunset", &httpdate::fmt_http_date(until));
    }
}

/// So many seconds, rounded up, and at least one: a client that comes back after them finds something.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

fn say(response: &mut Response, name: &'static str, value: &str) {
    // Digits and words of our own: always a value.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
