//! How many requests are let through: a bucket that fills at a constant rate, shared by all environments.
//!
//! The shared bucket is one number, the time at which it will be full again (the generic cell rate algorithm, ITU-T
//! I.371, turned round). An environment takes a slice of tokens out of it and spends them on its own, so that a busy key
//! costs a write per slice and not per request. What that comes to is measured in decision 0012.
//!
//! **Bound.** However many environments share a bucket of rate `r` and burst `b`, no more than `b + r·t` tokens leave it
//! in any time `t` by one clock. A slice may be spent until [`SLICE_LIFE`] after it was taken, and clocks may differ by
//! `s`, a minute at most: in any time `t` at most `b + r·(t + SLICE_LIFE + s)` requests are let through, and, with `n`
//! environments, at most `b + r·(t + s) + n·slice`. It does not hold while environments go by different limits: for as
//! long as each may remember the old one after a change.
//!
//! Tokens in slices that nobody spends are lost, one slice for each environment in every [`SLICE_LIFE`] at most: a client
//! may be held back up to `n` slices in every 30 s. What a take costs is rounded up to a microsecond: never more than the
//! rate is let through, and noticeably less only where small slices meet rates of some hundred thousand a second.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Most requests a second that a limit can name: more than the whole relay is built for.
pub const RATE_PER_SECOND_MAX: u32 = 1_000_000;
/// Largest burst.
pub const BURST_MAX: u32 = 1_000_000;
/// How long a slice may be spent after it was taken.
pub const SLICE_LIFE: Duration = Duration::from_secs(30);
/// Smallest slice, unless the burst is small.
const SLICE_MIN: u32 = 10;
/// Largest slice: one write for 1,000 requests at full speed.
const SLICE_MAX: u32 = 1000;
/// A slice is at most this part of the burst, so that several environments find something in a full bucket.
const SLICES_IN_BURST: u32 = 8;
/// A slice that was spent within this time is followed by one of twice the size, any other by one of half of it: if the
/// burst allows it, an environment that passes 50 requests a second takes a hundred tokens or more at a time.
const QUICKLY: Duration = Duration::from_secs(3);
/// Shortest and longest time for which an environment that was given less than it wanted does not ask again.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
const MICROS_PER_SECOND: u64 = 1_000_000;
/// How far clocks may differ, in microseconds. A bucket that would be full later than an empty one by more than this
/// was written under another limit, which would hold its key back for as long as that one took to fill: it is full.
const CLOCKS_MICROS_MAX: u64 = 60 * MICROS_PER_SECOND;

/// A limit: tokens come back at a rate, and as many as `burst` gather while nobody spends any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests a second in the long run: 1 to [`RATE_PER_SECOND_MAX`].
    pub per_second: u32,
    /// Requests at once after a pause: 1 to [`BURST_MAX`].
    pub burst: u32,
}

impl RateLimit {
    /// How long it takes until so many tokens have come back, in microseconds.
    fn micros(self, tokens: u32) -> u64 {
        (u64::from(tokens) * MICROS_PER_SECOND).div_ceil(u64::from(self.per_second.max(1)))
    }

    /// What may be wanted of a bucket of this size: at least one token, and no more than it can hold.
    fn within(self, wanted: u32) -> u32 {
        wanted.min(self.burst).max(1)
    }

    /// The largest slice of a bucket of this size.
    fn slice_max(self) -> u32 {
        (self.burst / SLICES_IN_BURST).clamp(1, SLICE_MAX)
    }

    /// How long it takes until the largest slice has come back, within reason.
    fn pause(self) -> Duration {
        Duration::from_micros(self.micros(self.slice_max())).clamp(PAUSE_MIN, PAUSE_MAX)
    }
}

/// The shared bucket: when it will be full again, in microseconds since the epoch. One that was never written, or
/// that would have been full earlier, is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FullAt(pub u64);

