//! What must hold of the model whatever the numbers: messages are neither made nor lost, Little's law, more room never
//! carries less, the same seed is the same run, and a scaled run says what the whole one does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use relay_capacity::{Limit, Outcome, System, Way, ladder, simulate};

fn run(system: &System) -> Outcome {
    simulate(system, 1.0).unwrap()
}

fn lasting(mut system: System, seconds: u32) -> System {
    system.traffic.duration_seconds = seconds;
    system
}

fn holding(rate: f64, way: Way, seconds: u32) -> System {
    lasting(System::holding(rate, way).unwrap(), seconds)
}

#[track_caller]
fn near(what: &str, now: f64, expected: f64, share: f64) {
    let apart = (now - expected).abs();
    assert!(
        apart <= share * expected.abs().max(1.0),
        "{what}: {now:.2} is not {expected:.2} within {share}"
    );
}

#[test]
fn every_message_is_somewhere() {
    for seed in 0..12_u32 {
        let way = if seed % 2 == 0 { Way::Single } else { Way::Bulk };
        let rate = 200.0 * f64::from(seed + 1);
        let mut system = lasting(System::default_quotas(rate, way), 40);
        system.seed = u64::from(seed);
        system.traffic.failure_share = 0.05 * f64::from(seed % 4);
        system.traffic.timeout_share = 0.01 * f64::from(seed % 3);
        // Some of them in front of a table that takes a tenth of them, some without pollers, some that let wait.
        if seed % 3 == 0 {
            system.quotas.table_warm = rate / 4.0;
        }
        if seed % 4 == 1 {
            (system.stack.pollers_max, system.stack.window_seconds) = (0, 1.0);
        }
        if seed % 5 == 2 {
            (system.quotas.ingest_environments_max, system.quotas.environment_wait_seconds) =
                (3, 2.0);
        }
        let counts = run(&system).counts;
        let found =
            counts.refused + counts.accepting + counts.queued + counts.delivered + counts.dead;
        let waiting = u64::from(seed % 5 == 2);
        // Requests that wait for an environment are offered and nowhere else yet; there are some only where they may.
        assert!(
            found <= counts.offered && (waiting == 1 || found == counts.offered),
            "seed {seed}: {counts:?}"
        );
        assert!(counts.delivered > 0, "seed {seed}: {counts:?}");
    }
}

/// N = R W: invocations at work are their rate times their duration, 2 ms of their own, one joint write, and the
/// slowest of the batch.
#[test]
fn littles_law() {
    let mut system = lasting(System::holding(1000.0, Way::Single).unwrap(), 120);
    (system.traffic.failure_share, system.stack.lean) = (0.0, true);
    // All times the same: a batch takes 100 ms and what the function does itself.
    system.timings.target = relay_capacity::Milliseconds { p50: 100.0, p99: 100.0 };
    system.timings.overhead = relay_capacity::Milliseconds { p50: 2.0, p99: 2.0 };
    system.timings.table = relay_capacity::Milliseconds { p50: 5.0, p99: 5.0 };
    let outcome = run(&system);
    let batches = outcome.counts.invocations as f64 / outcome.samples.len() as f64;
    let busy: u32 = outcome.samples.iter().map(|sample| sample.worker_busy).sum();
    near("at work", f64::from(busy) / outcome.samples.len() as f64, batches * 0.112, 0.05);
    near("in flight", outcome.late_mean(|sample| sample.in_flight as f64), 1000.0 * 0.112, 0.08);
    near("median", outcome.end_to_end_late.p50, 100.0 + 43.0, 0.2);
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_not() {
    let system = holding(1000.0, Way::Single, 20);
    let (one, again) = (run(&system), run(&system));
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&again).unwrap());
    let other = run(&System { seed: 2, ..system });
    assert_ne!(one.counts, other.counts);
}

#[test]
fn more_room_never_carries_less() {
    let base = lasting(System::default_quotas(3000.0, Way::Single), 40);
    let delivered = |change: fn(&mut System)| {
        let mut system = base.clone();
        change(&mut system);
        run(&system).counts.delivered
    };
    let today = delivered(|_| {});
    let more = [
        delivered(|system| system.quotas.table_warm = 20_000.0),
        delivered(|system| (system.quotas.table_warm, system.stack.pollers_max) = (20_000.0, 200)),
        delivered(|system| {
            (system.quotas.table_warm, system.stack.pollers_max) = (20_000.0, 200);
            system.stack.pollers_min = 50;
        }),
    ];
    assert!(today < more[0] && more[0] < more[1], "{today} {more:?}");
    // All that comes is carried with twenty pollers at the beginning as with fifty, but for what is under way.
    near("delivered", more[2] as f64, more[1] as f64, 0.01);
    // Slower targets and more failures never help.
    let best = more[2];
    let worse = |change: fn(&mut System)| {
        let mut system = base.clone();
        (system.quotas.table_warm, system.stack.pollers_max) = (20_000.0, 200);
        system.stack.pollers_min = 50;
        change(&mut system);
        run(&system).counts.delivered
    };
    assert!(worse(|system| system.timings.target.p50 = 800.0) < best);
    assert!(worse(|system| system.traffic.failure_share = 0.3) < best);
    assert!(worse(|system| system.stack.delivery_concurrency = 1) <= best);
}

