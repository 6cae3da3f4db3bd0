//! What every keeper of shared buckets must do. Time is an argument of the port, so no case waits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use relay_core::access::{RateLimit, take};
use relay_core::ports::Buckets;
use relay_core::time::Timestamp;

use super::{Case, cases};
use crate::Chance;
use crate::sample::{START, at};

/// Buckets under test.
pub type Subject = Arc<dyn Buckets>;

/// How many environments take at once.
const AT_ONCE: usize = 12;
/// Takes of the case that goes through the states of a bucket.
const WALK_STEPS: usize = 200;

/// Every case. They share the subject; each has a bucket of its own.
pub fn all() -> Vec<Case<Subject>> {
    use self as suite;
    cases![suite::{
        a_new_bucket_is_full_and_an_empty_one_gives_nothing,
        tokens_come_back_at_the_rate,
        at_least_one_token_is_wanted,
        too_few_are_left_in_the_bucket,
        every_take_is_the_one_that_the_contract_computes,
        takes_at_once_never_give_more_than_there_is,
        takes_at_once_lose_nothing_in_a_bucket_that_has_enough,
        a_bucket_that_was_full_for_long_holds_no_more_than_its_burst,
        a_limit_that_was_changed_counts_at_once,
        buckets_do_not_meet,
    }]
}

/// Runs every case.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all(buckets: Subject) {
    super::run(all(), |_| std::future::ready(Arc::clone(&buckets))).await;
}

/// A token every 100 ms, ten at once.
const TEN: RateLimit = RateLimit { per_second: 10, burst: 10 };

async fn granted(
    buckets: &Subject,
    name: &str,
    limit: RateLimit,
    wanted: u32,
    now: Timestamp,
) -> u32 {
    buckets.take(name, limit, wanted, now).await.unwrap().granted
}

async fn a_new_bucket_is_full_and_an_empty_one_gives_nothing(buckets: Subject) {
    let first = buckets.take("new", TEN, 4, START).await.unwrap();
    assert_eq!((first.granted, first.left), (4, 6));
    assert_eq!(first.full_after, Duration::from_millis(400));
    // Fewer than are wanted, if there are fewer.
    let second = buckets.take("new", TEN, 9, START).await.unwrap();
    assert_eq!((second.granted, second.left), (6, 0));
    for _ in 0..2 {
        let third = buckets.take("new", TEN, 1, START).await.unwrap();
        assert_eq!((third.granted, third.left), (0, 0));
        assert_eq!(third.retry_after, Duration::from_millis(100));
        assert_eq!(third.full_after, Duration::from_secs(1));
    }
}

async fn tokens_come_back_at_the_rate(buckets: Subject) {
    assert_eq!(granted(&buckets, "rate", TEN, 10, START).await, 10);
    for (millis, expected) in [(99, 0), (100, 1), (199, 0), (450, 3), (1_300, 9), (9_000, 10)] {
        let taken = granted(&buckets, "rate", TEN, 10, at(millis)).await;
        assert_eq!(taken, expected, "after {millis} ms");
    }
}

async fn at_least_one_token_is_wanted(buckets: Subject) {
    assert_eq!(granted(&buckets, "none", TEN, 0, START).await, 1);
    // More than a bucket can hold is all that it holds.
    assert_eq!(granted(&buckets, "none", TEN, u32::MAX, START).await, 9);
}

async fn too_few_are_left_in_the_bucket(buckets: Subject) {
    let enough = |enough, wanted, millis| {
        let buckets = Arc::clone(&buckets);
        async move { buckets.take_enough("enough", TEN, enough, wanted, at(millis)).await.unwrap() }
    };
    assert_eq!(enough(6, 6, 0).await.granted, 6);
    for _ in 0..2 {
        let refused = enough(5, 7, 0).await;
        assert_eq!((refused.granted, refused.left), (0, 4));
        assert_eq!(refused.retry_after, Duration::from_millis(100));
    }
    // As many as are enough, or more.
    assert_eq!(enough(5, 7, 100).await.granted, 5);
    assert_eq!(enough(2, 9, 400).await.granted, 3);
    // A bucket that is full again has enough for whatever it can hold.
    assert_eq!(enough(u32::MAX, 1, 60_000).await.granted, 10);
}

