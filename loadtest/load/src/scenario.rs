//! The scenarios: what is sent, where to, how fast, and what is to hold afterwards. Descriptions only; flags
//! change them, and [`crate::plan`] makes a run of them.

use crate::schedule::Segment;

/// A kind of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// How often it is drawn, next to the other ones.
    pub(crate) weight: u64,
    /// How large it is.
    pub(crate) bytes: usize,
}

/// A load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) about: &'static str,
    /// Messages a second over time.
    pub(crate) profile: &'static [Segment],
    /// The bodies.
    pub(crate) sizes: &'static [Size],
    /// Of a hundred messages, so many repeat the id and the content of an earlier one.
    pub(crate) repeats_percent: u64,
    /// Of a hundred messages, so many go to a target that takes [`SLOW_MILLISECONDS`].
    pub(crate) slow_percent: u64,
    /// Of a hundred messages, so many go to a target that answers 503 to everything.
    pub(crate) dead_percent: u64,
    /// Messages in one request; 1 for the route of single ones.
    pub(crate) bulk: u32,
    /// What has to hold, beside [`ALWAYS`].
    pub(crate) thresholds: &'static str,
}

/// How long the slow target takes to answer.
pub(crate) const SLOW_MILLISECONDS: u64 = 1000;
/// What every run has to hold: nothing is lost or changed, no request goes wrong, and the generator itself keeps
/// to its schedule (50 ms late is far more than its timers, and far less than what it is to measure).
pub(crate) const ALWAYS: &str =
    "lost=0,wrong_bodies=0,failed=0,refused=0,never_sent=0,lag_p99_ms=50";

const ONE_KIB: Size = Size { weight: 1, bytes: 1024 };

const STEADY: Scenario = Scenario {
    name: "steady",
    about: "one rate, from beginning to end",
    profile: &[Segment::even(30.0, 50.0)],
    sizes: &[ONE_KIB],
    repeats_percent: 0,
    slow_percent: 0,
    dead_percent: 0,
    bulk: 1,
    thresholds: "accept_p99_ms=1000,end_to_end_p99_ms=5000",
};

/// All of them.
pub(crate) const ALL: [Scenario; 9] = [
    STEADY,
    Scenario {
        name: "ramp",
        about: "from a tenth of the rate to all of it, evenly: where latency begins to climb, the limit is near",
        profile: &[Segment { seconds: 60.0, from_per_second: 10.0, to_per_second: 100.0 }],
        thresholds: "",
        ..STEADY
    },
    Scenario {
        name: "burst",
        about: "ten times the rate for five seconds, twice: whether what piles up is worked off",
        profile: &[
            Segment::even(10.0, 20.0),
            Segment::even(5.0, 200.0),
            Segment::even(20.0, 20.0),
            Segment::even(5.0, 200.0),
            Segment::even(20.0, 20.0),
        ],
        thresholds: "",
        ..STEADY
    },
    Scenario {
        name: "soak",
        about: "a moderate rate for an hour: whether anything grows that should not",
        profile: &[Segment::even(3600.0, 30.0)],
        ..STEADY
    },
    Scenario {
        name: "duplicates",
        about: "every fifth message repeats an id that was sent a moment ago: it must arrive once",
        repeats_percent: 20,
        ..STEADY
    },
    Scenario {
        name: "mixed-sizes",
        about: "bodies from 1 KiB to 300 KiB: inline, kept in the bucket, and too large for the queue",
        profile: &[Segment::even(30.0, 20.0)],
        sizes: &[
            Size { weight: 60, bytes: 1024 },
            Size { weight: 20, bytes: 4 * 1024 },
            Size { weight: 12, bytes: 16 * 1024 },
            Size { weight: 6, bytes: 64 * 1024 },
            Size { weight: 2, bytes: 300 * 1024 },
        ],
        ..STEADY
    },
    Scenario {
        name: "slow-target",
        about: "every tenth message goes to a target that takes a second: the others must not wait for it",
        profile: &[Segment::even(30.0, 30.0)],
        slow_percent: 10,
        ..STEADY
    },
    Scenario {
        name: "dead-target",
        about: "every tenth message goes to a target that answers 503: the others must not notice",
        profile: &[Segment::even(30.0, 30.0)],
        dead_percent: 10,
        ..STEADY
    },
    Scenario {
        name: "bulk",
        about: "25 messages in each request",
        profile: &[Segment::even(30.0, 200.0)],
        bulk: 25,
        ..STEADY
    },
];

/// The one of this name.
pub(crate) fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}
