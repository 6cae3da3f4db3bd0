//! What a world is like: how many of everything there are, what the settings are and how often what goes wrong.

use std::time::Duration;

use relay_core::attempt::SETTLE_TIME;
use relay_core::settings::{IngestSettings, Tracking};
use relay_testkit::faults::Fate;
use relay_worker::Rules;

use crate::dice::Dice;
use crate::settings::{drawn_rules, rules, settings};

/// What targets ask for with `Retry-After`.
const ASKED: [&str; 6] = ["0", "40", "31536000", "-1", "soon", "Fri, 21 Nov 2025 04:41:00 GMT"];

/// How a target answers.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// 200, every time.
    Takes,
    /// This status, every time.
    Says(u16),
    /// 200 after a time that may be longer than an attempt.
    Slow(Duration),
    /// No answer, ever.
    Hangs,
    /// This status with this `Retry-After` at first, 200 at the second call or later.
    Asks(u16, &'static str),
    /// Each answer by chance: 200, an error, a broken connection, or one after the other.
    Flaky,
    /// 503 until so long after the beginning.
    Down(Duration),
}

/// What a client posts under an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    Usual,
    /// Another body, while somebody else posts the usual one.
    Other,
    /// Another body once the record has expired, or a little before.
    Later,
}

/// One message that clients post.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) behaviour: Behaviour,
    /// How large its body is, in bytes.
    pub(crate) body_bytes: usize,
    /// When its posters begin, each on its own, and what they bring.
    pub(crate) posters: Vec<(Duration, Content)>,
    /// How often each of them repeats a request that was not answered.
    pub(crate) repeats: u64,
}

/// One message of a bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A message of this number with this content.
    Message(usize, Content),
    /// A message that no relay takes.
    Wrong,
}

/// One bulk request that a client posts.
#[derive(Debug, Clone)]
pub(crate) struct Bulk {
    /// When its client begins.
    pub(crate) begins: Duration,
    /// What is in it, in order; a message may be in it twice.
    pub(crate) entries: Vec<Entry>,
    /// How often the client repeats what was not answered.
    pub(crate) repeats: u64,
    /// Whether it repeats all of it, or only what was not answered.
    pub(crate) repeats_all: bool,
}

/// What a world is like.
pub(crate) struct Plan {
    pub(crate) messages: Vec<Planned>,
    /// What is posted together. Messages have posters of their own besides, or none.
    pub(crate) bulks: Vec<Bulk>,
    pub(crate) ingest_hosts: usize,
    pub(crate) worker_hosts: usize,
    /// How far a host's clock is from the true time at most, either way, in milliseconds.
    pub(crate) skew_millis: u64,
    /// How long things go wrong.
    pub(crate) storm: Duration,
    /// How often a call fails, in a thousand.
    pub(crate) faults: u64,
    /// How often a call is slow, in a thousand.
    pub(crate) slow: u64,
    /// How often an invocation or a request dies, in a thousand.
    pub(crate) deaths: u64,
    /// How often the event source hands something out twice, loses an answer or a delete, in a thousand.
    pub(crate) source_faults: u64,
    /// A call that fails all the time during the storm.
    pub(crate) broken: Option<&'static str>,
    /// How often a life's queue items are of the next version, in a thousand.
    pub(crate) next_version: u64,
    /// How often an operator moves a dead letter back to the queue during the storm, in a thousand tries.
    pub(crate) moves: u64,
    /// How often a stored body cannot be read to its end, in a thousand.
    pub(crate) torn: u64,
    /// How often an item is not what was sent when it is handed out, in a thousand.
    pub(crate) garbled: u64,
    /// How many destinations the messages share.
    pub(crate) destinations: usize,
    /// How often an operator sets a message going again over the API, in a thousand tries.
    pub(crate) wishes: u64,
    /// How often somebody cancels messages, in a thousand tries.
    pub(crate) withdrawals: u64,
    /// How often an environment of the worker tracks in full where the others are lean, in a thousand.
    pub(crate) full_workers: u64,
    /// After how many receipts the queue gives an item up on its own; 0 is never.
    pub(crate) receipts_max: u32,
    /// The next so many calls of this name meet this fate.
    pub(crate) forced: Vec<(&'static str, usize, Fate)>,
    /// When every invocation under way dies, counted from the beginning.
    pub(crate) kills: Vec<Duration>,
    /// Whether there is a second storm when the records expire, in which every id is used anew.
    pub(crate) second_life: bool,
    pub(crate) batch: usize,
    pub(crate) function_timeout: Duration,
    pub(crate) rules: Rules,
    pub(crate) settings: IngestSettings,
}

impl Plan {
    /// How long the queue hides what it handed out.
    pub(crate) fn visibility(&self) -> Duration {
        self.function_timeout * 6
    }

