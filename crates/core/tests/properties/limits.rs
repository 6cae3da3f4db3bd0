//! Rate limits: however many environments share a bucket, and whatever their clocks say, no more passes than the
//! documented bound, and a busy key costs few writes.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use relay_core::access::{
    Allowance, BURST_MAX, FullAt, RATE_PER_SECOND_MAX, RateLimit, Spend, plain_addition, take,
};
use relay_core::time::Timestamp;

use crate::{config, more};

/// When the cases begin.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Requests of one case.
const REQUESTS_MAX: usize = 300;
/// How long a slice lives, in milliseconds, as it is documented.
const LIFE_MILLIS: u64 = 30_000;
/// How far clocks differ at most, in milliseconds: the minute that is documented.
const SKEW_MILLIS_MAX: u64 = 60_000;

fn limit() -> impl Strategy<Value = RateLimit> {
    let ordinary = (1..=200_u32, 1..=400_u32);
    let any = (1..=RATE_PER_SECOND_MAX, 1..=BURST_MAX);
    prop_oneof![3 => ordinary, 1 => any]
        .prop_map(|(per_second, burst)| RateLimit { per_second, burst })
}

/// Who does something, and how many milliseconds after whoever did before.
fn steps() -> impl Strategy<Value = Vec<(prop::sample::Index, u64)>> {
    let wait = prop_oneof![6 => Just(0), 4 => 0..20_u64, 2 => 0..1000_u64, 1 => 0..40_000_u64];
    vec((any::<prop::sample::Index>(), wait), 1..REQUESTS_MAX)
}

fn after(millis: u64) -> Timestamp {
    START.plus(Duration::from_millis(millis))
}

/// The largest slice, as it is documented.
fn slice_max(limit: RateLimit) -> u32 {
    (limit.burst / 8).clamp(1, 1000)
}

/// How many tokens come back in so many milliseconds, rounded up.
fn refill(limit: RateLimit, millis: u64) -> u64 {
    (u64::from(limit.per_second) * millis).div_ceil(1000)
}

/// Asserts that in no stretch of time more happened than `most` of its length in milliseconds says. `events` are
/// milliseconds with how much happened then, in order.
fn within(events: &[(u64, u64)], most: impl Fn(u64) -> u64) -> Result<(), TestCaseError> {
    for (first, (from, _)) in events.iter().enumerate() {
        let mut sum = 0;
        for (until, count) in &events[first..] {
            sum += count;
            let most = most(until - from);
            prop_assert!(sum <= most, "{sum} in {} ms are more than {most}", until - from);
        }
    }
    Ok(())
}

/// Environments that share a bucket.
struct World {
    limit: RateLimit,
    bucket: Option<FullAt>,
    environments: Vec<(Allowance, u64)>,
    takes: u64,
}

impl World {
    fn new(limit: RateLimit, ahead_millis: &[u64]) -> Self {
        Self::of(Allowance::default(), limit, ahead_millis)
    }

    fn of(unused: Allowance, limit: RateLimit, ahead_millis: &[u64]) -> Self {
        let environments = ahead_millis.iter().map(|ahead| (unused, *ahead)).collect();
        Self { limit, bucket: None, environments, takes: 0 }
    }

    /// Whether a request passes that comes to this environment so many milliseconds after the start.
    fn request(&mut self, environment: usize, millis: u64) -> bool {
        let (allowance, ahead) = &mut self.environments[environment];
        let now = after(millis + *ahead);
        let wanted = match allowance.spend(self.limit, now) {
            Spend::Passed(_) => return true,
            Spend::Refused(_) => return false,
            Spend::Take { wanted, .. } => wanted,
        };
        let taken = take(self.limit, self.bucket, wanted, now);
        assert!(taken.granted <= wanted && wanted <= slice_max(self.limit));
        self.takes += 1;
        if taken.granted > 0 {
            self.bucket = Some(taken.full_at);
        }
        allowance.taken(&taken, 1, now);
        match allowance.spend(self.limit, now) {
            Spend::Passed(standing) => {
                assert!(taken.granted > 0 && standing.remaining < self.limit.burst.max(1));
                true
            }
            Spend::Refused(standing) => {
                assert!(taken.granted == 0 && !standing.reset.is_zero());
                false
            }
            Spend::Take { .. } => panic!("whatever was taken answers the request"),
        }
    }
}

