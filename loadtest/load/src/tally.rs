//! What became of everything that was sent: counters, marks and latencies, written by generator and receiver at
//! the same time and read once a second.
//!
//! It judges nothing. Memory does not grow with the length of a run, but for four bits a message.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::latency::Latency;
use crate::marks::Marks;
use crate::plan::{Lane, Message};

/// What the relay made of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has it (202).
    Accepted,
    /// It had it before (200).
    Duplicate,
    /// It will not have it, or cannot, with this status.
    Refused(u16),
    /// There is no answer, or none that can be read.
    Failed(Failure),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// None came in time.
    Timeout,
    /// No connection.
    Connect,
    /// The connection broke.
    Broken,
    /// It is not what the interface says.
    Unreadable,
}

impl Failure {
    /// Its name in a report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Tally {
    requests: Count,
    sent: Count,
    answered: Count,
    accepted: Count,
    duplicates: Count,
    refused: Mutex<BTreeMap<u16, u64>>,
    failed: Mutex<BTreeMap<Failure, u64>>,
    held_back: Count,
    longest_hold_microseconds: Count,
    delivered: Count,
    delivered_again: Count,
    repeated: Marks,
    dead_calls: Count,
    wrong_bodies: Count,
    foreign: Count,
    last_accepted_microseconds: Count,
    last_delivered_microseconds: Count,
    /// Messages the relay has said it has.
    known: Marks,
    /// Of these, those that a target will take.
    expected: Marks,
    arrived: Marks,
    /// From the intended time to the relay's answer, of messages it has.
    pub(crate) accept: Latency,
    /// From the intended time to the first arrival at a target that answers at once.
    pub(crate) end_to_end: Latency,
    /// The same of the target that takes its time.
    pub(crate) end_to_end_slow: Latency,
    /// How late the generator itself was.
    pub(crate) lag: Latency,
}

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Messages that were due.
    pub(crate) offered: u64,
    /// Requests that were sent.
    pub(crate) requests: u64,
    /// Messages in them.
    pub(crate) sent: u64,
    /// Messages that were due and that the bound on requests in flight kept from being sent at all.
    pub(crate) never_sent: u64,
    /// Messages that it made late.
    pub(crate) held_back: u64,
    /// The longest of these delays, in milliseconds.
    pub(crate) held_back_milliseconds_max: u64,
    /// Messages answered 202.
    pub(crate) accepted: u64,
    /// Messages answered 200: the relay had them.
    pub(crate) duplicates: u64,
    /// Ids that the relay said it has.
    pub(crate) accepted_ids: u64,
    /// Messages that were refused, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Messages without an answer, by reason.
    pub(crate) failed: BTreeMap<&'static str, u64>,
    /// What the receiver saw; none if there is none.
    pub(crate) delivery: Option<Delivery>,
}

/// What the receiver saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Delivery {
    /// Accepted ids whose target takes messages: those that have to arrive.
    pub(crate) expected_ids: u64,
    /// Ids that arrived.
    pub(crate) delivered_ids: u64,
    /// Of these, those that arrived once.
    pub(crate) delivered_once: u64,
    /// Those that arrived more than once.
    pub(crate) delivered_more_than_once: u64,
    /// Arrivals beyond the first of their id.
    pub(crate) delivered_again: u64,
    /// Ids that were expected and have not arrived.
    pub(crate) lost: u64,
    /// Ids that arrived although the relay never said that it has them: the answer was lost, or is still due.
    pub(crate) delivered_unconfirmed: u64,
    /// Arrivals with a body that nobody sent.
    pub(crate) wrong_bodies: u64,
    /// Arrivals of another run.
    pub(crate) foreign: u64,
    /// Calls that the dead target got.
    pub(crate) dead_target_calls: u64,
}

impl Tally {
    /// Of a run with so many messages. None only if a histogram were impossible.
    pub(crate) fn of(messages: u64) -> Option<Self> {
        Some(Self {
            requests: Count::default(),
            sent: Count::default(),
            answered: Count::default(),
            accepted: Count::default(),
            duplicates: Count::default(),
            refused: Mutex::default(),
            failed: Mutex::default(),
            held_back: Count::default(),
            longest_hold_microseconds: Count::default(),
            delivered: Count::default(),
            delivered_again: Count::default(),
            repeated: Marks::below(messages),
            dead_calls: Count::default(),
            wrong_bodies: Count::default(),
            foreign: Count::default(),
            last_accepted_microseconds: Count::default(),
            last_delivered_microseconds: Count::default(),
            known: Marks::below(messages),
            expected: Marks::below(messages),
            arrived: Marks::below(messages),
            accept: Latency::new()?,
            end_to_end: Latency::new()?,
            end_to_end_slow: Latency::new()?,
            lag: Latency::new()?,
        })
    }

