//! Rate limits as tables: how much is taken at a time, what an environment says of it, and when it asks again. The numbers
//! are those that decision 0012 states, not the constants.

use std::time::Duration;

use crate::access::*;
use crate::time::Timestamp;

/// What a client gets unless its key says otherwise.
const DEFAULT: RateLimit = RateLimit { per_second: 1000, burst: 2000 };
/// A token every 100 ms, slices of 12 at most.
const HUNDRED: RateLimit = RateLimit { per_second: 10, burst: 100 };

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + millis)
}

/// How many tokens the next slice has. It is spent at once.
fn slice(allowance: &mut Allowance, limit: RateLimit, now: Timestamp) -> u32 {
    let Spend::Take { wanted, .. } = allowance.spend(limit, now) else {
        panic!("something is left")
    };
    allowance.taken(&take(limit, None, wanted, now), 1, now);
    for _ in 0..wanted {
        assert!(matches!(allowance.spend(limit, now), Spend::Passed(_)));
    }
    wanted
}

#[test]
fn slices_that_are_spent_quickly_double_up_to_an_eighth_of_the_burst_and_a_thousand() {
    for (burst, sizes) in [
        (1, &[1, 1, 1][..]),
        (15, &[1, 1]),
        (80, &[10, 10, 10]),
        (200, &[10, 20, 25, 25]),
        (2000, &[10, 20, 40, 80, 160, 250, 250]),
        (8000, &[10, 20, 40, 80, 160, 320, 640, 1000, 1000]),
        (1_000_000, &[10, 20, 40, 80, 160, 320, 640, 1000, 1000]),
    ] {
        let limit = RateLimit { per_second: 1000, burst };
        let mut allowance = Allowance::default();
        // Each within three seconds of the one before.
        let taken =
            (0..).zip(sizes).map(|(number, _)| slice(&mut allowance, limit, at(number * 2999)));
        assert_eq!(taken.collect::<Vec<_>>(), sizes, "burst {burst}");
    }
}

#[test]
fn slices_that_last_longer_are_halved() {
    let mut allowance = Allowance::default();
    for _ in 0..6 {
        slice(&mut allowance, DEFAULT, at(0));
    }
    for (millis, size) in [
        (3000, 125),
        (6000, 62),
        (9000, 31),
        (12_000, 15),
        (15_000, 10),
        (50_000, 10),
        (52_999, 20),
    ] {
        assert_eq!(slice(&mut allowance, DEFAULT, at(millis)), size, "at {millis} ms");
    }
}

#[test]
fn an_allowance_for_what_is_rare_takes_one_token_at_a_time() {
    let mut allowance = Allowance::one_by_one();
    for millis in [0, 0, 1, 2, 5000] {
        assert_eq!(slice(&mut allowance, DEFAULT, at(millis)), 1);
    }
}

/// What is answered at so many milliseconds.
fn answer(allowance: &mut Allowance, limit: RateLimit, millis: u64) -> (char, u32, u64) {
    let told = |kind, standing: Standing| {
        (kind, standing.remaining, u64::try_from(standing.reset.as_millis()).unwrap())
    };
    match allowance.spend(limit, at(millis)) {
        Spend::Passed(standing) => told('p', standing),
        Spend::Refused(standing) => told('r', standing),
        Spend::Take { wanted, .. } => ('t', wanted, 0),
    }
}

#[test]
fn what_is_left_is_counted_here_and_in_the_shared_bucket() {
    let mut allowance = Allowance::default();
    assert_eq!(answer(&mut allowance, HUNDRED, 0), ('t', 10, 0));
    allowance.taken(&take(HUNDRED, None, 10, at(0)), 1, at(0));
    for (millis, expected) in
        [(0, ('p', 99, 1000)), (0, ('p', 98, 1000)), (300, ('p', 97, 700)), (1500, ('p', 96, 0))]
    {
        assert_eq!(answer(&mut allowance, HUNDRED, millis), expected, "at {millis} ms");
    }
    // Never more than the limit as it is now.
    let smaller = RateLimit { burst: 7, ..HUNDRED };
    assert_eq!(answer(&mut allowance, smaller, 1500), ('p', 7, 0));
}

#[test]
fn whoever_was_given_less_than_it_wanted_does_not_ask_again_for_a_while() {
    // Five are left.
    let bucket = take(HUNDRED, None, 95, at(0)).full_at;
    let mut allowance = Allowance::default();
    allowance.taken(&take(HUNDRED, Some(bucket), 10, at(0)), 1, at(0));
    for left in [4, 3, 2, 1, 0] {
        assert_eq!(answer(&mut allowance, HUNDRED, 0), ('p', left, 10_000));
    }
    assert_eq!(answer(&mut allowance, HUNDRED, 0), ('r', 0, 1000));
    assert_eq!(answer(&mut allowance, HUNDRED, 999), ('r', 0, 1));
    assert_eq!(answer(&mut allowance, HUNDRED, 1000), ('t', 10, 0));
}

