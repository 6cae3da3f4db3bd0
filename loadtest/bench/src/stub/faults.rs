//! Which requests fare badly, and how. The same plan gives the same faults.

/// How a request fares badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is refused: throttled, or an error of the service.
    Refuse,
    /// It is carried out and its answer lost.
    LoseAnswer,
    /// Of a batch a part is not carried out. A single call is carried out.
    Partly,
}

/// A plan of faults. The default has none.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    percent: u64,
    state: u64,
}

impl Faults {
    /// So many of a hundred requests fare badly, each in one of the three ways.
    #[must_use]
    pub const fn percent(percent: u64, seed: u64) -> Self {
        Self { percent, state: seed }
    }

    pub(super) fn next(&mut self) -> Option<Fault> {
        if self.percent == 0 {
            return None;
        }
        // The constants of Knuth's MMIX generator; its upper bits are the good ones.
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let drawn = self.state >> 33;
        (drawn % 100 < self.percent).then_some(match drawn / 100 % 3 {
            0 => Fault::Refuse,
            1 => Fault::LoseAnswer,
            _ => Fault::Partly,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_comes_and_about_as_often_as_asked_for() {
        let mut faults = Faults::percent(30, 1);
        let drawn: Vec<_> = (0..10_000).filter_map(|_| faults.next()).collect();
        assert!((2_800..3_200).contains(&drawn.len()), "{}", drawn.len());
        for fault in [Fault::Refuse, Fault::LoseAnswer, Fault::Partly] {
            assert!(drawn.iter().filter(|one| **one == fault).count() > 800, "{fault:?}");
        }
        assert_eq!((0..100).find_map(|_| Faults::default().next()), None);
    }
}
