//! The breaker as tables: what opens it, for how long, and how it closes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod interleavings;

use super::*;

const ATTEMPT: Duration = Duration::from_secs(10);
const RULES: Rules = Rules {
    failures_max: 10,
    failure_percent: 50,
    open: Duration::from_secs(30),
    open_max: Duration::from_secs(600),
    step: Duration::from_secs(20),
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + seconds * 1000)
}

/// The one record of a destination, and a write on its condition.
#[derive(Default)]
struct Shared {
    breaker: Option<Breaker>,
    writes: u8,
}

impl Shared {
    fn write_id(&mut self) -> WriteId {
        self.writes = self.writes.wrapping_add(1);
        WriteId::from_random([self.writes; 16])
    }

    fn write(&mut self, view: &mut View, next: Breaker, now: Timestamp) -> bool {
        let version = self.breaker.as_ref().map_or(0, |breaker| breaker.version);
        if next.version == version + 1 {
            self.breaker = Some(next.clone());
            view.wrote(next, now);
            return true;
        }
        view.learn(self.breaker.clone(), now);
        false
    }

    /// Asks until there is an answer, reading and writing whatever there is to.
    fn pass(&mut self, view: &mut View, now: Timestamp) -> Result<Permit, Timestamp> {
        if view.is_stale(now) {
            view.learn(self.breaker.clone(), now);
        }
        for _ in 0..4 {
            let write_id = self.write_id();
            match view.ask(&RULES, now, ATTEMPT, || write_id) {
                Answer::Go(permit) => return Ok(permit),
                Answer::Wait(until) => return Err(until),
                Answer::Write(next) => drop(self.write(view, next, now)),
            }
        }
        panic!("no answer: {view:?}")
    }

    fn report(
        &mut self,
        view: &mut View,
        permit: &Permit,
        result: Result<u16, ErrorKind>,
        now: Timestamp,
    ) {
        view.note(permit, result, now);
        for _ in 0..4 {
            let write_id = self.write_id();
            let Some(next) = view.report(permit, result, &RULES, now, || write_id) else { return };
            if self.write(view, next, now) {
                return;
            }
        }
        panic!("not reported: {view:?}")
    }

    fn attempt(&mut self, view: &mut View, status: u16, now: Timestamp) {
        let permit = self.pass(view, now).unwrap();
        self.report(view, &permit, Ok(status), now);
    }

    /// Opens it by ten failures in a row, seen by `view`.
    fn open(&mut self, view: &mut View, now: Timestamp) -> Timestamp {
        for _ in 0..10 {
            self.attempt(view, 503, now);
        }
        self.pass(view, now).unwrap_err()
    }

    fn phase(&self) -> Option<Phase> {
        self.breaker.as_ref().map(|breaker| breaker.phase)
    }
}

#[test]
fn failures_in_a_row_open_it_and_a_sign_of_life_between_them_does_not() {
    let (mut shared, mut view) = (Shared::default(), View::default());
    for status in [503; 9].into_iter().chain([404]).chain([429; 9]) {
        shared.attempt(&mut view, status, at(0));
    }
    assert_eq!(shared.breaker, None);
    shared.attempt(&mut view, 500, at(1));
    let breaker = shared.breaker.as_ref().unwrap();
    assert_eq!(breaker.phase, Phase::Open { until: at(31) });
    assert_eq!(breaker.why, Why { rule: Rule::InARow { failures: 10 }, last: Ok(500) });
    assert_eq!((breaker.version, breaker.opened_in, breaker.openings), (1, 1, 1));
    assert_eq!(shared.pass(&mut view, at(2)), Err(at(31)));
}

#[test]
fn half_of_twenty_outcomes_within_a_minute_open_it() {
    let (mut shared, mut view) = (Shared::default(), View::default());
    for number in 0..10 {
        shared.attempt(&mut view, 200, at(number * 5));
        assert_eq!(shared.breaker, None);
        shared.attempt(&mut view, 503, at(number * 5));
    }
    let why = shared.breaker.unwrap().why;
    assert_eq!(why.rule, Rule::Share { failed: 10, outcomes: 20 });
    // The same outcomes over two minutes are below twenty in every minute.
    let (mut shared, mut view) = (Shared::default(), View::default());
    for number in 0..100 {
        shared.attempt(&mut view, if number % 2 == 0 { 200 } else { 503 }, at(number * 6));
    }
    assert_eq!(shared.breaker, None);
}

