//! What the event source and the worker do: batches, attempts, retries, deaths.

use crate::accept::{TABLE_HELD_UP, TABLE_PATIENCE};
use crate::agenda::{Event, Message};
use crate::environments::{NoRoom, Place};
use crate::outcome::Limit;
use crate::simulation::{SECOND, Simulation};

/// How long an item is hidden whose claim the table did not take.
const SETBACK: u64 = 5 * SECOND;
/// What waits longer to be received is held up by the event source, and not by chance.
const HELD_UP: u64 = SECOND;
/// Delays between attempts are drawn from half of what the schedule says to the whole of it.
const JITTER_FROM: f64 = 0.5;

impl Simulation {
    /// Messages can be received.
    pub(crate) fn visible(&mut self, now: u64, message: Message, count: u16, hidden: bool) {
        if hidden {
            self.hidden -= u64::from(count);
            self.in_flight -= u64::from(count);
        } else {
            self.hopping -= u64::from(count);
        }
        for _ in 0..count {
            self.queue.push_back((now, message));
        }
        self.poll(now);
    }

    /// An invocation ends.
    pub(crate) fn ended(&mut self, now: u64, deleted: u16) {
        self.worker.give_back();
        self.in_flight -= u64::from(deleted);
        self.poll(now);
        if !self.waiting.is_empty() {
            self.serve_waiting(now);
        }
    }

    /// Receives and begins batches while there is anything to receive and room for it.
    pub(crate) fn poll(&mut self, now: u64) {
        while let Some((since, _)) = self.queue.front().copied() {
            let batch = self.system.stack.batch;
            let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
            let due = since + micros(self.system.stack.window_seconds);
            if waiting < batch && now < due {
                self.look_again(due);
                return;
            }
            let backlog = now - since > HELD_UP;
            if self.worker.busy() >= self.source.concurrency() {
                self.note_if(backlog, now, Limit::SourceConcurrency);
                return;
            }
            if crate::limits::float(self.in_flight) >= self.system.quotas.in_flight {
                self.notes.note(now, Limit::InFlight);
                return;
            }
            let count = waiting.min(batch);
            if let Some((wait, limit)) = self.source.wait(now, count) {
                self.note_if(backlog, now, limit);
                self.look_again(now + wait);
                return;
            }
            let left = self.left();
            match self.worker.take(now, left) {
                Ok(place) => {
                    self.source.receive(now, count);
                    self.begin_batch(now, place, count);
                }
                Err(NoRoom::Concurrency) => {
                    self.notes.note(now, Limit::WorkerConcurrency);
                    return;
                }
                Err(NoRoom::Scaling) => {
                    self.notes.note(now, Limit::WorkerScaling);
                    self.look_again(now + self.worker.wait(now));
                    return;
                }
            }
        }
    }

    fn note_if(&mut self, met: bool, now: u64, limit: Limit) {
        if met {
            self.notes.note(now, limit);
        }
    }

    /// Looks again at `time`, if nothing does before.
    fn look_again(&mut self, time: u64) {
        if self.next_poll.is_none_or(|planned| planned > time) {
            self.next_poll = Some(time);
            self.agenda.plan(time, Event::Poll);
        }
    }

    fn begin_batch(&mut self, now: u64, place: Place, count: u32) {
        let cold = match place {
            Place::Warm => 0,
            Place::Cold => self.times.cold_start.draw(&mut self.random),
        };
        self.in_flight += u64::from(count);
        self.counts.invocations += 1;
        self.counts.received += u64::from(count);
        let begins = now + cold;
        let mut free =
            vec![begins; self.system.stack.delivery_concurrency.clamp(1, count) as usize];
        let (mut deleted, mut settled_together) = (0, false);
        for _ in 0..count {
            let Some((_, message)) = self.queue.pop_front() else { break };
            // The next item takes the place that comes free first.
            let slot = free.iter_mut().min_by_key(|ends| **ends);
            let Some(slot) = slot else { break };
            let (ends, done) = self.attempt(now, *slot, message);
            *slot = ends;
            deleted += u16::from(done);
            settled_together |= done && self.is_unclaimed(message);
        }
        let mut ends = free.into_iter().max().unwrap_or(begins);
        ends += self.times.overhead.draw(&mut self.random);
        if settled_together {
            ends += self.times.table_batch.draw(&mut self.random);
        }
        self.agenda.plan(ends, Event::Ended { deleted });
    }

    /// Whether the attempt is made without a claim.
    fn is_unclaimed(&self, message: Message) -> bool {
        self.system.stack.lean && message.attempts == 0
    }

    /// One attempt, from claim to settlement: when it ends, and whether nothing more comes of the item. Its writes are
    /// taken from the table `now`, when the batch is received: what has not begun cannot be put in order of time.
    fn attempt(&mut self, now: u64, begins: u64, message: Message) -> (u64, bool) {
        let claimed = !self.is_unclaimed(message);
        let mut at = begins;
        if claimed {
            let Some(waited) = self.table.write(now, 1.0, TABLE_PATIENCE, &mut self.random) else {
                self.notes.note(now, Limit::TableWrites);
                self.hide(begins + SETBACK, message);
                return (begins, false);
            };
            at += waited + self.times.table.draw(&mut self.random);
        }
        let timeout = micros(self.system.stack.timeout_seconds);
        let drawn = if self.random.happens(self.system.traffic.timeout_share) {
            timeout
        } else {
            self.times.target.draw(&mut self.random).min(timeout)
        };
        let failed = drawn == timeout || self.random.happens(self.system.traffic.failure_share);
        let answered = at + drawn;
        // What cannot be settled in time is settled late: the attempt has been made.
        let waited = self.table.write(now, 1.0, TABLE_PATIENCE, &mut self.random);
        let waited = waited.unwrap_or(TABLE_PATIENCE);
        if waited > TABLE_HELD_UP {
            self.notes.note(now, Limit::TableWrites);
        }
        let ends = if claimed || failed {
            answered + waited + self.times.table.draw(&mut self.random)
        } else {
            answered + waited
        };
        let attempts = message.attempts + 1;
        if failed && attempts < self.system.stack.attempts_max {
            let delay = self.delay(attempts);
            self.hide(ends + delay, Message { attempts, ..message });
            return (ends, false);
        }
        self.finish(answered, message, failed);
        (ends, true)
    }

    /// The item can be received again at `until`, and is in flight up to then.
    fn hide(&mut self, until: u64, message: Message) {
        self.hidden += 1;
        self.agenda.plan(until, Event::Visible { message, count: 1, hidden: true });
    }

    fn finish(&mut self, answered: u64, message: Message, failed: bool) {
        if answered > self.ends {
            self.in_hand += 1;
            return;
        }
        if failed {
            self.counts.dead += 1;
            return;
        }
        self.counts.delivered += 1;
        let second = usize::try_from(answered / SECOND).unwrap_or(usize::MAX);
        if let Some(delivered) = self.delivered.get_mut(second) {
            *delivered += 1;
        }
        let took = answered - message.arrived;
        self.end_to_end.add(took, 1);
        if message.arrived >= self.ends / 3 * 2 {
            self.end_to_end_late.add(took, 1);
        }
    }

    /// How long after attempt number `attempts` the next one comes.
    fn delay(&mut self, attempts: u8) -> u64 {
        let stack = &self.system.stack;
        let whole = stack.retry_base_seconds * stack.retry_factor.powi(i32::from(attempts) - 1);
        micros(whole * (JITTER_FROM + (1.0 - JITTER_FROM) * self.random.unit()))
    }
}

/// Seconds as microseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, of minutes")]
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}