#[test]
fn a_pause_is_as_long_as_a_slice_takes_to_come_back_within_a_tenth_of_a_second_and_one() {
    for (per_second, burst, millis) in [
        (1, 400, 1000),
        (10, 100, 1000),
        (100, 400, 500),
        (1000, 2000, 250),
        (1000, 100, 100),
        (1_000_000, 1_000_000, 100),
    ] {
        let limit = RateLimit { per_second, burst };
        let empty = take(limit, None, burst, at(0));
        assert_eq!((empty.granted, empty.pause), (burst, Duration::ZERO));
        let pause = take(limit, Some(empty.full_at), 1, at(0)).pause;
        assert_eq!(pause, Duration::from_millis(millis), "{limit:?}");
    }
}

#[test]
fn a_slice_may_be_spent_for_thirty_seconds() {
    let mut allowance = Allowance::default();
    allowance.taken(&take(DEFAULT, None, 10, at(0)), 1, at(0));
    assert!(matches!(allowance.spend(DEFAULT, at(29_999)), Spend::Passed(_)));
    assert_eq!(allowance.spend(DEFAULT, at(30_000)), Spend::Take { enough: 1, wanted: 10 });
}

#[test]
fn what_was_taken_or_refused_by_a_clock_that_was_set_back_since_counts_no_more() {
    let mut allowance = Allowance::default();
    for _ in 0..3 {
        slice(&mut allowance, DEFAULT, at(5000));
    }
    allowance.taken(&take(DEFAULT, None, 40, at(5000)), 1, at(5000));
    // Nor is it doubled.
    assert_eq!(allowance.spend(DEFAULT, at(4999)), Spend::Take { enough: 1, wanted: 20 });
    let empty = take(DEFAULT, None, 2000, at(5000)).full_at;
    allowance.taken(&take(DEFAULT, Some(empty), 1, at(5000)), 1, at(5000));
    assert!(matches!(allowance.spend(DEFAULT, at(5000)), Spend::Refused(_)));
    assert!(matches!(allowance.spend(DEFAULT, at(4999)), Spend::Take { .. }));
}

/// A request for as many tokens, which costs one by itself, as an environment with `allowance` answers it.
fn many(
    allowance: &mut Allowance,
    bucket: &mut Option<FullAt>,
    tokens: u32,
    now: Timestamp,
) -> Spend {
    let mut spent = Spend::Refused(Standing { remaining: 0, reset: Duration::ZERO });
    for tokens in [1, tokens - 1] {
        spent = allowance.spend_many(tokens, HUNDRED, now);
        if let Spend::Take { enough, wanted } = spent {
            let taken = take_enough(HUNDRED, *bucket, enough, wanted, now);
            *bucket = Some(taken.full_at);
            allowance.taken(&taken, enough, now);
            spent = allowance.spend_many(tokens, HUNDRED, now);
        }
        if matches!(spent, Spend::Refused(_)) {
            break;
        }
    }
    spent
}

#[test]
fn many_pass_when_they_were_told_to_come_again() {
    for spent in [1, 7, 50, 91, 99] {
        for tokens in [2, 12, 60, 99, 100] {
            let mut bucket = Some(take(HUNDRED, None, spent, at(0)).full_at);
            let mut allowance = Allowance::default();
            let first = many(&mut allowance, &mut bucket, tokens, at(0));
            let Spend::Refused(Standing { reset, .. }) = first else { continue };
            let later = at(u64::try_from(reset.as_millis()).unwrap());
            let again = many(&mut allowance, &mut bucket, tokens, later);
            assert!(
                matches!(again, Spend::Passed(_)),
                "{tokens} after {spent}: {reset:?} {again:?}"
            );
        }
    }
}

#[test]
fn many_that_are_refused_leave_the_bucket_to_others() {
    let mut bucket = Some(take(HUNDRED, None, 60, at(0)).full_at);
    let mut allowance = Allowance::default();
    let refused = many(&mut allowance, &mut bucket, 90, at(0));
    let Spend::Refused(Standing { remaining, reset }) = refused else { panic!("{refused:?}") };
    // A slice was taken for the request itself, and nothing for what it asked for.
    assert_eq!((remaining, reset.as_millis()), (39, 6000));
    assert_eq!(take(HUNDRED, bucket, 100, at(0)).granted, 30);
    for left in (0..39).rev() {
        let spent = match allowance.spend(HUNDRED, at(0)) {
            Spend::Take { enough, wanted } => {
                let taken = take_enough(HUNDRED, bucket, enough, wanted, at(0));
                bucket = Some(taken.full_at);
                allowance.taken(&taken, enough, at(0));
                allowance.spend(HUNDRED, at(0))
            }
            spent @ (Spend::Passed(_) | Spend::Refused(_)) => spent,
        };
        assert!(matches!(spent, Spend::Passed(_)), "{left} left: {spent:?}");
    }
    assert!(matches!(many(&mut allowance, &mut bucket, 2, at(0)), Spend::Refused(_)));
}
