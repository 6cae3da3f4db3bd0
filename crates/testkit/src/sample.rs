//! Messages, lives and attempts for tests: plain ones, to be changed where a test cares.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use bytes::Bytes;
use relay_core::access::{AllowedIps, KeyRules, MasterSecrets, Scope, Senders};
use relay_core::body::Body;
use relay_core::destination::{Method, Target};
use relay_core::envelope::VERSION;
use relay_core::fingerprint::Fingerprint;
use relay_core::headers::Headers;
use relay_core::identity::{
    AcceptedId, CorrelationId, Generation, LeaseId, MessageId, RelayId, SenderId,
};
use relay_core::lifecycle::{ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::{AttemptRecord, Outcome};
use relay_core::time::Timestamp;

/// When samples are accepted. Far in the future, so that no service that goes by the real time takes
/// them for expired.
pub const START: Timestamp = Timestamp::from_millis(4_102_444_800_000);
/// How long samples live.
pub const TTL: Duration = Duration::from_secs(3600);
/// How long samples of claims hold.
pub const LEASE: Duration = Duration::from_secs(30);
/// How many attempts samples of claims allow.
pub const ATTEMPTS_MAX: u32 = 3;

/// The point `millis` milliseconds after [`START`].
pub fn at(millis: u64) -> Timestamp {
    START.plus(Duration::from_millis(millis))
}

/// A message that the sender `test` calls `name`, accepted at [`START`]; another `acceptance` is
/// another accepted id.
pub fn message(name: &str, acceptance: u8) -> Message {
    let sender_id = SenderId::parse("test").unwrap();
    let message_id = MessageId::parse(name).unwrap();
    let target = Target::parse("https://api.example.com/hooks?a=1").unwrap();
    let headers = Headers::parse([("content-type", "application/json"), ("x-a", "\"1\"")]).unwrap();
    let body = Body::Inline(Bytes::from_static(b"{\"price\": 0.10}"));
    Message {
        id: RelayId::of(&sender_id, &message_id),
        sender_id,
        message_id,
        accepted_id: AcceptedId::from_random([acceptance; 16]),
        fingerprint: Fingerprint::of(Method::Post, &target, &headers, body.sha256(), None),
        target,
        method: Method::Post,
        headers,
        body,
        timestamp: None,
        correlation_id: CorrelationId::parse("correlation-1").unwrap(),
        created_at: START,
        expires_at: START.plus(TTL),
    }
}

/// The text of an envelope as if it were of this version.
pub fn of_version(envelope: &str, version: u32) -> String {
    let (_, fields) = envelope.split_once(',').unwrap();
    format!("{{\"v\":{version},{fields}")
}

/// The text of an envelope as if newer code had written it.
pub fn newer(envelope: &str) -> String {
    of_version(envelope, VERSION + 1)
}

/// A hold of this number.
pub fn lease_id(number: u8) -> LeaseId {
    LeaseId::from_random([number; 16])
}

/// A claim for `life` at `now`, holding for [`LEASE`], of at most [`ATTEMPTS_MAX`] attempts.
pub fn claim(life: &Life, lease: u8, now: Timestamp) -> ClaimRequest {
    ClaimRequest {
        life: life.clone(),
        lease_id: lease_id(lease),
        lease_until: now.plus(LEASE),
        attempts_max: ATTEMPTS_MAX,
        now,
    }
}

/// The record of an attempt that the target answered with `status`.
pub fn attempt(number: u32, status: u16) -> AttemptRecord {
    let outcome = Outcome {
        result: Ok(status),
        retry_after: None,
        answer: format!("answer {status}"),
        started_at: START,
        duration_millis: 12,
    };
    AttemptRecord::of(Generation::default(), number, &outcome)
}

/// What a key may do if nothing limits it.
pub fn key_rules() -> KeyRules {
    KeyRules {
        name: "test".to_owned(),
        senders: Senders::All,
        scopes: Scope::ALL.into(),
        allowed_ips: AllowedIps::default(),
        expires_at: None,
        rate_limit: None,
        require_signature: false,
    }
}

/// One master secret, called `1`. It opens nothing but tests.
pub fn masters() -> MasterSecrets {
    let secret = "sample-master-secret-".repeat(3);
    MasterSecrets::parse(&format!(r#"{{"current":"1","1":"{secret}"}}"#)).unwrap()
}
