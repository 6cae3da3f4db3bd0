//! The dead-letter queue in memory as its readers have it: letters are received, hidden, shown again and
//! deleted, and the queue moves items there on its own when it is told to.

use std::time::Duration;

use async_trait::async_trait;
use relay_core::envelope::{DEAD_LETTER_ATTRIBUTE, Envelope};
use relay_core::ports::{DeadLetter, LETTERS_MAX, Letter, Letters, PortError, Receipt};
use relay_core::time::Timestamp;

use super::queue::{Item, MemoryQueue, whole_seconds};

/// A letter in its queue.
pub(super) struct DeadItem {
    pub(super) letter: DeadLetter,
    visible_at: Timestamp,
    receipt: Option<Receipt>,
    is_moved: bool,
}

impl DeadItem {
    pub(super) fn buried(letter: DeadLetter, now: Timestamp) -> Self {
        Self { letter, visible_at: now, receipt: None, is_moved: false }
    }

    /// The queue moves an item as it is, attributes and all.
    fn moved(item: Item, now: Timestamp) -> Self {
        let envelope = Envelope::from_json(&item.text);
        let mut attributes = envelope.map_or(Vec::new(), |envelope| envelope.attributes());
        if let Some(generation) = item.attributes.get(DEAD_LETTER_ATTRIBUTE) {
            attributes.push((DEAD_LETTER_ATTRIBUTE, generation.clone()));
        }
        let letter = DeadLetter { text: item.text, attributes };
        Self { letter, visible_at: now, receipt: None, is_moved: true }
    }
}

impl MemoryQueue {
    /// Moves every visible item to the dead-letter queue that was received `receives_max` times or more, as a
    /// redrive policy does. How many there were.
    pub fn move_received_often(&self, receives_max: u32) -> usize {
        let now = self.clock.now();
        self.with(|items| {
            let is_moved =
                |item: &mut Item| item.visible_at <= now && item.receives >= receives_max;
            let moved: Vec<_> = items.waiting.extract_if(.., is_moved).collect();
            let count = moved.len();
            items.dead.extend(moved.into_iter().map(|item| DeadItem::moved(item, now)));
            count
        })
    }

    fn with_held(&self, receipts: &[Receipt], act: impl Fn(&mut DeadItem)) {
        let now = self.clock.now();
        self.with(|items| {
            let held = items.dead.iter_mut().filter(|item| now < item.visible_at);
            held.filter(|item| item.receipt.as_ref().is_some_and(|held| receipts.contains(held)))
                .for_each(act);
        });
    }
}

#[async_trait]
impl Letters for MemoryQueue {
    async fn receive(&self, hidden_for: Duration) -> Result<Vec<Letter>, PortError> {
        let now = self.clock.now();
        Ok(self.with(|items| {
            let visible = items.dead.iter_mut().filter(|item| item.visible_at <= now);
            let taken = visible.take(LETTERS_MAX).map(|item| {
                items.receipts += 1;
                let receipt = Receipt(format!("letter-{}", items.receipts));
                item.visible_at = now.plus(whole_seconds(hidden_for));
                item.receipt = Some(receipt.clone());
                let attributes = item.letter.attributes.iter();
                Letter {
                    receipt,
                    text: item.letter.text.clone(),
                    attributes: attributes
                        .map(|(name, value)| ((*name).to_owned(), value.clone()))
                        .collect(),
                    moved_by_queue: item.is_moved,
                }
            });
            taken.collect()
        }))
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        self.with(|items| {
            items.dead.retain(|item| {
                item.receipt.as_ref().is_none_or(|receipt| !receipts.contains(receipt))
            });
        });
        Ok(())
    }

    async fn release(&self, receipts: &[Receipt]) -> Result<(), PortError> {
        let now = self.clock.now();
        self.with_held(receipts, |item| item.visible_at = now);
        Ok(())
    }
}