/// What was taken out of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How many tokens: none, all that were wanted, or fewer if there were fewer but enough.
    pub granted: u32,
    /// The bucket afterwards.
    pub full_at: FullAt,
    /// How many tokens are left in it.
    pub left: u32,
    /// How long until there are enough, if nothing was granted.
    pub retry_after: Duration,
    /// How long until it is full.
    pub full_after: Duration,
    /// How long not to ask again, if less was granted than wanted: until a slice's worth has come back. A flood of
    /// requests that are refused would otherwise cost a write each.
    pub pause: Duration,
}

/// Takes up to `wanted` tokens, at least one, out of `bucket`.
pub fn take(limit: RateLimit, bucket: Option<FullAt>, wanted: u32, now: Timestamp) -> Taken {
    take_enough(limit, bucket, 1, wanted, now)
}

/// Takes up to `wanted` tokens out of `bucket`, or none if there are fewer than `enough`, which is one at least.
pub fn take_enough(
    limit: RateLimit,
    bucket: Option<FullAt>,
    enough: u32,
    wanted: u32,
    now: Timestamp,
) -> Taken {
    let now = now.as_millis().saturating_mul(1000);
    let emptiest = now.saturating_add(limit.micros(limit.burst)).saturating_add(CLOCKS_MICROS_MAX);
    let before = bucket.filter(|FullAt(micros)| *micros <= emptiest);
    let before = before.map_or(now, |FullAt(micros)| micros.max(now));
    let available = available(limit, before, now);
    let enough = limit.within(enough);
    let wanted = limit.within(wanted).max(enough);
    let granted = if available < enough { 0 } else { wanted.min(available) };
    let after = before.saturating_add(limit.micros(granted));
    let next = after.saturating_add(limit.micros(enough)).saturating_sub(limit.micros(limit.burst));
    Taken {
        granted,
        full_at: FullAt(after),
        left: self::available(limit, after, now),
        retry_after: Duration::from_micros(next.saturating_sub(now)),
        full_after: Duration::from_micros(after - now),
        pause: if granted < wanted { limit.pause() } else { Duration::ZERO },
    }
}

/// How many tokens are in a bucket that is full again at `full_at`.
fn available(limit: RateLimit, full_at: u64, now: u64) -> u32 {
    let free = limit.micros(limit.burst).saturating_sub(full_at.saturating_sub(now));
    let tokens = u128::from(free) * u128::from(limit.per_second) / u128::from(MICROS_PER_SECOND);
    u32::try_from(tokens).unwrap_or(u32::MAX).min(limit.burst)
}

/// The range of buckets from which `wanted` tokens can be taken by adding to the number alone: not yet full, so that
/// the number counts, and with enough in it. The addition is the third value, in microseconds.
pub fn plain_addition(
    limit: RateLimit,
    wanted: u32,
    now: Timestamp,
) -> Option<(FullAt, FullAt, u64)> {
    let now = now.as_millis().saturating_mul(1000);
    let cost = limit.micros(limit.within(wanted));
    let highest = now.saturating_add(limit.micros(limit.burst).checked_sub(cost)?);
    Some((FullAt(now), FullAt(highest), cost))
}

/// What one environment holds of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    left: u32,
    /// How many of those are of earlier slices, and when the oldest of these was taken.
    old: u32,
    old_taken_at: Timestamp,
    shared: u32,
    size: u32,
    size_max: u32,
    taken_at: Timestamp,
    /// Until when the shared bucket is not asked for as many as it lacked, or more; fewer may be there.
    refused_until: Timestamp,
    refused: u32,
    full_at: Timestamp,
}

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spend {
    /// It passes.
    Passed(Standing),
    /// It is refused.
    Refused(Standing),
    /// Tokens have to be taken out of the shared bucket first.
    Take {
        /// Fewer would not do, and are better left to others.
        enough: u32,
        /// How many, if there are as many.
        wanted: u32,
    },
}

/// How a bucket stands, as far as one environment knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Tokens left: what the environment holds and what it last saw in the shared bucket.
    pub remaining: u32,
    /// How long until the bucket is full; after a refusal, until there are enough.
    pub reset: Duration,
}

impl Default for Allowance {
    fn default() -> Self {
        let never = Timestamp::from_millis(0);
        Self {
            left: 0,
            old: 0,
            old_taken_at: never,
            shared: 0,
            size: 0,
            size_max: SLICE_MAX,
            taken_at: never,
            refused_until: never,
            refused: 1,
            full_at: never,
        }
    }
}

