//! Room for the deliveries of one invocation: so many at a time, and so many of them to one destination. Who
//! waits for its destination takes no room from the others. That keeps one sick destination from taking all the
//! room; several at once may, until their breakers are open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for one delivery, until it is dropped.
pub(crate) struct Slot {
    _of_destination: Option<OwnedSemaphorePermit>,
    _of_invocation: Option<OwnedSemaphorePermit>,
}

/// The room of one invocation.
pub(crate) struct Slots {
    invocation: Arc<Semaphore>,
    per_destination: usize,
    /// At most one for each item of the batch.
    destinations: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Slots {
    /// Room for `concurrency` deliveries, `per_destination` of them to one destination.
    pub(crate) fn new(concurrency: usize, per_destination: usize) -> Self {
        let invocation = Arc::new(Semaphore::new(concurrency));
        Self { invocation, per_destination, destinations: Mutex::default() }
    }

    /// Waits for room, first at the destination: always in this order, so that nobody holds what another
    /// one waits for in a circle. The semaphores are never closed, so there is always a permit in the end.
    pub(crate) async fn take(&self, destination: &str) -> Slot {
        let of_destination = self.destination(destination).acquire_owned().await.ok();
        let of_invocation = Arc::clone(&self.invocation).acquire_owned().await.ok();
        Slot { _of_destination: of_destination, _of_invocation: of_invocation }
    }

    fn destination(&self, destination: &str) -> Arc<Semaphore> {
        let mut known = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_destination) = known.get(destination) {
            return Arc::clone(of_destination);
        }
        let of_destination = Arc::new(Semaphore::new(self.per_destination));
        known.insert(destination.to_owned(), Arc::clone(&of_destination));
        of_destination
    }
}
