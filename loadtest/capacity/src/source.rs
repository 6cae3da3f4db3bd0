//! The event source: how many batches it may have under way, how fast it polls, and how both grow with a backlog.

use crate::limits::{Rate, float};
use crate::outcome::Limit;
use crate::system::Stack;

/// Standard: invocations at one time at the beginning, and the most one event source ever has.
const STANDARD_START: f64 = 5.0;
const STANDARD_MAX: f64 = 1250.0;
/// Standard: more invocations at one time, for each second of backlog (300 a minute).
const STANDARD_GROWTH: f64 = 5.0;
/// Provisioned: of each poller, invocations at one time, polls a second, bytes a second.
const POLLER_CONCURRENCY: f64 = 10.0;
const POLLER_POLLS: f64 = 10.0;
const POLLER_BYTES: f64 = 1_000_000.0;
/// Provisioned: more pollers for each second of backlog (1,000 invocations at one time a minute).
const POLLER_GROWTH: f64 = 1000.0 / 60.0 / POLLER_CONCURRENCY;
/// Items in one poll, at most.
pub(crate) const POLL_ITEMS_MAX: u32 = 10;
/// Share of the pollers' room in use from which more come, backlog or not: they follow demand before it waits.
const BUSY_SHARE: f64 = 0.8;

/// An event source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    provisioned: bool,
    /// Invocations at one time, or pollers; with fractions, as it grows by parts of one.
    level: f64,
    most: f64,
    growth: f64,
    polls: Rate,
    bytes: Rate,
    item_bytes: f64,
}

impl Source {
    /// As the stack's parameters say. `scale` is what every limit was divided by.
    pub(crate) fn new(stack: &Stack, item_bytes: f64, scale: f64) -> Self {
        let provisioned = stack.pollers_max > 0;
        let (level, most, growth) = if provisioned {
            (f64::from(stack.pollers_min), f64::from(stack.pollers_max), POLLER_GROWTH / scale)
        } else {
            let most = (STANDARD_MAX / scale).min(f64::from(stack.maximum_concurrency));
            ((STANDARD_START / scale).max(1.0).min(most), most, STANDARD_GROWTH / scale)
        };
        let mut source = Self {
            provisioned,
            level,
            most,
            growth,
            polls: Rate::new(POLLER_POLLS, 1.0),
            bytes: Rate::new(POLLER_BYTES, 1.0),
            item_bytes,
        };
        source.retune();
        source
    }

    /// Pollers, or invocations at one time.
    pub(crate) fn level(&self) -> f64 {
        self.level
    }

    /// Invocations there may be at one time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count, below 100,000"
    )]
    pub(crate) fn concurrency(&self) -> u32 {
        let each = if self.provisioned { POLLER_CONCURRENCY } else { 1.0 };
        (self.level.floor().max(1.0) * each) as u32
    }

    /// Microseconds until `items` may be received, and what they wait for.
    pub(crate) fn wait(&self, now: u64, items: u32) -> Option<(u64, Limit)> {
        if !self.provisioned {
            return None;
        }
        let polls = self.polls.wait(now, f64::from(items.div_ceil(POLL_ITEMS_MAX)));
        let bytes = self.bytes.wait(now, f64::from(items) * self.item_bytes);
        match polls.max(bytes) {
            0 => None,
            wait if polls >= bytes => Some((wait, Limit::Polls)),
            wait => Some((wait, Limit::PollerBytes)),
        }
    }

    /// Receives them.
    pub(crate) fn receive(&mut self, now: u64, items: u32) {
        if self.provisioned {
            self.polls.take(now, f64::from(items.div_ceil(POLL_ITEMS_MAX)));
            self.bytes.take(now, f64::from(items) * self.item_bytes);
        }
    }

    /// A second passes, in which messages waited or not, and `busy` invocations were under way.
    pub(crate) fn second(&mut self, waiting: bool, busy: u32) {
        let full = f64::from(busy) >= BUSY_SHARE * f64::from(self.concurrency());
        if (waiting || full) && self.level < self.most {
            self.level = (self.level + self.growth).min(self.most);
            self.retune();
        }
    }

    fn retune(&mut self) {
        if self.provisioned {
            let pollers = self.level.max(1.0);
            // A poller may poll at once when it comes free: as many polls at once as there are pollers.
            self.polls = retuned(&self.polls, pollers * POLLER_POLLS, pollers);
            self.bytes =
                retuned(&self.bytes, pollers * POLLER_BYTES, pollers * POLLER_BYTES / POLLER_POLLS);
        }
    }
}

/// The same limit with another rate and burst; what is paid for stays paid for.
fn retuned(old: &Rate, rate: f64, burst: f64) -> Rate {
    let mut new = Rate::new(rate, burst);
    new.carry(old);
    new
}

/// How long the oldest of a queue has waited, seconds.
pub(crate) fn age_seconds(now: u64, visible_at: u64) -> f64 {
    float(now.saturating_sub(visible_at)) / 1e6
}