#[test]
fn it_stays_open_twice_as_long_each_time_up_to_a_limit() {
    let (mut shared, mut view) = (Shared::default(), View::default());
    let mut now = at(0);
    let mut until = shared.open(&mut view, now);
    let mut lengths = vec![until.since(now).as_secs()];
    for _ in 0..6 {
        now = until;
        shared.attempt(&mut view, 503, now);
        assert_eq!(shared.breaker.as_ref().unwrap().why.rule, Rule::Probe);
        until = shared.pass(&mut view, now).unwrap_err();
        lengths.push(until.since(now).as_secs());
    }
    assert_eq!(lengths, [30, 60, 120, 240, 480, 600, 600]);
}

#[test]
fn f24_one_environment_probes_and_a_dead_prober_is_replaced() {
    let mut shared = Shared::default();
    let [mut one, mut other] = [View::default(), View::default()];
    let until = shared.open(&mut one, at(0));
    assert_eq!(shared.pass(&mut other, at(1)), Err(until));
    let permit = shared.pass(&mut one, until).unwrap();
    assert_eq!(permit.step(), Some(0));
    // The other knows the breaker as open and wants to probe too: its write fails.
    let lost = until.plus(ATTEMPT + PROBE_MARGIN);
    assert_eq!(shared.pass(&mut other, until), Err(until.plus(RULES.step)));
    assert_eq!(shared.pass(&mut one, until), Err(until.plus(RULES.step)));
    // The prober never says what it found.
    let second = shared.pass(&mut other, lost).unwrap();
    assert_eq!(second.step(), Some(0));
    shared.report(&mut other, &second, Ok(200), lost);
    assert!(matches!(shared.phase(), Some(Phase::Ramping { step: 1, taken: 0, .. })));
}

#[test]
fn f24_every_step_allows_four_times_more_and_then_it_is_closed() {
    let mut shared = Shared::default();
    let mut views: Vec<View> = (0..5).map(|_| View::default()).collect();
    let mut now = shared.open(&mut views[0], at(0));
    let mut counts = Vec::new();
    let opened_in = shared.breaker.as_ref().unwrap().opened_in;
    while shared.phase() != Some(Phase::Closed) {
        let mut permits = Vec::new();
        for number in 0..3000 {
            let index = number % views.len();
            if let Ok(permit) = shared.pass(&mut views[index], now) {
                permits.push((index, permit));
            }
        }
        counts.push(permits.len());
        for (index, permit) in permits {
            shared.report(&mut views[index], &permit, Ok(204), now);
        }
        // A pause in which nobody asks skips no step.
        now = now.plus(RULES.step * 3);
    }
    // The last round found the ramp over, and everything free.
    assert_eq!(counts, [1, 4, 16, 64, 256, 1024, 3000]);
    let breaker = shared.breaker.unwrap();
    assert_eq!((breaker.openings, breaker.opened_in), (0, opened_in));
    // Sixteen slices a step, and a few writes between: not one for each attempt.
    assert_eq!(breaker.version, 1 + 1 + 1 + 1 + 4 + 16 + 16 + 16 + 1);
}

#[test]
fn a_ramp_survives_one_failure_among_healthy_answers_and_not_a_relapse() {
    for (statuses, reopens) in [
        ([200, 503, 200, 200], false),
        ([503, 200, 200, 404], false),
        ([503, 503, 200, 200], true),
        ([200, 500, 429, 200], true),
    ] {
        let (mut shared, mut view) = (Shared::default(), View::default());
        let now = shared.open(&mut view, at(0));
        shared.attempt(&mut view, 200, now);
        let permits: Vec<Permit> =
            statuses.iter().map(|_| shared.pass(&mut view, now).unwrap()).collect();
        for (permit, status) in permits.iter().zip(statuses) {
            shared.report(&mut view, permit, Ok(status), now);
        }
        let is_open = matches!(shared.phase(), Some(Phase::Open { .. }));
        assert_eq!(is_open, reopens, "{statuses:?}");
        if is_open {
            assert_eq!(shared.breaker.unwrap().openings, 2);
        }
    }
}

#[test]
fn a_permit_whose_target_was_not_called_goes_to_the_next_attempt() {
    let (mut shared, mut view) = (Shared::default(), View::default());
    let now = shared.open(&mut view, at(0));
    let probe = shared.pass(&mut view, now).unwrap();
    view.give_back(&probe);
    let probe = shared.pass(&mut view, now.plus(Duration::from_millis(900))).unwrap();
    shared.report(&mut view, &probe, Err(ErrorKind::BodyMissing), now);
    let probe = shared.pass(&mut view, now).unwrap();
    assert_eq!(probe.step(), Some(0));
    // Given back so late that the next attempt might outlive the probe's time: it waits.
    view.give_back(&probe);
    assert!(shared.pass(&mut view, now.plus(Duration::from_secs(1))).is_err());
    let second = shared.pass(&mut view, now.plus(ATTEMPT + PROBE_MARGIN)).unwrap();
    assert_eq!(second.step(), Some(0));
}

