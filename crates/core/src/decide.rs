//! The decision after an attempt: delivered, again at a time, or given up.

use std::time::Duration;

use crate::outcome::{Class, DeadReason, ErrorKind, Outcome, classify};
use crate::retry::{Jitter, RetryPolicy, retry_after};
use crate::time::Timestamp;

/// Shortest wait after a stored body could not be read. That is trouble of the relay's own, which
/// lasts minutes when it lasts at all, and must not use up a message's attempts within seconds.
const STORE_TROUBLE_WAIT: Duration = Duration::from_secs(300);

/// What happens to a message after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is delivered.
    Delivered,
    /// It is tried again, not before this time.
    Retry {
        /// The earliest time of the next attempt.
        not_before: Timestamp,
    },
    /// It is dead.
    GiveUp(DeadReason),
}

impl Decision {
    /// The decision as logs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry { .. } => "retry",
            Self::GiveUp(reason) => reason.as_str(),
        }
    }
}

/// Decides what `outcome` of attempt number `attempt` (from 1) means for the message. An attempt that
/// could not begin before `deadline` is not waited for.
pub fn decide(
    outcome: &Outcome,
    attempt: u32,
    policy: &RetryPolicy,
    deadline: Timestamp,
    now: Timestamp,
    jitter: Jitter,
) -> Decision {
    match classify(outcome.result) {
        Class::Delivered => Decision::Delivered,
        Class::Permanent(reason) => Decision::GiveUp(reason),
        Class::Transient if attempt >= policy.attempts_max => {
            Decision::GiveUp(DeadReason::AttemptsExhausted)
        }
        Class::Transient => {
            let asked = match outcome.result {
                Err(ErrorKind::BodyMissing | ErrorKind::BodyUnavailable) => {
                    Some(STORE_TROUBLE_WAIT)
                }
                Ok(_) | Err(_) => {
                    outcome.retry_after.as_deref().and_then(|value| retry_after(value, now))
                }
            };
            let not_before = now.plus(policy.delay(attempt, jitter, asked));
            if not_before < deadline {
                Decision::Retry { not_before }
            } else {
                Decision::GiveUp(DeadReason::DeadlinePassed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(attempt: u32, result: Result<u16, ErrorKind>, asked: &str, expected: Expect) {
        let now = Timestamp::from_millis(1_000_000);
        let policy = RetryPolicy {
            attempts_max: 3,
            base: Duration::from_secs(10),
            factor: 3.0,
            delay_max: Duration::from_secs(900),
        };
        let outcome = Outcome {
            result,
            retry_after: (!asked.is_empty()).then(|| asked.to_owned()),
            answer: String::new(),
            started_at: now,
            duration_millis: 0,
        };
        let deadline = now.plus(Duration::from_secs(600));
        let told = match decide(&outcome, attempt, &policy, deadline, now, Jitter::new(1.0)) {
            Decision::Delivered => "delivered".to_owned(),
            Decision::Retry { not_before } => {
                format!("retry in {} s as attempt {}", not_before.since(now).as_secs(), attempt + 1)
            }
            Decision::GiveUp(reason) => format!("dead: {}", reason.as_str()),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn every_kind_of_outcome_has_its_decision() {
        check(1, Ok(204), "", expect!["delivered"]);
        check(1, Ok(503), "", expect!["retry in 10 s as attempt 2"]);
        check(2, Ok(503), "", expect!["retry in 30 s as attempt 3"]);
        check(3, Ok(503), "", expect!["dead: attempts_exhausted"]);
        check(1, Ok(503), "120", expect!["retry in 125 s as attempt 2"]);
        check(1, Ok(429), "2", expect!["retry in 10 s as attempt 2"]);
        check(1, Ok(503), "31536000", expect!["dead: deadline_passed"]);
        check(1, Ok(302), "", expect!["dead: redirected"]);
        check(1, Ok(404), "", expect!["dead: rejected"]);
        check(1, Ok(410), "", expect!["dead: gone"]);
        check(1, Err(ErrorKind::Timeout), "", expect!["retry in 10 s as attempt 2"]);
        check(3, Err(ErrorKind::Connect), "", expect!["dead: attempts_exhausted"]);
        check(1, Err(ErrorKind::AddressRefused), "", expect!["dead: target_refused"]);
        check(1, Err(ErrorKind::BodyCorrupt), "", expect!["dead: body_corrupt"]);
        check(1, Err(ErrorKind::BodyMissing), "", expect!["retry in 305 s as attempt 2"]);
        check(2, Err(ErrorKind::BodyUnavailable), "", expect!["retry in 315 s as attempt 3"]);
        // An attempt beyond the limit is still delivered if the target took it.
        check(4, Ok(200), "", expect!["delivered"]);
    }
}
