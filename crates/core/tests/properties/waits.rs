//! Waits between attempts: a target may ask for anything, the wait stays within its bounds.

use std::time::Duration;

use proptest::prelude::*;
use relay_core::decide::{Decision, decide};
use relay_core::outcome::{Class, ErrorKind, Outcome, classify};
use relay_core::retry::{Jitter, RetryPolicy, retry_after};
use relay_core::time::Timestamp;

use crate::more;
use crate::mutation::mutated;

/// Beyond this point no HTTP date can be written, in milliseconds: the end of 9999.
const LAST_MILLIS: u64 = 253_402_300_799_000;

/// Every policy that the settings allow.
fn policy() -> impl Strategy<Value = RetryPolicy> {
    (1..=100_u32, 0.1..=900.0_f64, 1.0..=10.0_f64, 0.1..=86_400.0_f64).prop_map(
        |(attempts_max, base, factor, most)| RetryPolicy {
            attempts_max,
            base: Duration::from_secs_f64(base),
            factor,
            delay_max: Duration::from_secs_f64(most),
        },
    )
}

/// What targets write, and what they should not.
fn asked() -> impl Strategy<Value = String> {
    let date = "(Mon|Fri|Sunday), ([0-3][0-9] (Jan|Nov|Dec) [0-9]{4}|[0-3][0-9]-Nov-[0-9]{2}) [0-2][0-9]:[0-6][0-9]:[0-6][0-9] GMT";
    prop_oneof![
        3 => "[0-9]{1,25}",
        3 => date,
        2 => mutated("Fri, 21 Nov 2025 04:41:00 GMT".to_owned()),
        1 => "\\PC{0,30}",
        1 => "[+-]?[0-9]{1,5}(\\.[0-9]{1,3})?(e[0-9]{1,3})?[ ,;]?[0-9]{0,3}",
        1 => "[\u{660}-\u{669}]{1,4}",
    ]
}

fn result() -> impl Strategy<Value = Result<u16, ErrorKind>> {
    let kinds = prop::sample::select(ErrorKind::ALL.to_vec());
    prop_oneof![any::<u16>().prop_map(Ok), (100..600_u16).prop_map(Ok), kinds.prop_map(Err)]
}

proptest! {
    #![proptest_config(more(4))]

    #[test]
    fn a_wait_is_never_shorter_than_half_its_step_nor_longer_than_the_longest(
        policy in policy(), attempt: u32, unit: f64, asked in prop::option::of(any::<u64>())
    ) {
        let asked = asked.map(Duration::from_secs);
        let wait = policy.delay(attempt, Jitter::new(unit), asked);
        prop_assert!(wait <= policy.delay_max);
        prop_assert!(wait >= policy.base.min(policy.delay_max) / 2);
        prop_assert!(wait >= asked.unwrap_or_default().min(policy.delay_max));
    }

    #[test]
    fn waits_do_not_shrink_from_attempt_to_attempt_and_stay_at_the_longest(
        policy in policy(), attempt in 1..200_u32, unit in 0.0..1.0_f64, asked in prop::option::of(0..2000_u64)
    ) {
        let of = |attempt: u32| policy.delay(attempt, Jitter::new(unit), asked.map(Duration::from_secs));
        prop_assert!(of(attempt) <= of(attempt + 1));
        let top = |attempt: u32| policy.delay(attempt, Jitter::new(1.0), None);
        if top(attempt) == policy.delay_max {
            prop_assert_eq!(top(attempt + 1), policy.delay_max);
        }
    }

    #[test]
    fn more_chance_is_a_longer_wait_up_to_twice_the_shortest(policy in policy(), attempt in 1..50_u32, units in [0.0..1.0_f64, 0.0..1.0]) {
        let of = |unit: f64| policy.delay(attempt, Jitter::new(unit), None);
        prop_assert!(of(units[0].min(units[1])) <= of(units[0].max(units[1])));
        // A nanosecond for the halving.
        prop_assert!(of(1.0) <= of(0.0) * 2 + Duration::from_nanos(1));
    }

    #[test]
    fn f18_whatever_a_target_asks_for_is_read_or_absent(value in asked(), now in 0..=u64::MAX) {
        let digits = value.trim();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let read = retry_after(&value, Timestamp::from_millis(now));
        if is_number {
            prop_assert_eq!(read, Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX))));
        } else if let Some(wait) = read {
            // A date: no later than the last one that can be written.
            prop_assert!(wait <= Duration::from_millis(LAST_MILLIS.saturating_sub(now)), "{value} {wait:?}");
            prop_assert!(value.contains(':'), "{value}");
        }
    }

    #[test]
    fn f18_a_date_is_that_many_seconds_away(at in 0..LAST_MILLIS / 1000, now in 0..LAST_MILLIS) {
        let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(at));
        let wait = Duration::from_millis((at * 1000).saturating_sub(now));
        prop_assert_eq!(retry_after(&date, Timestamp::from_millis(now)), Some(wait), "{}", date);
    }

    #[test]
    fn f18_a_decision_keeps_attempts_deadline_and_bounds_whatever_was_answered(
        policy in policy(), attempt in 1..120_u32, result in result(), asked in prop::option::of(asked()),
        now in 0..u64::MAX, patience in 0..2_000_000_u64, unit: f64
    ) {
        let now = Timestamp::from_millis(now);
        let deadline = now.plus(Duration::from_millis(patience));
        let outcome = Outcome { result, retry_after: asked, answer: String::new(), started_at: now, duration_millis: 0 };
        let decision = decide(&outcome, attempt, &policy, deadline, now, Jitter::new(unit));
        match (classify(result), decision) {
            (Class::Delivered, decision) => prop_assert_eq!(decision, Decision::Delivered),
            (Class::Permanent(reason), decision) => prop_assert_eq!(decision, Decision::GiveUp(reason)),
            (Class::Transient, Decision::Retry { not_before }) => {
                prop_assert!(attempt < policy.attempts_max);
                prop_assert!(not_before < deadline);
                prop_assert!(not_before.since(now) <= policy.delay_max);
            }
            (Class::Transient, decision) => prop_assert!(matches!(decision, Decision::GiveUp(_)), "{decision:?}"),
        }
    }
}
