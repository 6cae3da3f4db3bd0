//! The breaker as a property: however environments interleave, no step is overrun, and none stays open for
//! ever.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Advance(u16),
    Pass(u8),
    Finish { which: u8, result: u8 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        1 => (0u16..12_000).prop_map(Act::Advance),
        8 => (0u8..4).prop_map(Act::Pass),
        6 => (any::<u8>(), 0u8..10).prop_map(|(which, result)| Act::Finish { which, result }),
    ];
    proptest::collection::vec(act, 1..600)
}

/// Nobody ever finds out anything: probers die, or their target is not called.
fn acts_in_vain() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0u16..8000).prop_map(Act::Advance),
        6 => (0u8..4).prop_map(Act::Pass),
        1 => (any::<u8>(), 2u8..4).prop_map(|(which, result)| Act::Finish { which, result }),
    ];
    proptest::collection::vec(act, 600)
}

/// Four environments whose clocks differ by up to three seconds.
struct Run {
    shared: Shared,
    views: [View; 4],
    millis: u64,
    /// Attempts, with the environment that makes each and when it began by the true clock.
    under_way: Vec<(usize, Permit, u64)>,
    /// Attempts made in each step.
    made: BTreeMap<(u8, Timestamp), u32>,
}

impl Run {
    fn new() -> Self {
        let (mut shared, mut views) = (Shared::default(), <[View; 4]>::default());
        shared.open(&mut views[0], at(0));
        Self { shared, views, millis: 0, under_way: Vec::new(), made: BTreeMap::new() }
    }

    fn now(&self, environment: usize) -> Timestamp {
        at(environment as u64).plus(Duration::from_millis(self.millis))
    }

    /// Probes that are not over by their time.
    fn probes(&self) -> usize {
        let is_live = |(_, permit, begun): &&(usize, Permit, u64)| {
            permit.step() == Some(0) && self.millis < begun + ATTEMPT.as_millis() as u64
        };
        self.under_way.iter().filter(is_live).count()
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Advance(millis) => self.millis += u64::from(millis),
            Act::Pass(environment) => self.pass(usize::from(environment)),
            Act::Finish { which, result } => self.finish(which, result),
        }
    }

    fn pass(&mut self, environment: usize) {
        let now = self.now(environment);
        if let Ok(permit) = self.shared.pass(&mut self.views[environment], now) {
            if let Some(step) = permit.step {
                *self.made.entry((step.step, step.until)).or_default() += 1;
            }
            self.under_way.push((environment, permit, self.millis));
        }
    }

    fn finish(&mut self, which: u8, result: u8) {
        if self.under_way.is_empty() {
            return;
        }
        let (environment, permit, _) =
            self.under_way.remove(usize::from(which) % self.under_way.len());
        let now = self.now(environment);
        let result = match result {
            0 => Ok(503),
            1 => Err(ErrorKind::Timeout),
            2 => return, // The worker died.
            3 => Err(ErrorKind::BodyMissing),
            _ => Ok(200),
        };
        if let (Some(step), Err(ErrorKind::BodyMissing)) = (permit.step, result) {
            *self.made.entry((step.step, step.until)).or_default() -= 1;
        }
        self.shared.report(&mut self.views[environment], &permit, result, now);
    }
}

proptest! {
    #[test]
    fn f24_no_interleaving_overruns_a_step_and_none_keeps_it_open(acts in acts()) {
        let mut run = Run::new();
        for act in acts {
            run.act(act);
            prop_assert!(run.probes() <= 1, "{} probes at once", run.probes());
            for ((step, _), count) in &run.made {
                prop_assert!(*count <= allowance(*step), "step {step}: {count}");
            }
        }
        // From here on the target answers: soon enough everything is free again.
        run.under_way.clear();
        for _ in 0..12 {
            run.millis += 1000 * 605;
            let now = run.now(0);
            if let Ok(permit) = run.shared.pass(&mut run.views[0], now) {
                run.shared.report(&mut run.views[0], &permit, Ok(200), now);
            }
        }
        prop_assert_eq!(run.shared.phase(), Some(Phase::Closed));
    }

    #[test]
    fn f24_no_two_probes_are_under_way_at_once(acts in acts_in_vain()) {
        let mut run = Run::new();
        run.millis = 30_000;
        for act in acts {
            run.act(act);
            prop_assert!(run.probes() <= 1, "{} probes at once", run.probes());
        }
    }
}