#[test]
fn presets_hold_at_their_rates_and_default_quotas_do_not() {
    for way in [Way::Single, Way::Bulk] {
        assert!(run(&holding(1000.0, way, 60)).holds(), "1000 {}", way.words());
        let large = holding(10_000.0, way, 120).scaled(20.0);
        assert!(simulate(&large, 20.0).unwrap().holds(), "10000 {}", way.words());
        let mut risen = holding(100_000.0, way, 1050).scaled(100.0);
        risen.traffic.ramp_seconds = 900;
        assert!(simulate(&risen, 100.0).unwrap().holds(), "100000 {}", way.words());
    }
    assert!(!run(&lasting(System::default_quotas(1000.0, Way::Single), 60)).holds());
}

/// Small systems scatter more, so the tails are looser than the middle.
#[test]
fn a_scaled_run_says_what_the_whole_one_does() {
    for (rate, scale, seconds) in [(1000.0, 5.0, 120), (10_000.0, 20.0, 60)] {
        let mut whole_system = holding(rate, Way::Single, seconds);
        if seconds < 120 {
            // Too short for pollers to follow: there are as many as they would become from the beginning.
            whole_system.stack.pollers_min = whole_system.stack.pollers_max;
        }
        let whole = run(&whole_system);
        let small = simulate(&whole_system.scaled(scale), scale).unwrap();
        let times = |of: fn(&relay_capacity::Sample) -> f64| {
            (whole.late_mean(of), small.late_mean(of) * scale)
        };
        let (worker, scaled) = times(|sample| f64::from(sample.worker_busy));
        near("worker at work", scaled, worker, 0.15);
        let (ingest, scaled) = times(|sample| f64::from(sample.ingest_busy));
        near("ingest at work", scaled, ingest, 0.10);
        let (delivered, scaled) = times(|sample| sample.delivered as f64);
        near("delivered", scaled, delivered, 0.05);
        near("end to end p50", small.end_to_end_late.p50, whole.end_to_end_late.p50, 0.15);
        near("end to end p95", small.end_to_end_late.p95, whole.end_to_end_late.p95, 0.15);
        near("accept p95", small.accept.p95, whole.accept.p95, 0.05);
        let (one, other) = (whole.ramped_second().unwrap(), small.ramped_second().unwrap());
        assert!(one.abs_diff(other) <= 6 + one / 5, "keeps up from {one} and {other} s");
    }
}

/// Slots shared with a black hole: what the worker carries falls as the algebra says.
#[test]
fn slow_targets_hold_slots() {
    let mut system = lasting(System::default_quotas(400.0, Way::Bulk), 120);
    (system.stack.batch, system.stack.pollers_max, system.stack.maximum_concurrency) = (1, 0, 40);
    system.quotas.table_warm = 20_000.0;
    system.timings.target = relay_capacity::Milliseconds { p50: 100.0, p99: 100.0 };
    (system.traffic.timeout_share, system.stack.attempts_max) = (0.05, 1);
    let outcome = run(&system);
    // 40 slots, each held for 0.95 × 0.115 s + 0.05 × 10 s.
    let carried = 40.0 / (0.95 * 0.115 + 0.05 * 10.01) * 0.95;
    near("delivered a second", outcome.late_mean(|sample| sample.delivered as f64), carried, 0.08);
    assert!(outcome.met.iter().any(|met| met.limit == Limit::SourceConcurrency));
    assert!(!outcome.holds());
}

/// Five write units a message, 4,000 units a second: a new table breaks first.
#[test]
fn a_new_table_breaks_first() {
    let rungs = ladder(&System::default_quotas(1.0, Way::Single), 1000.0).unwrap();
    assert_eq!(rungs[0].breaks, Some(Limit::TableWrites));
    assert!((740.0..=860.0).contains(&rungs[0].rate), "{rungs:?}");
    assert!(rungs[1].rate >= 1000.0, "{rungs:?}");
}

#[test]
fn values_are_set_by_name() {
    let system = System::local(50.0, Way::Single);
    assert_eq!(system.with("stack.batch=10").unwrap().stack.batch, 10);
    assert!(system.with("stack.bach=10").is_none() && system.with("stack.batch=many").is_none());
    let mut wrong = system;
    wrong.traffic.rate = 0.0;
    assert_eq!(simulate(&wrong, 1.0).unwrap_err().to_string(), "the rate must be above 0, not 0");
}
