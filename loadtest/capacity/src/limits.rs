//! Limits by rate, as services keep them: so many a second, with room for a burst. Kept as one number, the time up to
//! which everything taken so far is paid for.

/// So many a second, with a burst.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    /// Microseconds that one unit pays for.
    interval: f64,
    /// How far ahead of time units may be taken, microseconds.
    burst: f64,
    paid_until: f64,
}

/// Microseconds as a float: runs are far shorter than the 285 years that 53 bits hold.
#[expect(clippy::cast_precision_loss, reason = "runs are far shorter than 285 years")]
pub(crate) fn float(micros: u64) -> f64 {
    micros as f64
}

impl Rate {
    /// `rate` units a second; after rest `burst` units at once.
    pub(crate) fn new(rate: f64, burst: f64) -> Self {
        let interval = 1e6 / rate;
        Self { interval, burst: burst * interval, paid_until: f64::NEG_INFINITY }
    }

    /// Goes on from what another one has given out.
    pub(crate) fn carry(&mut self, other: &Self) {
        self.paid_until = other.paid_until;
    }

    /// Microseconds until `units` may be taken.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and short"
    )]
    pub(crate) fn wait(&self, now: u64, units: f64) -> u64 {
        let paid_until = self.paid_until.max(float(now) - self.burst) + units * self.interval;
        (paid_until - float(now)).max(0.0).ceil() as u64
    }

    /// Takes them, ready or not.
    pub(crate) fn take(&mut self, now: u64, units: f64) {
        self.paid_until = self.paid_until.max(float(now) - self.burst) + units * self.interval;
    }

    /// Takes them if they are ready.
    pub(crate) fn try_take(&mut self, now: u64, units: f64) -> bool {
        let ready = self.wait(now, units) == 0;
        if ready {
            self.take(now, units);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut rate = Rate::new(10.0, 5.0);
        let taken = (0..20).filter(|_| rate.try_take(0, 1.0)).count();
        assert_eq!(taken, 5);
        assert_eq!(rate.wait(0, 1.0), 100_000);
        let later = (0..100).filter(|step| rate.try_take(step * 100_000, 1.0)).count();
        assert_eq!(later, 99);
    }

    #[test]
    fn what_is_taken_unready_is_waited_for() {
        let mut rate = Rate::new(1000.0, 1.0);
        (0..1000).for_each(|_| rate.take(0, 1.0));
        assert_eq!(rate.wait(0, 1.0), 1_000_000);
        assert_eq!(rate.wait(2_000_000, 1.0), 0);
    }
}