    /// A world in which nothing goes wrong, to be changed where a scenario cares.
    pub(crate) fn quiet() -> Self {
        Self {
            messages: Vec::new(),
            bulks: Vec::new(),
            ingest_hosts: 1,
            worker_hosts: 1,
            skew_millis: 0,
            storm: Duration::from_secs(600),
            faults: 0,
            slow: 0,
            deaths: 0,
            source_faults: 0,
            broken: None,
            next_version: 0,
            moves: 0,
            torn: 0,
            garbled: 0,
            destinations: 1,
            wishes: 0,
            withdrawals: 0,
            full_workers: 0,
            receipts_max: 0,
            forced: Vec::new(),
            kills: Vec::new(),
            second_life: false,
            batch: 10,
            function_timeout: Duration::from_secs(120),
            rules: rules(),
            settings: settings(),
        }
    }

    /// The world that the dice have in mind.
    pub(crate) fn drawn(dice: &Dice) -> Self {
        let mut drawn = Self::drawn_rough(dice);
        drawn.withdrawals = *dice.pick(&[0, 0, 0, 200]);
        if dice.happens(400) {
            drawn.post_together(dice);
        }
        if dice.happens(350) {
            drawn = drawn.leanly();
            drawn.full_workers = *dice.pick(&[0, 0, 0, 500]);
        }
        if dice.happens(250) {
            drawn = drawn.unretained();
        }
        if dice.happens(100) { drawn.smoothed() } else { drawn }
    }

    /// Has most of what is posted posted in bulk.
    fn post_together(&mut self, dice: &Dice) {
        let storm_millis = u64::try_from(self.storm.as_millis()).unwrap();
        let bulks = (0..dice.between(1, 3)).map(|_| Bulk {
            begins: dice.millis(0, storm_millis / 2),
            entries: Vec::new(),
            repeats: dice.between(0, 6),
            repeats_all: dice.happens(300),
        });
        let mut bulks: Vec<Bulk> = bulks.collect();
        for (number, planned) in self.messages.iter_mut().enumerate() {
            let (together, alone) =
                std::mem::take(&mut planned.posters).into_iter().partition(|_| dice.happens(700));
            planned.posters = alone;
            let together: Vec<(Duration, Content)> = together;
            for (_, content) in together {
                let into = pick_size(dice, bulks.len() as u64) - 1;
                bulks[into].entries.push(Entry::Message(number, content));
                if dice.happens(150) {
                    bulks[into].entries.push(Entry::Wrong);
                }
            }
        }
        for bulk in &mut bulks {
            let len = bulk.entries.len() as u64;
            for last in (1..len).rev() {
                let other = dice.between(0, last);
                bulk.entries.swap(usize::try_from(last).unwrap(), usize::try_from(other).unwrap());
            }
        }
        bulks.retain(|bulk| !bulk.entries.is_empty());
        self.bulks = bulks;
    }

    /// The same without anything going wrong but what targets do.
    fn smoothed(self) -> Self {
        Self {
            skew_millis: 0,
            faults: 0,
            slow: 0,
            deaths: 0,
            source_faults: 0,
            broken: None,
            next_version: 0,
            moves: 0,
            torn: 0,
            garbled: 0,
            wishes: 0,
            withdrawals: 0,
            receipts_max: 0,
            second_life: false,
            ..self
        }
    }

    /// Whether nothing goes wrong but what targets do.
    pub(crate) fn is_smooth(&self) -> bool {
        let rough = [self.skew_millis, self.faults, self.slow, self.deaths, self.source_faults];
        let receipts = u64::from(self.receipts_max);
        let odd = [self.next_version, self.moves, self.torn, self.garbled, receipts];
        let rough = rough.iter().chain(&odd).chain([&self.wishes, &self.withdrawals]);
        let is_staged = !self.forced.is_empty() || !self.kills.is_empty() || self.second_life;
        self.broken.is_none() && !is_staged && { rough }.all(|share| *share == 0)
    }

    /// Whether first attempts are made without a claim.
    pub(crate) const fn is_lean(&self) -> bool {
        matches!(self.rules.tracking, Tracking::Lean)
    }

    /// The same in lean status tracking.
    pub(crate) fn leanly(mut self) -> Self {
        (self.rules.tracking, self.settings.tracking) = (Tracking::Lean, Tracking::Lean);
        self
    }