    /// A request with so many messages leaves, so late by the generator's own fault.
    pub(crate) fn sends(&self, messages: u64, lag: Duration) {
        self.requests.add(1);
        self.sent.add(messages);
        self.lag.add(lag, 1);
    }

    /// The bound on requests in flight has made so many messages this late.
    pub(crate) fn held_back(&self, messages: u64, late: Duration) {
        self.held_back.add(messages);
        self.longest_hold_microseconds.raise_to(microseconds(late));
    }

    /// The relay has answered, or not, `latency` after the messages were due and `elapsed` after the start.
    pub(crate) fn answered(
        &self,
        messages: impl Iterator<Item = (Message, Verdict)>,
        latency: Duration,
        elapsed: Duration,
    ) {
        let (mut answered, mut taken) = (0, 0);
        for (message, verdict) in messages {
            answered += 1;
            match verdict {
                Verdict::Accepted | Verdict::Duplicate => {
                    taken += 1;
                    self.takes(message, verdict);
                }
                Verdict::Refused(status) => increase(&self.refused, status),
                Verdict::Failed(failure) => increase(&self.failed, failure),
            }
        }
        if taken > 0 {
            self.accept.add(latency, taken);
            self.last_accepted_microseconds.raise_to(microseconds(elapsed));
        }
        self.answered.add(answered);
    }

    fn takes(&self, message: Message, verdict: Verdict) {
        let count = if verdict == Verdict::Accepted { &self.accepted } else { &self.duplicates };
        count.add(1);
        self.known.add(message.number);
        if message.lane != Lane::Dead {
            self.expected.add(message.number);
        }
    }

    /// A message is at its target, `latency` after it was due and `elapsed` after the start.
    pub(crate) fn arrived(&self, message: Message, latency: Duration, elapsed: Duration) {
        let kind = match message.lane {
            Lane::Sound => &self.end_to_end,
            Lane::Slow => &self.end_to_end_slow,
            Lane::Dead => {
                self.dead_calls.add(1);
                return;
            }
        };
        if self.arrived.add(message.number) {
            self.delivered.add(1);
            kind.add(latency, 1);
            self.last_delivered_microseconds.raise_to(microseconds(elapsed));
        } else {
            self.delivered_again.add(1);
            self.repeated.add(message.number);
        }
    }

    /// A body arrived that is none of this run's: another run's, or nobody's.
    pub(crate) fn strange(&self, is_foreign: bool) {
        if is_foreign { self.foreign.add(1) } else { self.wrong_bodies.add(1) }
    }

    /// Messages the relay took so far, ids so far delivered, and messages whose answer is awaited.
    pub(crate) fn progress(&self) -> (u64, u64, u64) {
        let taken = self.accepted.get() + self.duplicates.get();
        // Read first, so that an answer in between does not make the difference negative.
        let answered = self.answered.get();
        (taken, self.delivered.get(), self.sent.get().saturating_sub(answered))
    }

    /// How many ids are expected and have not arrived.
    pub(crate) fn missing(&self) -> u64 {
        self.expected.count_without(&self.arrived)
    }

    /// When the last message was accepted, and when the last one arrived, counted from the start.
    pub(crate) fn last(&self) -> (Duration, Duration) {
        let of = |count: &Count| Duration::from_micros(count.get());
        (of(&self.last_accepted_microseconds), of(&self.last_delivered_microseconds))
    }

    /// All counts, if so many messages were due. What arrived counts only where there is a receiver.
    pub(crate) fn counts(&self, offered: u64, has_receiver: bool) -> Counts {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        Counts {
            offered,
            requests: self.requests.get(),
            sent: self.sent.get(),
            never_sent: offered.saturating_sub(self.sent.get()),
            held_back: self.held_back.get(),
            held_back_milliseconds_max: self.longest_hold_microseconds.get() / 1000,
            accepted: self.accepted.get(),
            duplicates: self.duplicates.get(),
            accepted_ids: self.known.count(),
            refused: self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            failed: failed.iter().map(|(failure, count)| (failure.name(), *count)).collect(),
            delivery: has_receiver.then(|| self.delivery()),
        }
    }

    fn delivery(&self) -> Delivery {
        let (delivered_ids, repeated) = (self.arrived.count(), self.repeated.count());
        Delivery {
            expected_ids: self.expected.count(),
            delivered_ids,
            delivered_once: delivered_ids.saturating_sub(repeated),
            delivered_more_than_once: repeated,
            delivered_again: self.delivered_again.get(),
            lost: self.missing(),
            delivered_unconfirmed: self.arrived.count_without(&self.known),
            wrong_bodies: self.wrong_bodies.get(),
            foreign: self.foreign.get(),
            dead_target_calls: self.dead_calls.get(),
        }
    }
}

fn increase<K: Ord>(counts: &Mutex<BTreeMap<K, u64>>, key: K) {
    *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
