//! When the next attempt may be made. Time and chance are arguments.

use std::time::{Duration, SystemTime};

use crate::time::Timestamp;

/// When and how often a message is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in one generation, the first included.
    pub attempts_max: u32,
    /// Wait after the first failure, before jitter.
    pub base: Duration,
    /// How many times longer each further wait is.
    pub factor: f64,
    /// Longest wait.
    pub delay_max: Duration,
}

/// A number drawn uniformly from 0 up to, not including, 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter(f64);

impl Jitter {
    /// Takes the drawn number; one outside its range is brought to the nearest end.
    pub fn new(unit: f64) -> Self {
        Self(if unit.is_finite() { unit.clamp(0.0, 1.0) } else { 0.0 })
    }

    /// A part of `whole`, uniform from none of it to all of it.
    pub fn part_of(self, whole: Duration) -> Duration {
        whole.mul_f64(self.0)
    }
}

impl RetryPolicy {
    /// The wait after failed attempt number `attempt` (from 1): `base · factor^(attempt-1)`, at most
    /// `delay_max`, of which jitter takes up to half; never less than what the target asked for with
    /// `Retry-After`, as far as that is within `delay_max`. Jitter is added to what was asked for: a
    /// target that names one time to everybody is not called by everybody at that time.
    pub fn delay(&self, attempt: u32, jitter: Jitter, retry_after: Option<Duration>) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.factor.powi(exponent);
        let step =
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(self.delay_max);
        let spread = jitter.part_of(step / 2);
        let asked = retry_after.map_or(Duration::ZERO, |asked| asked.saturating_add(spread));
        (step / 2 + spread).max(asked.min(self.delay_max))
    }
}

/// Reads `Retry-After` (RFC 9110 section 10.2.3): seconds or an HTTP date. Garbage counts as absent,
/// a date in the past as no wait.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds still mean "very long".
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now.as_millis());
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            attempts_max: 3,
            base: Duration::from_secs(10),
            factor: 3.0,
            delay_max: Duration::from_secs(900),
        }
    }

    #[test]
    fn waits_grow_until_the_longest() {
        let waits: Vec<u64> =
            (1..=7).map(|n| policy().delay(n, Jitter::new(1.0), None).as_secs()).collect();
        assert_eq!(waits, [10, 30, 90, 270, 810, 900, 900]);
        let shortest = policy().delay(1, Jitter::new(0.0), None);
        assert_eq!(shortest, Duration::from_secs(5));
    }

    #[test]
    fn f18_retry_after_of_every_kind() {
        let now = Timestamp::from_millis(1_763_700_000_000); // 2025-11-21T04:40:00Z
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("31536000", Some(31_536_000)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Fri, 21 Nov 2025 04:41:00 GMT", Some(60)),
            ("Fri, 21 Nov 2025 04:39:00 GMT", Some(0)),
            ("Friday, 21-Nov-25 04:41:00 GMT", Some(60)),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn f18_a_retry_after_of_a_year_waits_as_long_as_the_longest() {
        let asked = Some(Duration::from_secs(31_536_000));
        assert_eq!(policy().delay(1, Jitter::new(0.5), asked), Duration::from_secs(900));
    }

    proptest! {
        #[test]
        fn a_wait_lies_between_half_a_step_and_the_longest(
            attempt in 1u32..2000, unit in 0.0f64..1.0, asked in proptest::option::of(0u64..10_000)
        ) {
            let asked = asked.map(Duration::from_secs);
            let wait = policy().delay(attempt, Jitter::new(unit), asked);
            prop_assert!(wait >= Duration::from_secs(5));
            prop_assert!(wait <= policy().delay_max);
            prop_assert!(wait >= asked.unwrap_or_default().min(policy().delay_max));
        }

        #[test]
        fn no_retry_after_makes_trouble(value in ".*") {
            let _ = retry_after(&value, Timestamp::from_millis(1));
        }
    }
}
