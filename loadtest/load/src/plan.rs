//! A scenario with its flags applied: how many messages there are, when each request is due, and what each message
//! is. All of it follows from the number of the message and the seed, so that nothing has to be remembered.

use std::time::Duration;

use crate::arguments::RunArguments;
use crate::scenario::{Scenario, Size};
use crate::schedule::{Schedule, Segment};

/// Most messages of a run: four bits are kept of each, 50 MB for as many as this.
pub(crate) const MESSAGES_MAX: u64 = 100_000_000;
/// How far back a repeated id may lie: a little further than what can be under way at one time, so that some
/// repeat a message whose answer is not there yet, and most one that is known.
const REPEAT_DISTANCE_MAX: u64 = 1000;

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PlanError {
    /// Too many messages, or none.
    #[error(
        "a run has 1 to {MESSAGES_MAX} messages, and this would have {0}: change --rate or --seconds"
    )]
    Messages(u64),
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// To a target that answers at once.
    Sound,
    /// To one that takes its time.
    Slow,
    /// To one that never takes a message.
    Dead,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message {
    /// The number its id has: its own, or that of the message that it repeats.
    pub(crate) number: u64,
    /// Where it goes.
    pub(crate) lane: Lane,
    /// Size of its body.
    pub(crate) bytes: usize,
}

/// What is drawn for a message; each from its own part of chance.
#[derive(Debug, Clone, Copy)]
enum Draw {
    Repeats = 1,
    Distance = 2,
    Lane = 3,
    Size = 4,
}

/// All that is sent in a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    scenario: Scenario,
    schedule: Schedule,
    seed: u64,
    bulk: u64,
}

impl Plan {
    /// The scenario with its rate and length scaled to what the flags say, if they say anything.
    ///
    /// # Errors
    /// When that makes no message, or too many.
    pub(crate) fn of(scenario: &Scenario, arguments: &RunArguments) -> Result<Self, PlanError> {
        let peaks = scenario.profile.iter().map(|one| one.from_per_second.max(one.to_per_second));
        let peak = peaks.fold(0.0, f64::max);
        let length: f64 = scenario.profile.iter().map(|one| one.seconds).sum();
        let faster = arguments.rate.map_or(1.0, |rate| rate / peak);
        let longer = arguments.seconds.map_or(1.0, |seconds| seconds / length);
        let scaled = scenario.profile.iter().map(|one| Segment {
            seconds: one.seconds * longer,
            from_per_second: one.from_per_second * faster,
            to_per_second: one.to_per_second * faster,
        });
        let schedule = Schedule::of(&scaled.collect::<Vec<_>>());
        if !(1..=MESSAGES_MAX).contains(&schedule.total()) {
            return Err(PlanError::Messages(schedule.total()));
        }
        let bulk = u64::from(arguments.bulk.unwrap_or(scenario.bulk));
        Ok(Self { scenario: *scenario, schedule, seed: arguments.seed, bulk })
    }

    /// What it was made of.
    pub(crate) const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Messages in a request.
    pub(crate) const fn bulk(&self) -> u64 {
        self.bulk
    }

    /// All messages, those that repeat an id included.
    pub(crate) const fn messages(&self) -> u64 {
        self.schedule.total()
    }

    /// All requests.
    pub(crate) const fn requests(&self) -> u64 {
        self.schedule.total().div_ceil(self.bulk)
    }

    /// How long the schedule is.
    pub(crate) fn duration(&self) -> Duration {
        self.schedule.duration()
    }

    /// When a request is due, and with it all of its messages: when the first of them is.
    pub(crate) fn due(&self, request: u64) -> Duration {
        self.schedule.due(request * self.bulk)
    }

    /// When the message with this number is due.
    pub(crate) fn due_of_message(&self, number: u64) -> Duration {
        self.due(number / self.bulk)
    }

    /// How many messages are due by then: whole requests.
    pub(crate) fn due_by(&self, elapsed: Duration) -> u64 {
        let requests = self.schedule.due_by(elapsed).div_ceil(self.bulk);
        (requests * self.bulk).min(self.messages())
    }