#[test]
fn what_was_begun_before_it_opened_says_nothing() {
    let (mut shared, mut view) = (Shared::default(), View::default());
    let early: Vec<Permit> = (0..12).map(|_| shared.pass(&mut view, at(0)).unwrap()).collect();
    for permit in &early {
        shared.report(&mut view, permit, Err(ErrorKind::Timeout), at(1));
    }
    assert_eq!(shared.breaker.as_ref().map(|breaker| breaker.version), Some(1));
    let now = shared.pass(&mut view, at(2)).unwrap_err();
    let probe = shared.pass(&mut view, now).unwrap();
    for permit in &early {
        shared.report(&mut view, permit, Ok(200), now);
        shared.report(&mut view, permit, Ok(503), now);
    }
    assert!(matches!(shared.phase(), Some(Phase::Ramping { step: 0, .. })));
    shared.report(&mut view, &probe, Ok(200), now);
    // One failure is no relapse, however many came late.
    shared.attempt(&mut view, 503, now);
    assert!(matches!(shared.phase(), Some(Phase::Ramping { step: 1, .. })));
}

#[test]
fn a_permit_ends_with_its_step() {
    let (mut shared, mut view) = (Shared::default(), View::default());
    let now = shared.open(&mut view, at(0));
    shared.attempt(&mut view, 200, now);
    let early = shared.pass(&mut view, now).unwrap();
    let now = now.plus(RULES.step);
    let count = |shared: &mut Shared, view: &mut View| {
        (0..100).filter(|_| shared.pass(view, now).is_ok()).count()
    };
    let first = shared.pass(&mut view, now).unwrap();
    assert_eq!((early.step(), first.step()), (Some(1), Some(2)));
    view.give_back(&early);
    assert_eq!(count(&mut shared, &mut view), 15);
    view.give_back(&first);
    assert_eq!(count(&mut shared, &mut view), 1);
}

#[test]
fn outcomes_of_more_than_a_minute_ago_are_forgotten() {
    let (mut shared, mut view) = (Shared::default(), View::default());
    for status in [200, 503].repeat(9) {
        shared.attempt(&mut view, status, at(0));
    }
    shared.attempt(&mut view, 200, at(75));
    shared.attempt(&mut view, 503, at(75));
    assert_eq!(shared.breaker, None);
}

#[test]
fn who_waits_for_a_probe_comes_back_no_sooner_than_it_has_ended() {
    let rules = Rules { step: Duration::from_secs(1), ..RULES };
    let (mut shared, mut view) = (Shared::default(), View::default());
    let now = shared.open(&mut view, at(0));
    shared.pass(&mut view, now).unwrap();
    let answer = view.ask(&rules, now, ATTEMPT, || WriteId::from_random([0; 16]));
    assert_eq!(answer, Answer::Wait(now.plus(ATTEMPT)));
}

#[test]
fn failures_of_long_ago_are_no_row_with_one_of_now() {
    for (minutes, opens) in [(5, true), (6, false)] {
        let (mut shared, mut view) = (Shared::default(), View::default());
        for _ in 0..9 {
            shared.attempt(&mut view, 503, at(0));
        }
        shared.attempt(&mut view, 503, at(minutes * 60));
        assert_eq!(shared.breaker.is_some(), opens, "{minutes} minutes");
    }
}

#[test]
fn two_failures_of_the_first_step_are_seen_by_one_environment() {
    let mut shared = Shared::default();
    let mut views: Vec<View> = (0..4).map(|_| View::default()).collect();
    let now = shared.open(&mut views[0], at(0));
    shared.attempt(&mut views[0], 200, now);
    let mut permits = Vec::new();
    for index in (0..4).rev() {
        while let Ok(permit) = shared.pass(&mut views[index], now) {
            permits.push((index, permit));
        }
    }
    assert_eq!(permits.len(), 4);
    for (index, permit) in &permits {
        shared.report(&mut views[*index], permit, Ok(503), now);
    }
    assert!(matches!(shared.phase(), Some(Phase::Open { .. })));
}
