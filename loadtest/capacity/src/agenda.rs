//! What happens when, in order of time; of things at the same time the one that was planned first comes first, so
//! that a run is the same every time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A message, as small as can be: millions are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    /// When its request came, microseconds.
    pub arrived: u64,
    /// Attempts begun.
    pub attempts: u8,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A request comes.
    Request,
    /// Ingest is done with a request that came at this time; its messages are sent, or refused.
    Accepted {
        /// When the request came.
        arrived: u64,
        /// How many of its messages the table took.
        written: u16,
    },
    /// Messages of one send can be received.
    Visible {
        /// One of them; they are alike.
        message: Message,
        /// How many.
        count: u16,
        /// Whether they were in flight until now, hidden for a retry.
        hidden: bool,
    },
    /// An invocation of the worker ends; so many of its items are deleted.
    Ended {
        /// How many.
        deleted: u16,
    },
    /// The event source looks again.
    Poll,
    /// A second is over.
    Second,
}

/// What is still to happen.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, Event)>>,
    planned: u64,
}

impl Agenda {
    /// `event` happens at `time`.
    pub(crate) fn plan(&mut self, time: u64, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse((time, self.planned, event)));
    }

    /// What happens next.
    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        self.heap.pop().map(|Reverse((time, _, event))| (time, event))
    }
}
