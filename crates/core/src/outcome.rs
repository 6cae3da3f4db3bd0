//! What came of one attempt, and the one table that says what an outcome is worth.

use serde::{Deserialize, Serialize};

use crate::identity::Generation;
use crate::time::Timestamp;

/// Outcomes kept in the record; a counter keeps the total. Twenty tell a story and stay far under the
/// size of a database item.
pub const OUTCOMES_KEPT: usize = 20;
/// How much of a target's answer is kept, in bytes.
pub const ANSWER_KEPT_BYTES: usize = 256;

/// How an attempt failed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The host name could not be resolved.
    Dns,
    /// No connection was made.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The attempt took longer than its timeout.
    Timeout,
    /// The connection broke, or what came back was not HTTP.
    Network,
    /// The address is one the relay does not send to.
    AddressRefused,
    /// The stored body is not there.
    BodyMissing,
    /// The stored body could not be read.
    BodyUnavailable,
    /// The stored body is not the one that was accepted. It is never sent.
    BodyCorrupt,
    /// A worker died during the attempt: nobody knows what the target did.
    Unknown,
}

impl ErrorKind {
    /// Every kind, in the order the documents list them.
    pub const ALL: [Self; 10] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Network,
        Self::AddressRefused,
        Self::BodyMissing,
        Self::BodyUnavailable,
        Self::BodyCorrupt,
        Self::Unknown,
    ];

    /// The kind as records, logs and queue attributes write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::AddressRefused => "address_refused",
            Self::BodyMissing => "body_missing",
            Self::BodyUnavailable => "body_unavailable",
            Self::BodyCorrupt => "body_corrupt",
            Self::Unknown => "unknown",
        }
    }
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the answer, or why there was none.
    pub result: Result<u16, ErrorKind>,
    /// The answer's `Retry-After`, as it stood there.
    pub retry_after: Option<String>,
    /// The first bytes of the answer, as text.
    pub answer: String,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_millis: u64,
}

/// An attempt as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Which attempt of its generation, from 1.
    pub attempt: u32,
    /// Which generation it belongs to; the first is 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub generation: Generation,
    /// When it began.
    pub at: Timestamp,
    /// The answer's status, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorKind>,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The first bytes of the answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

impl AttemptRecord {
    /// What is kept of an outcome. The answer is cut to [`ANSWER_KEPT_BYTES`].
    pub fn of(generation: Generation, attempt: u32, outcome: &Outcome) -> Self {
        let mut end = outcome.answer.len().min(ANSWER_KEPT_BYTES);
        while !outcome.answer.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            attempt,
            generation,
            at: outcome.started_at,
            status: outcome.result.ok(),
            error: outcome.result.err(),
            millis: outcome.duration_millis,
            answer: outcome.answer[..end].to_owned(),
        }
    }

    /// One line for queue attributes and logs: nothing of it comes from the target but its status.
    pub fn summary(&self) -> String {
        let result = match (self.status, self.error) {
            (Some(status), _) => format!("status {status}"),
            (None, Some(error)) => error.as_str().to_owned(),
            (None, None) => ErrorKind::Unknown.as_str().to_owned(),
        };
        format!("attempt {}: {result} after {} ms", self.attempt, self.millis)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_first(generation: &Generation) -> bool {
    *generation == Generation::default()
}

/// The attempts of a record with one more. Attempts that a dead worker left without an outcome are
/// filled in as unknown, and only the last [`OUTCOMES_KEPT`] stay.
#[must_use]
pub fn with_attempt(mut kept: Vec<AttemptRecord>, next: AttemptRecord) -> Vec<AttemptRecord> {
    let of_generation = kept.last().filter(|last| last.generation == next.generation);
    let last = of_generation.map_or(0, |last| last.attempt);
    let first_gap = last.saturating_add(1).max(next.attempt.saturating_sub(OUTCOMES_KEPT as u32));
    kept.extend((first_gap..next.attempt).map(|attempt| AttemptRecord {
        attempt,
        generation: next.generation,
        at: next.at,
        status: None,
        error: Some(ErrorKind::Unknown),
        millis: 0,
        answer: String::new(),
    }));
    kept.push(next);
    let surplus = kept.len().saturating_sub(OUTCOMES_KEPT);
    kept.drain(..surplus);
    kept
}

/// Why a message is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// Every attempt was made and none succeeded.
    AttemptsExhausted,
    /// The delivery deadline passed first.
    DeadlinePassed,
    /// The target answered with a redirect, which is never followed.
    Redirected,
    /// The target answered 410: it is gone for good.
    Gone,
    /// The target answered with another 4xx: sending the same again cannot help.
    Rejected,
    /// The target's address is one the relay does not send to.
    TargetRefused,
    /// The stored body is not the one that was accepted.
    BodyCorrupt,
    /// The queue item could not be read.
    Malformed,
    /// The queue gave the message up on its own.
    ReceiveCountExceeded,
}

impl DeadReason {
    /// Every reason, in the order the documents list them.
    pub const ALL: [Self; 9] = [
        Self::AttemptsExhausted,
        Self::DeadlinePassed,
        Self::Redirected,
        Self::Gone,
        Self::Rejected,
        Self::TargetRefused,
        Self::BodyCorrupt,
        Self::Malformed,
        Self::ReceiveCountExceeded,
    ];

