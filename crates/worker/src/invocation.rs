//! What the deliveries of one invocation share: its end, the room for their calls, and the writing down of what came of
//! them.

use relay_core::time::Timestamp;

use crate::deliver::Worker;
use crate::joined::Joined;
use crate::slots::Slots;

/// One invocation.
pub(crate) struct Invocation {
    /// When it is over, whatever still runs.
    pub(crate) ends: Timestamp,
    /// Room for calls.
    pub(crate) slots: Slots,
    /// Attempts that were not claimed, and their settlements.
    pub(crate) joined: Joined,
}

impl Worker {
    /// An invocation for so many items.
    pub(crate) fn invocation(&self, items: usize, ends: Timestamp) -> Invocation {
        let rules = &self.rules;
        let slots = Slots::new(rules.concurrency, rules.concurrency_per_destination);
        Invocation { ends, slots, joined: Joined::of(items) }
    }
}
