//! Many worlds, each drawn from its seed: all of them must hold.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::watch::Counts;
use crate::world::{Failure, Outcome, run_seed};

/// How many worlds a plain test run sees.
const SEEDS: u64 = 2000;

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

fn report(seed: u64, failure: &Failure) -> String {
    let events = failure.trace.join("\n");
    let Failure { violation, .. } = failure;
    format!(
        "seed {seed} breaks an invariant\n\nthe last events:\n{events}\n\n{violation}\n(message {})\n\n\
         again: SIM_SEED={seed} cargo test -p relay-tests --test simulation random_worlds\n",
        violation.id
    )
}

/// Runs seeds on all processors until one fails, which is told of.
fn run_seeds(first: u64, count: u64) -> Result<Counts, String> {
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let result = Mutex::new((Counts::default(), None));
    let work = || {
        while !failed.load(Ordering::SeqCst) {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= first + count {
                return;
            }
            let outcome = std::panic::catch_unwind(|| run_seed(seed));
            let mut result = result.lock().unwrap();
            match outcome {
                Ok(Ok(Outcome { counts, trace, .. })) => {
                    result.0 = result.0.plus(counts);
                    if asked("SIM_SEED").is_some() {
                        println!("{}", trace.join("\n"));
                    }
                }
                Ok(Err(failure)) => {
                    failed.store(true, Ordering::SeqCst);
                    result.1.get_or_insert(report(seed, &failure));
                }
                Err(_) => {
                    failed.store(true, Ordering::SeqCst);
                    result.1.get_or_insert(format!("seed {seed} panics\n"));
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    match result.into_inner().unwrap() {
        (counts, None) => Ok(counts),
        (_, Some(report)) => Err(report),
    }
}

#[test]
fn random_worlds() {
    let (first, count) = match asked("SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (asked("SIM_FIRST").unwrap_or(1), asked("SIM_SEEDS").unwrap_or(SEEDS)),
    };
    let started = Instant::now();
    match run_seeds(first, count) {
        Ok(counts) => println!("{count} worlds hold after {:?}: {counts:?}", started.elapsed()),
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_events() {
    for seed in [1, 7, 42, 1000, 123_456_789] {
        let one = run_seed(seed).unwrap_or_else(|failure| panic!("{}", report(seed, &failure)));
        let other = run_seed(seed).unwrap_or_else(|failure| panic!("{}", report(seed, &failure)));
        assert_eq!(one, other, "seed {seed}");
    }
    assert_ne!(run_seed(1).map(|one| one.hash).ok(), run_seed(2).map(|one| one.hash).ok());
}