    /// The reason as the API, records, logs and queue attributes write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::DeadlinePassed => "deadline_passed",
            Self::Redirected => "redirected",
            Self::Gone => "gone",
            Self::Rejected => "rejected",
            Self::TargetRefused => "target_refused",
            Self::BodyCorrupt => "body_corrupt",
            Self::Malformed => "malformed",
            Self::ReceiveCountExceeded => "receive_count_exceeded",
        }
    }

    /// Reads a reason as [`as_str`](Self::as_str) writes it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// What an outcome is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The target took the message.
    Delivered,
    /// Another attempt may succeed.
    Transient,
    /// No further attempt can succeed.
    Permanent(DeadReason),
}

/// The table: status or error to what it is worth.
pub const fn classify(result: Result<u16, ErrorKind>) -> Class {
    match result {
        Ok(200..=299) => Class::Delivered,
        Ok(300..=399) => Class::Permanent(DeadReason::Redirected),
        Ok(408 | 409 | 425 | 429) => Class::Transient,
        Ok(410) => Class::Permanent(DeadReason::Gone),
        Ok(400..=499) => Class::Permanent(DeadReason::Rejected),
        // 5xx, and statuses that HTTP does not define: the target is confused, which may pass.
        Ok(_) => Class::Transient,
        Err(ErrorKind::AddressRefused) => Class::Permanent(DeadReason::TargetRefused),
        Err(ErrorKind::BodyCorrupt) => Class::Permanent(DeadReason::BodyCorrupt),
        Err(
            ErrorKind::Dns
            | ErrorKind::Connect
            | ErrorKind::Tls
            | ErrorKind::Timeout
            | ErrorKind::Network
            | ErrorKind::BodyMissing
            | ErrorKind::BodyUnavailable
            | ErrorKind::Unknown,
        ) => Class::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(attempt: u32) -> AttemptRecord {
        AttemptRecord {
            attempt,
            generation: Generation::default(),
            at: Timestamp::from_millis(1),
            status: Some(503),
            error: None,
            millis: 5,
            answer: String::new(),
        }
    }

    #[test]
    fn every_status_has_its_class() {
        let mut table = String::new();
        let mut start = 100;
        for status in 101..=600 {
            let class = classify(Ok(start));
            if status == 600 || classify(Ok(status)) != class {
                table.push_str(&format!("{start}-{}: {class:?}\n", status - 1));
                start = status;
            }
        }
        expect_test::expect![[r#"
            100-199: Transient
            200-299: Delivered
            300-399: Permanent(Redirected)
            400-407: Permanent(Rejected)
            408-409: Transient
            410-410: Permanent(Gone)
            411-424: Permanent(Rejected)
            425-425: Transient
            426-428: Permanent(Rejected)
            429-429: Transient
            430-499: Permanent(Rejected)
            500-599: Transient
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn names_are_those_that_are_stored() {
        for kind in ErrorKind::ALL {
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.as_str().into()));
        }
        for reason in DeadReason::ALL {
            assert_eq!(serde_json::to_value(reason).ok(), Some(reason.as_str().into()));
            assert_eq!(DeadReason::parse(reason.as_str()), Some(reason));
        }
    }

    #[test]
    fn f10_an_attempt_without_an_outcome_is_marked_unknown() {
        let kept = with_attempt(vec![attempt(1)], attempt(3));
        let told: Vec<_> = kept.iter().map(|kept| (kept.attempt, kept.error)).collect();
        assert_eq!(told, [(1, None), (2, Some(ErrorKind::Unknown)), (3, None)]);
    }

    #[test]
    fn attempts_of_another_generation_leave_no_gap() {
        let second = AttemptRecord { generation: Generation(1), ..attempt(1) };
        let kept = with_attempt(vec![attempt(1), attempt(2)], second);
        let told: Vec<_> = kept.iter().map(|kept| (kept.generation.0, kept.attempt)).collect();
        assert_eq!(told, [(0, 1), (0, 2), (1, 1)]);
    }

    #[test]
    fn f28_only_the_last_attempts_are_kept() {
        let kept = (1..=50).fold(Vec::new(), |kept, number| with_attempt(kept, attempt(number)));
        assert_eq!(kept.len(), OUTCOMES_KEPT);
        assert_eq!(kept.first().map(|first| first.attempt), Some(31));
        assert_eq!(with_attempt(Vec::new(), attempt(1000)).len(), OUTCOMES_KEPT);
    }

    #[test]
    fn f28_long_answers_are_cut_between_characters() {
        let outcome = Outcome {
            result: Ok(500),
            retry_after: None,
            answer: "ä".repeat(ANSWER_KEPT_BYTES),
            started_at: Timestamp::from_millis(1),
            duration_millis: 1,
        };
        assert_eq!(
            AttemptRecord::of(Generation::default(), 1, &outcome).answer,
            "ä".repeat(ANSWER_KEPT_BYTES / 2)
        );
    }
}
