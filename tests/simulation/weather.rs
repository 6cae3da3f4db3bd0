//! What happens to calls of ports: drawn anew for each one while the storm lasts, nothing afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay_testkit::faults::{Fate, Trouble, Troubles};

use crate::dice::Dice;
use crate::plan::Plan;

/// What one way of a slow call takes at most, in milliseconds. Adapters give a call 7 s, so that both ways and
/// the rest stay below that.
const SLOW_MILLIS_MAX: u64 = 3400;
/// How late a request arrives that its caller has given up, at most, in milliseconds.
pub(crate) const LATE_MILLIS_MAX: u64 = 20_000;

/// The weather over all ports of a world.
pub(crate) struct Weather {
    dice: Arc<Dice>,
    faults: u64,
    slow: u64,
    broken: Option<&'static str>,
    forced: Mutex<Vec<(&'static str, usize, Fate)>>,
    calm: AtomicBool,
}

impl Weather {
    pub(crate) fn new(dice: Arc<Dice>, plan: &Plan) -> Self {
        let Plan { faults, slow, broken, .. } = *plan;
        let forced = Mutex::new(plan.forced.clone());
        Self { dice, faults, slow, broken, forced, calm: AtomicBool::new(false) }
    }

    /// Begins the storm, or ends it.
    pub(crate) fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::SeqCst);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// Whether something goes wrong now that goes wrong this often in a thousand during the storm.
    pub(crate) fn strikes(&self, per_mille: u64) -> bool {
        !self.is_calm() && self.dice.happens(per_mille)
    }

    fn way(&self) -> Duration {
        if self.strikes(self.slow) {
            self.dice.millis(100, SLOW_MILLIS_MAX)
        } else {
            self.dice.millis(0, 8)
        }
    }

    /// The fate that the plan has for the next call of this name.
    fn forced(&self, call: &'static str) -> Option<Fate> {
        let mut forced = self.forced.lock().unwrap();
        let (_, left, fate) =
            forced.iter_mut().find(|(name, left, _)| *name == call && *left > 0)?;
        *left -= 1;
        Some(*fate)
    }

    /// Whether each part of a batch has a fate of its own now, which happens this often in a thousand: never where the
    /// plan has a fate for the whole.
    pub(crate) fn splits(&self, call: &'static str, per_mille: u64) -> bool {
        let forced = self.forced.lock().unwrap();
        let is_forced = forced.iter().any(|(name, left, _)| *name == call && *left > 0);
        drop(forced);
        !is_forced && self.dice.happens(per_mille)
    }

    fn fate(&self, call: &'static str) -> Fate {
        if let Some(fate) = self.forced(call) {
            return fate;
        }
        let is_broken = self.broken == Some(call) && self.strikes(900);
        if !is_broken && !self.strikes(self.faults) {
            return Fate::Done;
        }
        match self.dice.between(0, 9) {
            0..=3 => Fate::Lost,
            4..=6 => Fate::Unanswered,
            7 => Fate::Late(self.dice.millis(1, LATE_MILLIS_MAX)),
            8 if !is_broken => Fate::Twice,
            9 if !is_broken => Fate::Echoed(self.dice.millis(1, LATE_MILLIS_MAX)),
            _ => Fate::Lost,
        }
    }
}

impl Troubles for Weather {
    fn next(&self, call: &'static str) -> Trouble {
        Trouble { before: self.way(), fate: self.fate(call), after: self.way() }
    }
}