proptest! {
    #![proptest_config(more(2))]

    #[test]
    fn no_more_leaves_a_bucket_than_its_burst_and_what_came_back(
        limit in limit(), steps in steps(), ahead in vec(0..=SKEW_MILLIS_MAX, 1..5), wanted in vec(1..2000_u32, 1..9)
    ) {
        let skew = ahead.iter().max().unwrap() - ahead.iter().min().unwrap();
        let (mut bucket, mut millis, mut events) = (None, 0, Vec::new());
        for (number, (environment, wait)) in steps.iter().enumerate() {
            millis += wait;
            let now = after(millis + environment.get(&ahead));
            let taken = take(limit, bucket, wanted[number % wanted.len()], now);
            bucket = Some(taken.full_at);
            events.push((millis, u64::from(taken.granted)));
        }
        within(&events, |millis| u64::from(limit.burst) + refill(limit, millis + skew))?;
    }

    #[test]
    fn no_more_requests_pass_than_is_documented(
        limit in limit(), steps in steps(), ahead in vec(0..=SKEW_MILLIS_MAX, 1..5)
    ) {
        let skew = ahead.iter().max().unwrap() - ahead.iter().min().unwrap();
        let mut world = World::new(limit, &ahead);
        let (mut millis, mut events) = (0, Vec::new());
        for (environment, wait) in steps {
            millis += wait;
            let passed = world.request(environment.index(ahead.len()), millis);
            events.push((millis, u64::from(passed)));
        }
        let held = u64::from(slice_max(limit)) * ahead.len() as u64;
        within(&events, |millis| {
            let by_life = refill(limit, millis + skew + LIFE_MILLIS);
            let by_slices = refill(limit, millis + skew) + held;
            u64::from(limit.burst) + by_life.min(by_slices)
        })?;
    }

    #[test]
    fn what_is_taken_one_by_one_is_exact_in_any_number_of_environments(
        per_second in prop_oneof![Just(1_u32), Just(10), Just(50), 1..=1000_u32], burst in 1..=100_u32, environments in 1..20_usize, requests in vec(any::<prop::sample::Index>(), 120)
    ) {
        let limit = RateLimit { per_second, burst };
        let mut world = World::of(Allowance::one_by_one(), limit, &vec![0; environments]);
        let passed = requests.iter().map(|environment| world.request(environment.index(environments), 0));
        let passed: Vec<_> = passed.collect();
        let count = u32::try_from(passed.iter().filter(|passed| **passed).count()).unwrap();
        // What a token costs is rounded up to a microsecond, which may cost the last one.
        let rounds = 1_000_000 % per_second != 0;
        prop_assert!(count == burst || (rounds && count == burst - 1), "{count} of {burst}");
        prop_assert!(passed.is_sorted_by_key(|passed| !passed), "one passes after one was refused");
    }

    #[test]
    fn an_allowance_passes_what_it_took_and_only_while_that_lives(
        limit in limit(), waits in vec(prop_oneof![9 => 0..50_u64, 1 => 0..60_000_u64], 1..REQUESTS_MAX)
    ) {
        let (mut allowance, mut bucket, mut now) = (Allowance::default(), None, START);
        let (mut left, mut taken_at) = (0, START);
        for wait in waits {
            now = now.plus(Duration::from_millis(wait));
            match allowance.spend(limit, now) {
                Spend::Passed(_) => {
                    prop_assert!(left > 0, "nothing was left");
                    prop_assert!(now.since(taken_at) < Duration::from_millis(LIFE_MILLIS));
                    left -= 1;
                }
                Spend::Refused(standing) => {
                    prop_assert!(left == 0 || now.since(taken_at) >= Duration::from_millis(LIFE_MILLIS));
                    prop_assert!(standing.remaining == 0 && !standing.reset.is_zero());
                    // No client is held back for long by what an environment remembers.
                    prop_assert!(standing.reset <= Duration::from_millis(1001), "{:?}", standing.reset);
                }
                Spend::Take { wanted, .. } => {
                    let taken = take(limit, bucket, wanted, now);
                    bucket = Some(taken.full_at);
                    allowance.taken(&taken, 1, now);
                    (left, taken_at) = (taken.granted, now);
                }
            }
        }
    }

    #[test]
    fn a_plain_addition_is_a_take(
        limit in limit(), wanted in 0..3000_u32, millis in 0..1_000_000_u64, place: prop::sample::Index, outside in 1..1_000_000_000_u64
    ) {
        let now = after(millis);
        let Some((lowest, highest, cost)) = plain_addition(limit, wanted, now) else {
            return Err(TestCaseError::fail("every bucket can give what it can hold"));
        };
        let width = usize::try_from(highest.0 - lowest.0).unwrap();
        let near = [lowest.0, highest.0, lowest.0 + place.index(width + 1) as u64];
        for before in near {
            let taken = take(limit, Some(FullAt(before)), wanted, now);
            prop_assert_eq!(taken.full_at, FullAt(before + cost));
            prop_assert_eq!(taken.granted, wanted.min(limit.burst).max(1));
            prop_assert!(taken.pause.is_zero());
        }
        // One that is full stays where it is, and above the range there are fewer than are wanted.
        let early = take(limit, Some(FullAt(lowest.0.saturating_sub(outside))), wanted, now);
        prop_assert_eq!(early, take(limit, None, wanted, now));
        let tokens = take(limit, Some(FullAt(highest.0 + 1)), wanted, now).granted;
        prop_assert!(tokens <= wanted.min(limit.burst).max(1));
    }

    #[test]
    fn a_take_says_how_the_bucket_stands(
        limit in limit(), before in 0..100_000_000_u64, wanted in 1..3000_u32, millis in 0..100_000_u64
    ) {
        let now = after(millis);
        let taken = take(limit, Some(FullAt(START.as_millis() * 1000 + before)), wanted, now);
        prop_assert!(taken.granted <= wanted && taken.granted + taken.left <= limit.burst);
        if taken.granted == 0 {
            // A millisecond for a clock that has no microseconds.
            let later = now.plus(taken.retry_after + Duration::from_millis(1));
            prop_assert!(take(limit, Some(taken.full_at), 1, later).granted == 1);
        }
        let full = now.plus(taken.full_after + Duration::from_millis(1));
        prop_assert_eq!(take(limit, Some(taken.full_at), limit.burst, full).granted, limit.burst);
        prop_assert_eq!(taken.pause.is_zero(), taken.granted == wanted.min(limit.burst));
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn another_limit_holds_nobody_back_for_longer_than_a_minute(
        per_second in 1..=3_u32, burst in 200..=400_u32, new in limit(), wanted in 1..2000_u32, millis in 0..400_000_u64
    ) {
        // Slow and large, so that what it remembers is minutes ahead of the new one.
        let old = RateLimit { per_second, burst };
        let empty = take(old, None, old.burst, START).full_at;
        let early = take(new, Some(empty), wanted, after(millis));
        // A token comes back within a second at every rate.
        let later = take(new, Some(empty), wanted, after(millis + SKEW_MILLIS_MAX + 1001));
        prop_assert!(early.granted.max(later.granted) >= 1, "{early:?} {later:?}");
    }
}

/// Requests of a minute, evenly spread over the environments: how many passed, were refused, and were takes.
fn minute(limit: RateLimit, environments: usize, per_second: u64) -> (u64, u64, u64) {
    let mut world = World::new(limit, &vec![0; environments]);
    let requests = per_second * 60;
    let mut passed = 0;
    for number in 0..requests {
        let environment = usize::try_from(number).unwrap() % environments;
        passed += u64::from(world.request(environment, number * 1000 / per_second));
    }
    (passed, requests - passed, world.takes)
}

/// What a client gets unless its key says otherwise.
const DEFAULT: RateLimit = RateLimit { per_second: 1000, burst: 2000 };

#[test]
fn a_busy_environment_takes_a_slice_for_a_hundred_requests_or_more() {
    for (environments, per_second) in
        [(1, 50), (1, 200), (1, 1000), (2, 500), (10, 1000), (20, 1000)]
    {
        let (passed, refused, takes) = minute(DEFAULT, environments, per_second);
        assert!(takes * 100 <= passed, "{environments} at {per_second}: {takes} for {passed}");
        // Spread over so many, some find the bucket empty while others still hold slices.
        assert!(refused * 100 <= passed, "{environments} at {per_second}: {refused} refused");
    }
}

#[test]
fn a_flood_passes_at_the_rate_and_costs_a_few_writes_a_second_for_each_environment() {
    for (environments, per_second) in [(1, 1100), (1, 10_000), (10, 2000), (20, 10_000)] {
        let (passed, _, takes) = minute(DEFAULT, environments, per_second);
        assert!(
            (60_000..=62_000).contains(&passed),
            "{environments} at {per_second}: {passed} passed"
        );
        let most = 60 * 11 * environments as u64;
        assert!(takes <= most, "{environments} at {per_second}: {takes} takes");
    }
}
