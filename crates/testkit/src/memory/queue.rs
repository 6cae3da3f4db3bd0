//! The queue in memory, with delays, visibility and receipts that go stale, and its dead letters.
//! Hands messages out in the order they came; a real queue promises no order at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use relay_core::envelope::{DELAY_ATTRIBUTE, Envelope, queue_takes};
use relay_core::ports::{DeadLetter, PortError, Queue, Receipt};
use relay_core::time::Timestamp;

use super::letters::DeadItem;
use crate::ambient::{Chance, ManualClock};

/// The longest delay.
const DELAY_MAX: Duration = Duration::from_secs(15 * 60);
/// The longest hiding of a received item.
const HIDDEN_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// What one message may weigh, text and attributes, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// A received item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The text.
    pub text: String,
    /// The attributes beside it.
    pub attributes: BTreeMap<String, String>,
    /// What this receipt is called.
    pub receipt: Receipt,
    /// How often it was received, this time included.
    pub receives: u32,
}

pub(super) struct Item {
    pub(super) text: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) visible_at: Timestamp,
    receipt: Option<Receipt>,
    pub(super) receives: u32,
}

#[derive(Default)]
pub(super) struct Items {
    pub(super) waiting: Vec<Item>,
    pub(super) dead: Vec<DeadItem>,
    pub(super) receipts: u64,
}

impl Items {
    fn indexes(&self, wanted: impl Fn(&Item) -> bool) -> Vec<usize> {
        (0..self.waiting.len()).filter(|index| wanted(&self.waiting[*index])).collect()
    }

    fn hand_out(&mut self, index: usize, now: Timestamp, visibility: Duration) -> Received {
        self.receipts += 1;
        let receipt = Receipt(format!("receipt-{}", self.receipts));
        let item = &mut self.waiting[index];
        item.visible_at = now.plus(visibility);
        item.receipt = Some(receipt.clone());
        item.receives += 1;
        Received {
            text: item.text.clone(),
            attributes: item.attributes.clone(),
            receipt,
            receives: item.receives,
        }
    }
}

/// The queue in memory. Copies are the same queue.
#[derive(Clone)]
pub struct MemoryQueue {
    pub(super) clock: ManualClock,
    items: Arc<Mutex<Items>>,
}

impl MemoryQueue {
    /// An empty queue that lives by `clock`.
    pub fn new(clock: ManualClock) -> Self {
        Self { clock, items: Arc::default() }
    }

    /// Hands out at most `items_max` visible items and hides them for `visibility`.
    pub fn receive(&self, items_max: usize, visibility: Duration) -> Vec<Received> {
        let now = self.clock.now();
        self.with(|items| {
            let visible = items.indexes(|item| item.visible_at <= now);
            let taken = visible.into_iter().take(items_max);
            taken.map(|index| items.hand_out(index, now, visibility)).collect()
        })
    }

    /// The same in an order by chance, and if `doubled` with one item that is hidden because somebody has it:
    /// a real queue promises neither order nor to hand an item out once.
    pub fn receive_by(
        &self,
        chance: &mut Chance,
        items_max: usize,
        visibility: Duration,
        doubled: bool,
    ) -> Vec<Received> {
        let now = self.clock.now();
        self.with(|items| {
            let mut visible = items.indexes(|item| item.visible_at <= now);
            for last in (1..visible.len()).rev() {
                let other = chance.below(last as u64 + 1);
                visible.swap(last, usize::try_from(other).unwrap_or(last));
            }
            let held = items.indexes(|item| now < item.visible_at && item.receives > 0);
            visible.truncate(items_max);
            visible.extend(chance.pick(&held).filter(|_| doubled));
            visible.into_iter().map(|index| items.hand_out(index, now, visibility)).collect()
        })
    }

    /// Removes an item for good, if the receipt is its last one.
    pub fn delete(&self, receipt: &Receipt) {
        self.with(|items| items.waiting.retain(|item| item.receipt.as_ref() != Some(receipt)));
    }

    /// How many items there are, hidden ones included.
    pub fn depth(&self) -> usize {
        self.with(|items| items.waiting.len())
    }

    /// When the next item can be received; nothing if there is none.
    pub fn next_visible_at(&self) -> Option<Timestamp> {
        self.with(|items| items.waiting.iter().map(|item| item.visible_at).min())
    }

    /// Every copy that was buried, in order.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.with(|items| items.dead.iter().map(|item| item.letter.clone()).collect())
    }

    /// Moves the dead letter of this number back, attributes and all, as an operator does with the queue's own
    /// tools.
    pub fn move_back(&self, index: usize) -> Option<DeadLetter> {
        let visible_at = self.clock.now();
        self.with(|items| {
            let DeadItem { letter, .. } =
                (index < items.dead.len()).then(|| items.dead.remove(index))?;
            let attributes =
                letter.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            items.waiting.push(Item {
                text: letter.text.clone(),
                attributes: attributes.collect(),
                visible_at,
                receipt: None,
                receives: 0,
            });
            Some(letter)
        })
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Items) -> T) -> T {
        act(&mut self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn check(action: &'static str, text: &str) -> Result<(), PortError> {
    let refuse = |reason: &str| Err(PortError::Unavailable { action, reason: reason.to_owned() });
    if text.len() > MESSAGE_BYTES_MAX {
        return refuse("the text is longer than 1 MiB");
    }
    if !text.chars().all(queue_takes) {
        return refuse("the text has a character that queues do not take");
    }
    Ok(())
}

/// Queues count whole seconds; an item must never come early.
pub(super) fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, envelope: &Envelope, delay: Duration) -> Result<(), PortError> {
        let text = envelope.to_json();
        check("sending to the queue", &text)?;
        let delay = whole_seconds(delay.min(DELAY_MAX));
        let mut attributes = envelope.attributes();
        if !delay.is_zero() {
            attributes.push((DELAY_ATTRIBUTE, delay.as_secs().to_string()));
        }
        let attributes = attributes.into_iter();
        let item = Item {
            text,
            attributes: attributes.map(|(name, value)| (name.to_owned(), value)).collect(),
            visible_at: self.clock.now().plus(delay),
            receipt: None,
            receives: 0,
        };
        self.with(|items| items.waiting.push(item));
        Ok(())
    }

    async fn postpone(&self, receipt: &Receipt, wait: Duration) -> Result<(), PortError> {
        let now = self.clock.now();
        self.with(|items| {
            let is_last =
                |item: &&mut Item| item.receipt.as_ref() == Some(receipt) && now < item.visible_at;
            if let Some(item) = items.waiting.iter_mut().find(is_last) {
                item.visible_at = now.plus(whole_seconds(wait.min(HIDDEN_MAX)));
            }
        });
        Ok(())
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<(), PortError> {
        check("sending to the dead-letter queue", &letter.text)?;
        let item = DeadItem::buried(letter.clone(), self.clock.now());
        self.with(|items| items.dead.push(item));
        Ok(())
    }

    async fn ready(&self) -> Result<(), PortError> {
        Ok(())
    }
}