impl Allowance {
    /// One that takes every token by itself, at the price of a write for each: no environment ever holds any that it does
    /// not spend at once, however many there are. For what is rare.
    pub fn one_by_one() -> Self {
        Self { size_max: 1, ..Self::default() }
    }

    /// Spends one token, if the environment has one.
    pub fn spend(&mut self, limit: RateLimit, now: Timestamp) -> Spend {
        self.spend_many(1, limit, now)
    }

    /// Spends as many tokens, if the environment has them, else none: they are kept for others, as long as their slice
    /// may be spent. More than the burst are never there.
    pub fn spend_many(&mut self, tokens: u32, limit: RateLimit, now: Timestamp) -> Spend {
        if !self.took_within(SLICE_LIFE, now) {
            (self.left, self.old) = (0, 0);
        }
        if self.old > 0 && !self.old_taken_at.is_within(SLICE_LIFE, now) {
            (self.left, self.old) = (self.left - self.old, 0);
        }
        if let Some(left) = self.left.checked_sub(tokens) {
            (self.left, self.old) = (left, self.old.saturating_sub(tokens));
            let remaining = self.left.saturating_add(self.shared).min(limit.burst);
            return Spend::Passed(Standing { remaining, reset: self.full_at.since(now) });
        }
        let missing = tokens - self.left;
        if missing >= self.refused && self.taken_at <= now && now < self.refused_until {
            let wait = self.refused_until.since(now);
            let standing = if tokens > 1 {
                let remaining = self.left.saturating_add(self.shared).min(limit.burst);
                Standing { remaining, reset: wait.max(self.until_shared(tokens, limit, now)) }
            } else {
                Standing { remaining: self.left, reset: wait }
            };
            return Spend::Refused(standing);
        }
        Spend::Take { enough: missing, wanted: self.next_size(limit, now).max(missing) }
    }

    /// How long until the shared bucket has so many tokens if nobody takes any, and one more: who comes again pays for
    /// the request itself first. What is held here does not count: by then it may be too old.
    fn until_shared(&self, tokens: u32, limit: RateLimit, now: Timestamp) -> Duration {
        let spare = limit.burst.saturating_sub(tokens.saturating_add(1));
        self.full_at.since(now).saturating_sub(Duration::from_micros(limit.micros(spare)))
    }

    /// Notes what was taken when `enough` were asked for at least. If that is less than was wanted, requests beyond it
    /// are refused for a while; if it is nothing, those that need as many.
    pub fn taken(&mut self, taken: &Taken, enough: u32, now: Timestamp) {
        // A bucket that has too few for many may have some for one.
        let (refused, wait) = match (taken.granted, enough) {
            (0, 0 | 1) => (1, taken.retry_after.max(taken.pause)),
            (0, _) => (enough, taken.pause),
            _ => (1, taken.pause),
        };
        *self = Self {
            // Something is left of slices before only where it is not enough for many at once. It is spent first.
            left: self.left.saturating_add(taken.granted),
            old: self.left,
            old_taken_at: if self.old > 0 { self.old_taken_at } else { self.taken_at },
            shared: taken.left,
            size: taken.granted.max(1),
            taken_at: now,
            refused_until: now.plus(wait),
            refused,
            // A part of a millisecond counts as a whole one: never too early.
            full_at: now.plus(taken.full_after + Duration::from_micros(999)),
            ..*self
        };
    }

    /// Whether the last slice was taken less than so long ago. One that was taken later than now was taken by a clock
    /// that has been set back since: nobody can say how old it is.
    fn took_within(&self, time: Duration, now: Timestamp) -> bool {
        self.taken_at.is_within(time, now)
    }

    fn next_size(&self, limit: RateLimit, now: Timestamp) -> u32 {
        let size = if self.took_within(QUICKLY, now) {
            self.size.saturating_mul(2)
        } else {
            self.size / 2
        };
        size.max(SLICE_MIN).min(limit.slice_max()).min(self.size_max)
    }
}
