//! Attempts of one invocation that were not claimed: whose they are, and their settlements, gathered until all that are
//! still to come have come, so that one call to the store writes them. Writes nothing itself.
//!
//! One of those that wait is handed the settlements of the others to write. None hangs on another: should the one that
//! writes break down, the others are told that nobody writes for them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use relay_core::identity::RelayId;
use relay_core::ports::{PortError, Settled, Settlement};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// How long a settlement waits for others, counted from the first that waits. Targets that answer quickly answer within
/// that of each other; what waits longer is called again if the worker dies meanwhile. It is a small part of what an
/// attempt leaves of its invocation (`SETTLE_TIME`).
const JOINED_WITHIN: Duration = Duration::from_millis(100);

/// The attempts of one invocation that were not claimed.
pub(crate) struct Joined {
    gathering: Mutex<Gathering>,
}

struct Gathering {
    /// Items that may still come with a settlement.
    coming: usize,
    /// At most one for each item.
    waiting: Vec<Waiting>,
    /// Until when the first of them waits for others.
    until: Option<Instant>,
    /// The messages of all attempts: no two are of the same.
    begun: HashSet<RelayId>,
}

/// A settlement that waits to be written.
pub(crate) struct Waiting {
    pub(crate) settlement: Settlement,
    told: oneshot::Sender<Turn>,
}

impl Waiting {
    /// Tells whoever waits what came of its settlement.
    pub(crate) fn tell(self, settled: Result<Settled, PortError>) {
        // Nobody is there any more if its item was cut off.
        let _ = self.told.send(Turn::Written(settled));
    }
}

/// What one that waited is told.
pub(crate) enum Turn {
    /// It was written with others.
    Written(Result<Settled, PortError>),
    /// It is to write its own, and these with it.
    Write(Vec<Waiting>),
}

/// One item's right to come with a settlement. The others wait for it until it is given up.
pub(crate) struct Place<'a> {
    joined: &'a Joined,
}

impl Joined {
    /// For an invocation with so many items, each of which takes a place.
    pub(crate) fn of(items: usize) -> Self {
        let (waiting, begun) = (Vec::with_capacity(items), HashSet::with_capacity(items));
        Self { gathering: Mutex::new(Gathering { coming: items, waiting, until: None, begun }) }
    }

    /// The place of one item.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { joined: self }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Gathering) -> T) -> T {
        act(&mut self.gathering.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Gathering {
    fn all_that_wait(&mut self) -> Vec<Waiting> {
        self.until = None;
        std::mem::take(&mut self.waiting)
    }
}

impl Place<'_> {
    /// Notes that an attempt of this message begins without a claim. False if one began in this invocation before: the
    /// message is in the batch twice.
    pub(crate) fn begin(&self, id: &RelayId) -> bool {
        self.joined.with(|gathering| gathering.begun.insert(id.clone()))
    }

    /// Waits with a settlement for those of others, and says who writes it.
    pub(crate) async fn wait(self, settlement: &Settlement) -> Turn {
        let joined = self.joined;
        let (told, mut turn) = oneshot::channel();
        let until = joined.with(|gathering| {
            let waiting = Waiting { settlement: settlement.clone(), told };
            gathering.waiting.push(waiting);
            *gathering.until.get_or_insert_with(|| Instant::now() + JOINED_WITHIN)
        });
        // Gives the place up: if nobody else is to come, this is what ends the waiting.
        drop(self);
        // Nobody writes for it if whoever was to has broken down.
        let alone = |_| Turn::Write(Vec::new());
        match timeout_at(until, &mut turn).await {
            Ok(turn) => turn.unwrap_or_else(alone),
            Err(_elapsed) => match joined.take_others(&settlement.id) {
                Some(others) => Turn::Write(others),
                None => turn.await.unwrap_or_else(alone),
            },
        }
    }
}

impl Joined {
    /// All that wait but the one of this message; none if that one does not wait any more.
    fn take_others(&self, id: &RelayId) -> Option<Vec<Waiting>> {
        self.with(|gathering| {
            let own = gathering.waiting.iter().position(|waiting| waiting.settlement.id == *id)?;
            let mut all = gathering.all_that_wait();
            all.swap_remove(own);
            Some(all)
        })
    }
}

impl Drop for Place<'_> {
    /// The last one to come or to give up has somebody write.
    fn drop(&mut self) {
        self.joined.with(|gathering| {
            gathering.coming = gathering.coming.saturating_sub(1);
            if gathering.coming > 0 {
                return;
            }
            let mut others = gathering.all_that_wait();
            // Whoever was cut off does not write.
            while let Some(waiting) = others.pop() {
                match waiting.told.send(Turn::Write(others)) {
                    Err(Turn::Write(left)) => others = left,
                    Ok(()) | Err(Turn::Written(_)) => return,
                }
            }
        });
    }
}
