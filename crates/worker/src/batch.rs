//! A batch is many messages: delivered side by side, none able to harm another, and answered so that
//! what is not accounted for comes back.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use relay_core::time::Timestamp;
use serde::Serialize;
use tracing::Instrument;

use crate::deliver::Worker;
use crate::given::Item;
use crate::invocation::Invocation;
use crate::log::about_item;
use crate::tell::Told;

/// What is left of an invocation for its answer when everything else is cut off.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// The answer to the event source. It begins with every item failed and learns which are done: an
/// empty answer by mistake, which deletes a whole batch, cannot be built (F40).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl BatchAnswer {
    /// An answer in which every item failed.
    pub fn all_failed(items: &[Item]) -> Self {
        let failure = |item: &Item| Failure { item_identifier: item.item_id.clone() };
        Self { batch_item_failures: items.iter().map(failure).collect() }
    }

    /// Takes an item out of the failed ones.
    pub fn acknowledge(&mut self, item_id: &str) {
        self.batch_item_failures.retain(|failure| failure.item_identifier != item_id);
    }

    /// The items that come back.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        self.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str())
    }
}

impl Worker {
    /// Delivers a batch. Items still under way when the invocation is about to end are answered as
    /// failed; their leases keep others from them until they have ended too.
    pub async fn deliver_batch(&self, items: &[Item], invocation_ends: Timestamp) -> BatchAnswer {
        self.count_batch(items);
        let mut answer = BatchAnswer::all_failed(items);
        let left = invocation_ends.since(self.ports.ambient.now()).saturating_sub(ANSWER_MARGIN);
        let cut_off = tokio::time::sleep(left);
        tokio::pin!(cut_off);
        // All are begun at once; the slots say how many get on.
        let invocation = self.invocation(items.len(), invocation_ends);
        let mut deliveries: FuturesUnordered<_> =
            items.iter().map(|item| self.deliver_alone(&invocation, item)).collect();
        loop {
            tokio::select! {
                biased;
                delivered = deliveries.next() => match delivered {
                    Some((item, Told::Acknowledged)) => answer.acknowledge(&item.item_id),
                    Some((_, Told::HandedBack)) => {}
                    None => return answer,
                },
                () = &mut cut_off => {
                    let items_left = deliveries.len();
                    tracing::warn!(items_left, "cut off: the invocation is about to end");
                    return answer;
                }
            }
        }
    }

    /// Delivers one item; a panic fails it and no other (F14), and its line says whose it is if that was known.
    pub(crate) async fn deliver_alone<'a>(
        &self,
        invocation: &Invocation,
        item: &'a Item,
    ) -> (&'a Item, Told) {
        let delivery = async {
            let delivery = AssertUnwindSafe(self.deliver_within(invocation, item)).catch_unwind();
            match delivery.await {
                Ok(told) => told,
                Err(_panic) => {
                    tracing::error!(item_id = item.item_id, "delivery panicked");
                    self.hand_back_after_panic(item).await
                }
            }
        };
        (item, delivery.instrument(about_item()).await)
    }
}
