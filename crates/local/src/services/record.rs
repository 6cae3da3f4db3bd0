//! Who called what: every call that reaches a local service is noted as caller, IAM action and
//! resource, so that a test can compare the roles of the template with what the functions do.
//! It judges nothing and refuses nothing. What is counted of the calls goes the same way, to a meter.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::{HeaderMap, Uri};
use serde::Serialize;

use crate::metrics::Meter;

/// Distinct calls kept at most, so that a long run cannot grow without end. A stack makes a few
/// dozen; further ones are dropped with a warning.
const CALLS_MAX: usize = 10_000;

/// Path under which each service answers the record as JSON: an array of [`Call`]. No queue, table
/// operation or bucket can have that name.
pub const RECORD_PATH: &str = "/_recorded";

/// One kind of call, noted once however often it was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Call {
    /// Access key id the call was signed with; `-` if it was not signed.
    pub caller: String,
    /// IAM action that must be allowed for the call, such as `sqs:SendMessage`.
    pub action: String,
    /// Table (`name` or `name/index/name`), queue name, bucket, or bucket and the first part of
    /// the key (`bucket/payloads/*`), or `secret:` and the end of a secret's ARN; `*` where the action has
    /// no narrower one.
    pub resource: String,
}

/// The record; cheap to clone, all clones are the same record.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    calls: Arc<Mutex<BTreeSet<Call>>>,
    meter: Meter,
}

impl Recorder {
    /// Notes one call.
    pub fn record(&self, caller: &str, action: &str, resource: &str) {
        let call = Call {
            caller: caller.to_owned(),
            action: action.to_owned(),
            resource: resource.to_owned(),
        };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() < CALLS_MAX {
            calls.insert(call);
        } else if !calls.contains(&call) {
            tracing::warn!(?call, "the record of calls is full ({CALLS_MAX}): not noted");
        }
    }

    /// Where the services count what they do.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// All calls so far, sorted.
    pub fn snapshot(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The snapshot as the services answer it at [`RECORD_PATH`].
    pub(crate) fn to_json(&self) -> String {
        serde_json::json!(self.snapshot()).to_string()
    }
}

/// Caller of an unsigned request.
pub(crate) const UNSIGNED: &str = "-";

/// Access key id of a request signed with Signature Version 4, by header or in the query.
pub(crate) fn access_key_id(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers.get(::http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let credential = match header {
        Some(text) => text.split_once("Credential=").map(|(_, rest)| rest),
        None => uri
            .query()
            .and_then(|query| query.split('&').find_map(|p| p.strip_prefix("X-Amz-Credential="))),
    }?;
    // The parts of a credential are separated by slashes, which a query may write as %2F.
    let id = credential.split(['/', '%', ',']).next()?;
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_caller_is_found_in_header_and_query() {
        let mut headers = HeaderMap::new();
        let uri: Uri =
            "/b/k?X-Amz-Credential=LOCALWORKER%2F20261121%2Fus-east-1&x=y".parse().unwrap();
        assert_eq!(access_key_id(&headers, &uri).as_deref(), Some("LOCALWORKER"));
        let text = "AWS4-HMAC-SHA256 Credential=LOCALINGEST/20261121/us-east-1/sqs/aws4_request, \
                    SignedHeaders=host, Signature=00";
        headers.insert("authorization", text.parse().unwrap());
        assert_eq!(access_key_id(&headers, &uri).as_deref(), Some("LOCALINGEST"));
        headers.insert("authorization", "Bearer x".parse().unwrap());
        assert_eq!(access_key_id(&headers, &uri), None);
    }

    #[test]
    fn a_call_is_noted_once_and_the_record_has_an_end() {
        let recorder = Recorder::default();
        for number in 0..CALLS_MAX + 5 {
            recorder.record("a", "s3:GetObject", &number.to_string());
            recorder.record("a", "s3:GetObject", &number.to_string());
        }
        assert_eq!(recorder.snapshot().len(), CALLS_MAX);
    }
}
