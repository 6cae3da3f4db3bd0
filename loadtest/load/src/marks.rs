//! One bit for each message: what a run may remember of a hundred million of them.
//!
//! Set from many threads at once, never cleared.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits in a word.
const WORD_BITS: u64 = 64;

/// A set of message numbers below a limit.
#[derive(Debug)]
pub(crate) struct Marks {
    words: Vec<AtomicU64>,
}

impl Marks {
    /// An empty set of numbers below `limit`.
    pub(crate) fn below(limit: u64) -> Self {
        let words = (0..limit.div_ceil(WORD_BITS)).map(|_| AtomicU64::new(0)).collect();
        Self { words }
    }

    /// Adds a number. Says whether it is new; a number that is not below the limit is not.
    pub(crate) fn add(&self, number: u64) -> bool {
        let place = usize::try_from(number / WORD_BITS).unwrap_or(usize::MAX);
        let bit = 1 << (number % WORD_BITS);
        self.words.get(place).is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    /// How many numbers are in it.
    pub(crate) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }

    /// How many numbers are in it and not in `other`.
    pub(crate) fn count_without(&self, other: &Self) -> u64 {
        let pairs = self.words.iter().zip(&other.words);
        let rest = pairs.map(|(ours, theirs)| {
            let rest = ours.load(Ordering::Relaxed) & !theirs.load(Ordering::Relaxed);
            u64::from(rest.count_ones())
        });
        rest.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once() {
        let (ours, theirs) = (Marks::below(130), Marks::below(130));
        assert!([0, 63, 64, 129].iter().all(|number| ours.add(*number)));
        assert!(!ours.add(64), "it was there");
        assert!(!ours.add(100_000), "it is out of reach");
        assert_eq!(ours.count(), 4);
        theirs.add(63);
        theirs.add(1);
        assert_eq!((ours.count_without(&theirs), theirs.count_without(&ours)), (3, 1));
    }
}
