//! The index of dead letters as one list: its parts are read page by page and merged by time.

use std::collections::VecDeque;

use relay_core::ports::{Cursor, DEAD_SHARDS, DeadEntry, DeadWanted, Ledger, PortError};
use relay_core::time::Timestamp;

use crate::stop::Stop;

/// One part of the index, read so far.
struct Part {
    shard: u8,
    waiting: VecDeque<DeadEntry>,
    after: Option<Cursor>,
    is_read: bool,
}

/// What comes next of the list.
pub(crate) enum Next {
    /// These entries, fewer than were asked for at the end; none behind it.
    Entries(Vec<DeadEntry>),
    /// The stop was asked for while more of the index was to be read.
    Stopped,
}

/// The entries of all parts, in the order that was asked for. Holds one page of each part at most.
pub(crate) struct Merge<'ledger> {
    ledger: &'ledger dyn Ledger,
    wanted: DeadWanted,
    from: Timestamp,
    until: Timestamp,
    stop: Stop,
    parts: Vec<Part>,
}

impl<'ledger> Merge<'ledger> {
    /// The entries since `from` or later and before `until`. Once `stop` was asked for no further page is read.
    pub(crate) fn new(
        ledger: &'ledger dyn Ledger,
        wanted: DeadWanted,
        from: Timestamp,
        until: Timestamp,
        stop: Stop,
    ) -> Self {
        let part = |shard| Part { shard, waiting: VecDeque::new(), after: None, is_read: false };
        Self { ledger, wanted, from, until, stop, parts: (0..DEAD_SHARDS).map(part).collect() }
    }

    /// The next `count` entries that `takes` takes. It may be many pages that it takes none of.
    ///
    /// # Errors
    /// When the ledger does not answer. Asking again goes on where it stopped.
    pub(crate) async fn next(
        &mut self,
        count: usize,
        takes: impl Fn(&DeadEntry) -> bool + Send,
    ) -> Result<Next, PortError> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            if !self.fill().await? {
                return Ok(Next::Stopped);
            }
            let heads = self.parts.iter_mut().filter(|part| !part.waiting.is_empty());
            let at = |part: &&mut Part| part.waiting.front().map(|entry| entry.at);
            let next = match self.wanted {
                DeadWanted::NewestFirst => heads.max_by_key(at),
                DeadWanted::OldestFirst | DeadWanted::Unfinished => heads.min_by_key(at),
            };
            let Some(entry) = next.and_then(|part| part.waiting.pop_front()) else { break };
            if takes(&entry) {
                taken.push(entry);
            }
        }
        Ok(Next::Entries(taken))
    }

    /// Reads until every part has an entry waiting or is at its end. False if the stop kept it from that.
    async fn fill(&mut self) -> Result<bool, PortError> {
        for part in &mut self.parts {
            while part.waiting.is_empty() && !part.is_read {
                if self.stop.was_asked() {
                    return Ok(false);
                }
                let after = part.after.as_ref();
                let page = self.ledger.dead(part.shard, self.wanted, self.from, self.until, after);
                let page = page.await?;
                part.waiting = page.items.into();
                part.is_read = page.next.is_none();
                part.after = page.next;
            }
        }
        Ok(true)
    }
}
