//! Counts copies of a message by the life they are of.

use crate::identity::{AcceptedId, Generation};
use crate::lifecycle::Life;

/// How many copies there are, by the life they are of.
#[derive(Default)]
pub(super) struct Copies(Vec<(AcceptedId, Generation, u32)>);

impl Copies {
    pub(super) fn iter(&self) -> impl Iterator<Item = &(AcceptedId, Generation, u32)> {
        self.0.iter()
    }

    pub(super) fn of(&self, life: &Life) -> u32 {
        let is_of = |(accepted, generation, _): &&(AcceptedId, Generation, u32)| {
            *accepted == life.accepted_id && *generation == life.generation
        };
        self.0.iter().find(is_of).map_or(0, |(.., count)| *count)
    }

    pub(super) fn add(&mut self, life: &Life) {
        self.set(life, self.of(life) + 1);
    }

    pub(super) fn remove(&mut self, life: &Life) {
        self.set(life, self.of(life).saturating_sub(1));
    }

    fn set(&mut self, life: &Life, count: u32) {
        self.0.retain(|(accepted, generation, _)| {
            *accepted != life.accepted_id || *generation != life.generation
        });
        self.0.push((life.accepted_id.clone(), life.generation, count));
    }
}
