//! When each message is due: a rate over time, and the moment at which it has asked for the n-th message.
//!
//! A due time follows from the number alone, never from when the one before was sent. So there is no drift, and
//! nothing has to be remembered to tell, when a message arrives, since when it was meant to be on its way. It
//! sends nothing and waits for nothing.

use std::time::Duration;

/// What a sum of products may fall short of the whole number that it stands for.
const ROUNDING: f64 = 1e-6;

/// A stretch of time in which the rate goes evenly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Segment {
    /// How long it is.
    pub(crate) seconds: f64,
    /// Messages a second at its beginning.
    pub(crate) from_per_second: f64,
    /// Messages a second at its end.
    pub(crate) to_per_second: f64,
}

impl Segment {
    /// A stretch at one rate.
    pub(crate) const fn even(seconds: f64, per_second: f64) -> Self {
        Self { seconds, from_per_second: per_second, to_per_second: per_second }
    }

    /// Messages that it asks for in its first `seconds`.
    fn count_within(&self, seconds: f64) -> f64 {
        let slope = (self.to_per_second - self.from_per_second) / self.seconds;
        (self.from_per_second + slope * seconds / 2.0) * seconds
    }

    /// How many seconds it takes to ask for `count` messages: the positive root of what `count_within` says.
    fn seconds_to(&self, count: f64) -> f64 {
        if count <= 0.0 {
            return 0.0;
        }
        let slope = (self.to_per_second - self.from_per_second) / self.seconds;
        let square = self.from_per_second.powi(2) + 2.0 * count * slope;
        // At the very end of a falling rate rounding may carry the root below zero.
        let divisor = self.from_per_second + square.max(0.0).sqrt();
        (2.0 * count / divisor).min(self.seconds)
    }
}

/// A segment, and what precedes it.
#[derive(Debug, Clone, Copy)]
struct Placed {
    segment: Segment,
    seconds_before: f64,
    count_before: f64,
}

/// Segments, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    placed: Vec<Placed>,
    seconds: f64,
    total: u64,
}

impl Schedule {
    /// The schedule of these segments. Segments without length are left out.
    pub(crate) fn of(segments: &[Segment]) -> Self {
        let (mut placed, mut seconds, mut count) = (Vec::new(), 0.0, 0.0);
        for segment in segments.iter().filter(|segment| segment.seconds > 0.0) {
            placed.push(Placed { segment: *segment, seconds_before: seconds, count_before: count });
            seconds += segment.seconds;
            count += segment.count_within(segment.seconds);
        }
        Self { placed, seconds, total: (count + ROUNDING).floor() as u64 }
    }

    /// How many messages there are in all.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// From the first due time to the end of the last segment.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// When message `number` (from 0) is due, counted from the start.
    pub(crate) fn due(&self, number: u64) -> Duration {
        let count = number as f64;
        let place = self.placed.partition_point(|one| one.count_before <= count);
        let Some(one) = place.checked_sub(1).and_then(|place| self.placed.get(place)) else {
            return Duration::ZERO;
        };
        let within = one.segment.seconds_to(count - one.count_before);
        Duration::from_secs_f64(one.seconds_before + within)
    }

    /// How many messages are due once `elapsed` has passed: those whose due time is not later.
    pub(crate) fn due_by(&self, elapsed: Duration) -> u64 {
        let (mut low, mut high) = (0, self.total);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.due(middle) <= elapsed { low = middle + 1 } else { high = middle }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let segment = (1u32..200, 0u32..3000, 0u32..3000).prop_map(|(tenths, from, to)| Segment {
            seconds: f64::from(tenths) / 10.0,
            from_per_second: f64::from(from),
            to_per_second: f64::from(to),
        });
        proptest::collection::vec(segment, 1..6)
    }

    /// What the segments ask for by then, added up by itself.
    fn asked_for(segments: &[Segment], mut seconds: f64) -> f64 {
        let mut count = 0.0;
        for one in segments {
            let within = seconds.clamp(0.0, one.seconds);
            let rate_there = one.from_per_second
                + (one.to_per_second - one.from_per_second) * within / one.seconds;
            count += (one.from_per_second + rate_there) / 2.0 * within;
            seconds -= one.seconds;
        }
        count
    }

    proptest! {
        #[test]
        fn no_message_is_early_late_or_out_of_order(segments in segments(), part in 0.0f64..1.0) {
            let schedule = Schedule::of(&segments);
            let whole = asked_for(&segments, f64::INFINITY);
            prop_assert!((schedule.total() as f64 - whole).abs() <= 1.0);
            prop_assume!(schedule.total() > 1);
            let number = (part * (schedule.total() - 1) as f64) as u64;
            let due = schedule.due(number);
            prop_assert!(due <= schedule.due(number + 1));
            prop_assert!(due <= schedule.duration());
            // However long the run: what was asked for by the due time is the number itself.
            prop_assert!((asked_for(&segments, due.as_secs_f64()) - number as f64).abs() < 1e-3);
        }

        #[test]
        fn what_is_due_by_a_time_is_what_has_a_due_time_before_it(segments in segments(), at in 0.0f64..100.0) {
            let schedule = Schedule::of(&segments);
            let elapsed = Duration::from_secs_f64(at);
            let count = schedule.due_by(elapsed);
            prop_assert!(count == 0 || schedule.due(count - 1) <= elapsed);
            prop_assert!(count == schedule.total() || schedule.due(count) > elapsed);
        }
    }

    #[test]
    fn an_even_rate_is_evenly_spaced_to_the_end() {
        let schedule = Schedule::of(&[Segment::even(3600.0, 1000.0)]);
        assert_eq!(schedule.total(), 3_600_000);
        for number in [0, 1, 999, 1000, 1_800_001, 3_599_999] {
            let error = schedule.due(number).as_secs_f64() - number as f64 / 1000.0;
            assert!(error.abs() < 1e-6, "{number}: {error}");
        }
    }

    #[test]
    fn a_rate_may_begin_and_end_at_nothing() {
        let up = Segment { seconds: 10.0, from_per_second: 0.0, to_per_second: 10.0 };
        let down = Segment { seconds: 10.0, from_per_second: 10.0, to_per_second: 0.0 };
        let schedule = Schedule::of(&[up, down]);
        assert_eq!(schedule.total(), 100);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(50).as_secs(), 10);
        assert_eq!(schedule.due_by(Duration::from_secs(20)), 100);
        assert_eq!(Schedule::of(&[]).total(), 0);
    }
}