    /// The messages of a request.
    pub(crate) fn of_request(&self, request: u64) -> impl Iterator<Item = Message> + use<'_> {
        let first = request * self.bulk;
        (first..(first + self.bulk).min(self.messages())).map(|place| self.at(place))
    }

    /// The message at a place of the schedule.
    fn at(&self, place: u64) -> Message {
        self.message(self.original(place))
    }

    /// The message whose id has this number.
    pub(crate) fn message(&self, number: u64) -> Message {
        let drawn = self.drawn(number, Draw::Lane) % 100;
        let (slow, dead) = (self.scenario.slow_percent, self.scenario.dead_percent);
        let lane = match drawn {
            _ if drawn < slow => Lane::Slow,
            _ if drawn < slow + dead => Lane::Dead,
            _ => Lane::Sound,
        };
        Message { number, lane, bytes: self.size(number) }
    }

    fn size(&self, number: u64) -> usize {
        let sizes: &[Size] = self.scenario.sizes;
        let weights: u64 = sizes.iter().map(|size| size.weight).sum();
        let mut rest = self.drawn(number, Draw::Size) % weights.max(1);
        for size in sizes {
            if rest < size.weight {
                return size.bytes;
            }
            rest -= size.weight;
        }
        0
    }

    /// The number that the message at this place has: that of an earlier one, if it repeats one.
    fn original(&self, place: u64) -> u64 {
        if !self.repeats(place) {
            return place;
        }
        let reach = place.min(REPEAT_DISTANCE_MAX);
        let mut original = place - 1 - self.drawn(place, Draw::Distance) % reach;
        // The first message repeats nothing, so this ends.
        while self.repeats(original) {
            original -= 1;
        }
        original
    }

    fn repeats(&self, place: u64) -> bool {
        place > 0 && self.drawn(place, Draw::Repeats) % 100 < self.scenario.repeats_percent
    }

    fn drawn(&self, number: u64, what: Draw) -> u64 {
        mixed(self.seed ^ mixed(number.wrapping_mul(8) + what as u64))
    }
}

/// A number of which every bit depends on every bit of the given one (the finisher of SplitMix64).
pub(crate) const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::scenario::{ALL, named};
    use proptest::prelude::*;

    fn plan(name: &str, rate: f64, seconds: f64, bulk: Option<u32>) -> Plan {
        let arguments = RunArguments {
            rate: Some(rate),
            seconds: Some(seconds),
            bulk,
            ..RunArguments::default()
        };
        Plan::of(named(name).unwrap(), &arguments).unwrap()
    }

    #[test]
    fn a_scenario_is_scaled_as_a_whole() {
        let burst = plan("burst", 400.0, 6.0, None);
        assert_eq!(burst.duration().as_secs(), 6);
        // A tenth of the time: ten times 40 a second for 5 s, twice 400 for a second.
        assert_eq!(burst.messages(), 5 * 40 + 400);
        for scenario in &ALL {
            let plan = Plan::of(scenario, &RunArguments::default()).unwrap();
            assert!(plan.messages() > 0, "{}", scenario.name);
        }
        let endless = RunArguments { rate: Some(1e9), ..RunArguments::default() };
        let refused = Plan::of(named("soak").unwrap(), &endless).unwrap_err();
        assert!(matches!(refused, PlanError::Messages(count) if count > MESSAGES_MAX));
    }

    #[test]
    fn the_messages_of_a_request_are_due_together() {
        let plan = plan("bulk", 100.0, 1.04, Some(25));
        assert_eq!((plan.messages(), plan.requests()), (104, 5));
        assert_eq!(plan.of_request(4).count(), 4, "the last one is what is left");
        assert_eq!(plan.due(1), Duration::from_millis(250));
        assert_eq!(plan.due_of_message(49), plan.due(1));
        assert_eq!(plan.due_by(Duration::ZERO), 25);
        assert_eq!(plan.due_by(Duration::from_millis(999)), 100);
        assert_eq!(plan.due_by(Duration::from_millis(1000)), 104);
    }

    proptest! {
        #[test]
        fn a_repeat_is_of_an_earlier_message_that_is_none(place in 0u64..50_000) {
            let plan = plan("duplicates", 1000.0, 50.0, None);
            let message = plan.at(place);
            prop_assert!(message.number <= place);
            prop_assert!(!plan.repeats(message.number));
            prop_assert_eq!(message, plan.message(message.number));
        }
    }

    #[test]
    fn shares_are_what_the_scenario_says() {
        let (slow, repeated) =
            (plan("slow-target", 1000.0, 20.0, None), plan("duplicates", 1000.0, 20.0, None));
        let slow = (0..20_000).filter(|place| slow.at(*place).lane == Lane::Slow).count();
        assert!((1800..2200).contains(&slow), "{slow} of 2000");
        let repeated = (0..20_000).filter(|place| repeated.repeats(*place)).count();
        assert!((3800..4200).contains(&repeated), "{repeated} of 4000");
        let mixed = plan("mixed-sizes", 1000.0, 20.0, None);
        let large = (0..20_000).filter(|place| mixed.at(*place).bytes == 300 * 1024).count();
        assert!((300..500).contains(&large), "{large} of 400");
    }
}