async fn every_take_is_the_one_that_the_contract_computes(buckets: Subject) {
    let mut chance = Chance::seeded(7);
    let mut pick = |choices: &[u64]| *chance.pick(choices).unwrap();
    for (name, limit) in [
        ("walk-a", RateLimit { per_second: 3, burst: 20 }),
        ("walk-b", RateLimit { per_second: 1_000_000, burst: 1000 }),
        ("walk-c", RateLimit { per_second: 999, burst: 1_000_000 }),
    ] {
        let (mut model, mut millis) = (None, 1000);
        for step in 0..WALK_STEPS {
            // Now and then by a clock that is behind.
            millis += pick(&[0, 0, 1, 1, 50, 333, 2000]);
            let now = at(millis - pick(&[0, 0, 700]));
            let wanted = u32::try_from(pick(&[1, 1, 2, 10, 19, 1000])).unwrap();
            let expected = take(limit, model, wanted, now);
            let taken = buckets.take(name, limit, wanted, now).await.unwrap();
            assert_eq!(taken, expected, "step {step} of {name}");
            model = if taken.granted > 0 { Some(taken.full_at) } else { model };
        }
    }
}

/// How many tokens so many takes at once get, and how many of the takes failed.
async fn at_once(
    buckets: &Subject,
    name: &'static str,
    limit: RateLimit,
    wanted: u32,
) -> (u32, usize) {
    let take = |_| {
        let buckets = Arc::clone(buckets);
        tokio::spawn(async move { buckets.take(name, limit, wanted, START).await })
    };
    let tasks: Vec<_> = (0..AT_ONCE).map(take).collect();
    let (mut sum, mut failed) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(taken) => sum += taken.granted,
            Err(_) => failed += 1,
        }
    }
    (sum, failed)
}

async fn takes_at_once_never_give_more_than_there_is(buckets: Subject) {
    let limit = RateLimit { per_second: 1, burst: 50 };
    let (sum, failed) = at_once(&buckets, "race", limit, 7).await;
    let rest = granted(&buckets, "race", limit, 50, START).await;
    assert_eq!(sum + rest, 50, "{failed} failed");
    assert!(failed < AT_ONCE, "every take failed");
}

async fn takes_at_once_lose_nothing_in_a_bucket_that_has_enough(buckets: Subject) {
    let limit = RateLimit { per_second: 1, burst: 1000 };
    let wanted = 7;
    assert_eq!(granted(&buckets, "plenty", limit, 1, START).await, 1);
    let all = u32::try_from(AT_ONCE).unwrap() * wanted;
    assert_eq!(at_once(&buckets, "plenty", limit, wanted).await, (all, 0));
    let rest = buckets.take("plenty", limit, 1, START).await.unwrap();
    assert_eq!(rest.left, 1000 - 1 - all - 1);
}

async fn a_bucket_that_was_full_for_long_holds_no_more_than_its_burst(buckets: Subject) {
    assert_eq!(granted(&buckets, "long", TEN, 1, START).await, 1);
    let later = START.plus(Duration::from_hours(40));
    assert_eq!(granted(&buckets, "long", TEN, 100, later).await, 10);
    assert_eq!(granted(&buckets, "long", TEN, 100, later).await, 0);
}

async fn a_limit_that_was_changed_counts_at_once(buckets: Subject) {
    let slow = RateLimit { per_second: 1, burst: 1000 };
    assert_eq!(granted(&buckets, "changed", slow, 1000, START).await, 1000);
    assert_eq!(granted(&buckets, "changed", TEN, 1, at(1)).await, 1);
    assert_eq!(granted(&buckets, "changed", TEN, 10, at(1)).await, 9);
    assert_eq!(granted(&buckets, "changed", TEN, 10, at(1)).await, 0);
}

async fn buckets_do_not_meet(buckets: Subject) {
    assert_eq!(granted(&buckets, "KEY#one", TEN, 10, START).await, 10);
    for other in ["KEY#on", "KEY#one1", "ADDRESS#one", "ADDRESS#2001:db8::/64"] {
        assert_eq!(granted(&buckets, other, TEN, 10, START).await, 10, "{other}");
    }
}
