//! What a request does: the API's throttles, an environment of ingest, the table, the queue.

use crate::agenda::{Event, Message};
use crate::environments::{NoRoom, Place};
use crate::limits::float;
use crate::outcome::Limit;
use crate::simulation::{SECOND, Simulation};

/// How long a write that is throttled is tried again before its message is refused: the SDK's tries and their pauses.
pub(crate) const TABLE_PATIENCE: u64 = SECOND;
/// A write that waits longer is held up by the table, and not by two messages that met on a partition.
pub(crate) const TABLE_HELD_UP: u64 = SECOND / 10;
/// Messages in one call of the table, and of the queue.
const TABLE_BATCH: u32 = 25;
const SEND_BATCH: u32 = 10;

impl Simulation {
    /// A request comes, and the one after it is planned.
    pub(crate) fn request(&mut self, now: u64) {
        let traffic = &self.system.traffic;
        let bulk = u64::from(traffic.bulk);
        let gap = self.random.gap(traffic.rate / f64::from(traffic.bulk));
        self.agenda.plan(now + gap, Event::Request);
        // While the rate rises, the rest of the requests are thought away.
        let ramp = u64::from(traffic.ramp_seconds) * SECOND;
        if now < ramp && !self.random.happens(float(now) / float(ramp)) {
            return;
        }
        self.offer(bulk);
        let met = [
            (&mut self.stack_rate, Limit::StackApiRate),
            (&mut self.account_rate, Limit::AccountApiRate),
            (&mut self.function_rate, Limit::FunctionRate),
        ]
        .into_iter()
        .find_map(|(rate, limit)| (!rate.try_take(now, 1.0)).then_some(limit));
        if let Some(limit) = met {
            self.notes.note(now, limit);
            self.refuse(bulk);
            return;
        }
        self.begin(now, now);
    }

    /// Gives a request that came at `arrived` to an environment, or lets it wait, or refuses it.
    fn begin(&mut self, now: u64, arrived: u64) {
        let left = self.left();
        match self.ingest.take(now, left) {
            Ok(place) => self.accept(now, arrived, place),
            Err(why) => {
                let limit = match why {
                    NoRoom::Concurrency => Limit::IngestConcurrency,
                    NoRoom::Scaling => Limit::IngestScaling,
                };
                self.notes.note(now, limit);
                if self.system.quotas.environment_wait_seconds > 0.0 {
                    self.waiting.push_back(arrived);
                } else {
                    self.refuse(u64::from(self.system.traffic.bulk));
                }
            }
        }
    }

    /// An environment came free: the one that waits longest has it. Those that waited too long are refused.
    pub(crate) fn serve_waiting(&mut self, now: u64) {
        let patience = self.system.quotas.environment_wait_seconds * 1e6;
        while let Some(arrived) = self.waiting.pop_front() {
            if float(now - arrived) > patience {
                self.refuse(u64::from(self.system.traffic.bulk));
                continue;
            }
            let left = self.left();
            match self.ingest.take(now, left) {
                Ok(place) => self.accept(now, arrived, place),
                Err(_) => {
                    self.waiting.push_front(arrived);
                    return;
                }
            }
        }
    }

    fn accept(&mut self, now: u64, arrived: u64, place: Place) {
        let (bulk, units) = (self.system.traffic.bulk, self.system.stack.record_units);
        let cold = match place {
            Place::Warm => 0,
            Place::Cold => self.times.cold_start.draw(&mut self.random),
        };
        let (written, waited) = self.write(now, bulk, units);
        if written < bulk || waited > TABLE_HELD_UP {
            self.notes.note(now, Limit::TableWrites);
        }
        let sends = written.div_ceil(SEND_BATCH);
        let mut service = cold + waited;
        service += self.times.overhead.draw(&mut self.random);
        service += self.table_calls(bulk);
        service += self.times.send.slowest(sends, &mut self.random);
        if !self.system.stack.lean {
            let (_, waited) = self.write(now, written, 1.0);
            service += waited + self.table_calls(written);
        }
        self.counts.accepting += u64::from(bulk);
        if written > 0 {
            let front = self.times.front.draw(&mut self.random);
            self.accept.add(now - arrived + service + front, u64::from(written));
        }
        let written = u16::try_from(written).unwrap_or(u16::MAX);
        self.agenda.plan(now + service, Event::Accepted { arrived, written });
    }

    /// Writes `count` items of `units` each: how many the table took, and how long the slowest of them waited.
    fn write(&mut self, now: u64, count: u32, units: f64) -> (u32, u64) {
        let (mut written, mut waited) = (0, 0);
        for _ in 0..count {
            if let Some(wait) = self.table.write(now, units, TABLE_PATIENCE, &mut self.random) {
                written += 1;
                waited = waited.max(wait);
            }
        }
        (written, waited)
    }

    /// How long the calls for `count` writes take, side by side.
    fn table_calls(&mut self, count: u32) -> u64 {
        if count > 1 {
            self.times.table_batch.slowest(count.div_ceil(TABLE_BATCH), &mut self.random)
        } else {
            self.times.table.slowest(count, &mut self.random)
        }
    }

    /// Ingest is done: what was written goes to the queue, the rest is refused, the environment is free.
    pub(crate) fn accepted(&mut self, now: u64, arrived: u64, written: u16) {
        let bulk = u64::from(self.system.traffic.bulk);
        self.ingest.give_back();
        self.counts.accepting -= bulk;
        self.refuse(bulk - u64::from(written));
        self.count_accepted(u64::from(written));
        let message = Message { arrived, attempts: 0 };
        let together = u16::try_from(SEND_BATCH).unwrap_or(u16::MAX);
        let mut left = written;
        while left > 0 {
            let count = left.min(together);
            left -= count;
            self.hopping += u64::from(count);
            let hop = self.times.hop.draw(&mut self.random);
            self.agenda.plan(now + hop, Event::Visible { message, count, hidden: false });
        }
        if !self.waiting.is_empty() {
            self.serve_waiting(now);
        }
        // The account has room for the worker again.
        self.poll(now);
    }
}
