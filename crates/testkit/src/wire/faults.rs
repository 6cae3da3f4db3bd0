//! Decides what happens to each call, and counts it. Proxies of several services share one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::call::Call;
use super::counts::Counts;
use super::fault::{Fault, Rule, Shares};
use crate::ambient::Chance;

/// Basis and prime of FNV-1a.
const HASH_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0000_0100_0000_01b3;

/// What goes wrong: first what rules say, then what chance says. The n-th call of an operation meets the
/// same chance under the same seed, whatever else is called in between.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    chance: Option<(u64, Shares)>,
    rules: Vec<Rule>,
    counts: Counts,
}

impl Faults {
    /// Nothing goes wrong but by rules.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Begins to let things go wrong by chance, or does so differently from now on.
    pub fn begin(&self, seed: u64, shares: Shares) {
        self.lock().chance = Some((seed, shares));
    }

    /// Adds a rule. The first that says something about a call decides.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// From now on nothing goes wrong any more.
    pub fn stop(&self) {
        let mut inner = self.lock();
        inner.chance = None;
        inner.rules.clear();
    }

    /// What was called so far, and what was done to it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// How many rules have not yet done all that they are for.
    #[must_use]
    pub fn rules_left(&self) -> usize {
        self.lock().rules.len()
    }

    pub(super) fn decide(&self, call: &Call) -> Option<Fault> {
        let mut inner = self.lock();
        let key = (call.service, call.operation.clone());
        let counts = inner.counts.0.entry(key).or_default();
        counts.calls += 1;
        let number = counts.calls;
        let by_rule = inner.rules.iter_mut().find_map(|rule| rule.apply(call));
        inner.rules.retain(|rule| !rule.is_over());
        let by_chance = || {
            let (seed, shares) = inner.chance?;
            shares.draw(call.service, chance(seed, call, number))
        };
        let fault = by_rule.or_else(by_chance)?;
        let key = (call.service, call.operation.clone());
        let counts = inner.counts.0.entry(key).or_default();
        *counts.faults.entry(fault.kind()).or_default() += 1;
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that follows from the seed, the operation and how many calls of it came before.
fn chance(seed: u64, call: &Call, number: u64) -> u64 {
    let mut hash = HASH_BASIS;
    let operation = call.service.as_str().bytes().chain(call.operation.bytes());
    for byte in operation.chain(seed.to_le_bytes()).chain(number.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(HASH_PRIME);
    }
    // Neighbouring numbers differ in their last bytes only; this spreads that over all bits.
    Chance::seeded(hash).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{FaultKind, Service};
    use std::time::Duration;

    const SHARES: Shares =
        Shares { failing_percent: 20, slow_percent: 5, slow_max: Duration::from_millis(50) };

    fn call(operation: &str, caller: &str) -> Call {
        Call { service: Service::Sqs, operation: operation.to_owned(), caller: caller.to_owned() }
    }

    #[test]
    fn a_seed_says_what_happens_whatever_comes_in_between() {
        let (one, other) = (Faults::none(), Faults::none());
        one.begin(7, SHARES);
        other.begin(7, SHARES);
        let send = call("SendMessage", "");
        let first: Vec<_> = (0..200).map(|_| one.decide(&send)).collect();
        let mixed: Vec<_> = (0..200)
            .map(|_| {
                other.decide(&call("DeleteMessage", ""));
                other.decide(&send)
            })
            .collect();
        assert_eq!(first, mixed);
        other.begin(8, SHARES);
        assert_ne!(first, (0..200).map(|_| other.decide(&send)).collect::<Vec<_>>());
    }

    #[test]
    fn as_much_goes_wrong_as_was_asked_for_and_all_of_it() {
        let faults = Faults::none();
        faults.begin(1, SHARES);
        for _ in 0..10_000 {
            faults.decide(&call("SendMessage", ""));
        }
        let total = faults.counts().total();
        assert!(FaultKind::ALL.iter().all(|kind| total.of(*kind) > 100), "{total:?}");
        let slow = total.of(FaultKind::Slow);
        let failing = total.faults.values().sum::<u64>() - slow;
        assert!((400..600).contains(&slow) && (1800..2200).contains(&failing), "{total:?}");
        faults.stop();
        assert_eq!((0..100).find_map(|_| faults.decide(&call("SendMessage", ""))), None);
    }

    #[test]
    fn rules_count_the_calls_that_they_are_about() {
        let faults = Faults::none();
        let rule = Rule::next(Service::Sqs, "SendMessage", Fault::Reset);
        faults.add(rule.by("WORKER").after(1).times(2));
        let of = |caller| faults.decide(&call("SendMessage", caller));
        assert_eq!([of("KEYWORKER"), of("KEYINGEST")], [None, None]);
        assert_eq!(faults.decide(&call("DeleteMessage", "KEYWORKER")), None);
        assert_eq!(faults.rules_left(), 1);
        assert_eq!([of("KEYWORKER"), of("KEYWORKER")], [Some(Fault::Reset), Some(Fault::Reset)]);
        assert_eq!((of("KEYWORKER"), faults.rules_left()), (None, 0));
    }
}