    /// The same without keeping bodies that the queue takes.
    pub(crate) fn unretained(mut self) -> Self {
        self.settings.retain_bodies = false;
        self
    }

    /// Everything that is posted under the id of this number, once for each time.
    pub(crate) fn contents(&self, number: usize) -> impl Iterator<Item = Content> {
        let alone = self.messages[number].posters.iter().map(|(_, content)| *content);
        let entries = self.bulks.iter().flat_map(|bulk| &bulk.entries);
        alone.chain(entries.filter_map(move |entry| match entry {
            Entry::Message(theirs, content) if *theirs == number => Some(*content),
            Entry::Message(..) | Entry::Wrong => None,
        }))
    }

    fn drawn_rough(dice: &Dice) -> Self {
        let quiet = Self::quiet();
        let timeout = dice.millis(500, 10_000);
        let lease = timeout + SETTLE_TIME + dice.millis(0, 30_000);
        let storm = Duration::from_secs(dice.between(30, 600));
        let count = dice.between(1, 8);
        let broken = *dice.pick(&[
            "postpone",
            "send",
            "claim",
            "settle",
            "bury",
            "mark_buried",
            "mark_queued",
            "open",
            "begin_again",
            "give_up",
            "read_breaker",
            "write_breaker",
            "find_signing",
            "read_masters",
            "dead",
            "delete_letters",
            "record_all",
            "send_all",
            "settle_all",
            "cancel",
            "put",
        ]);
        Self {
            messages: (0..count).map(|_| Planned::drawn(dice, storm)).collect(),
            ingest_hosts: pick_size(dice, 2),
            worker_hosts: pick_size(dice, 4),
            skew_millis: *dice.pick(&[0, 500, 3000, 3000, 60_000]),
            storm,
            faults: *dice.pick(&[0, 10, 50, 150, 300]),
            slow: *dice.pick(&[0, 10, 100, 300]),
            deaths: *dice.pick(&[0, 50, 200, 500]),
            source_faults: *dice.pick(&[0, 20, 100, 300]),
            broken: dice.happens(150).then_some(broken),
            next_version: *dice.pick(&[0, 0, 200, 1000]),
            moves: *dice.pick(&[0, 0, 100]),
            torn: *dice.pick(&[0, 0, 100]),
            garbled: *dice.pick(&[0, 0, 0, 50]),
            destinations: pick_size(dice, 4),
            wishes: *dice.pick(&[0, 0, 100, 500]),
            receipts_max: *dice.pick(&[0, 0, 0, 4, 20]),
            forced: Vec::new(),
            kills: Vec::new(),
            second_life: dice.happens(200),
            batch: pick_size(dice, 10),
            function_timeout: lease + dice.millis(1000, 30_000),
            rules: drawn_rules(dice, timeout, lease),
            ..quiet
        }
    }
}

pub(crate) fn pick_size(dice: &Dice, most: u64) -> usize {
    usize::try_from(dice.between(1, most)).unwrap()
}

impl Planned {
    /// One small message to a target, posted once and repeated until it is answered.
    pub(crate) fn to(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            body_bytes: 20,
            posters: vec![(Duration::ZERO, Content::Usual)],
            repeats: 20,
        }
    }

    fn drawn(dice: &Dice, storm: Duration) -> Self {
        let storm_millis = u64::try_from(storm.as_millis()).unwrap();
        let behaviour = match dice.between(0, 13) {
            0..=2 => Behaviour::Takes,
            3 => Behaviour::Says(*dice.pick(&[302, 400, 404, 410, 422])),
            4 => Behaviour::Says(*dice.pick(&[408, 429, 500, 503])),
            5 => Behaviour::Slow(dice.millis(100, 20_000)),
            6 => Behaviour::Hangs,
            7 => {
                let asked = dice.pick(&ASKED);
                Behaviour::Asks(*dice.pick(&[429, 503]), asked)
            }
            8..=11 => Behaviour::Flaky,
            _ => Behaviour::Down(dice.millis(0, storm_millis * 2)),
        };
        let posters = (0..dice.between(1, 3)).map(|_| {
            let begins = if dice.happens(500) { 0 } else { dice.between(0, storm_millis) };
            let content = if dice.happens(100) { Content::Other } else { Content::Usual };
            (Duration::from_millis(begins), content)
        });
        Self {
            behaviour,
            body_bytes: *dice.pick(&[0, 20, 200, 600, 1500]),
            posters: posters.collect(),
            repeats: dice.between(0, 6),
        }
    }
}
