//! The chance of a whole world: everything is drawn from it, in the order in which things happen.

use std::sync::Mutex;
use std::time::Duration;

use relay_testkit::Chance;

/// Seeded chance that all parts of a world share.
pub(crate) struct Dice(Mutex<Chance>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Chance::seeded(seed)))
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&self, first: u64, last: u64) -> u64 {
        first + self.with(|chance| chance.below(last - first + 1))
    }

    pub(crate) fn millis(&self, first: u64, last: u64) -> Duration {
        Duration::from_millis(self.between(first, last))
    }

    /// Whether something happens that happens this often in a thousand.
    pub(crate) fn happens(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.between(0, 999) < per_mille
    }

    pub(crate) fn pick<'choices, T>(&self, choices: &'choices [T]) -> &'choices T {
        self.with(|chance| chance.pick(choices).expect("choices are never empty"))
    }

    pub(crate) fn with<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.0.lock().unwrap())
    }
}
