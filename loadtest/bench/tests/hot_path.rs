//! Holds the hot path to `hot-path.json`: it may not make one call more, nor one allocation more, nor a tenth more
//! instructions. Runs over canned answers, in one thread, so that nothing but the code decides what is counted.
//!
//! All crates have to be built together, as `cargo test` does: what one of them wants of a library, all of them get, and
//! that costs a few allocations. Built alone the path allocates less, which nobody complains of.
//!
//! Whoever changes the path on purpose writes the file again and shows the difference in the change:
//! `RELAY_BENCH_RECORD=1 cargo test --test hot_path`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// Rounds whose calls and allocations are counted.
const ROUNDS: u64 = 20;
/// How often allocations are counted; the fewest count. Tables are seeded at random, which now and then costs one more.
const TRIES: usize = 3;
/// How many more instructions are too many: the compiler's own releases move them by less.
const INSTRUCTIONS_MORE: f64 = 0.10;
/// The cases, each with the rounds between two counts of instructions: about forty messages.
const CASES: [(&str, u64); 5] = [
    ("ingest-single-full", 40),
    ("ingest-single-lean", 40),
    ("ingest-bulk-lean", 2),
    ("worker-full", 4),
    ("worker-lean", 4),
];

/// What a case came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Counted {
    /// Calls by operation, of all rounds.
    calls: BTreeMap<String, u64>,
    /// Allocations, of all rounds.
    allocations: u64,
    /// Instructions of one round; nothing where callgrind is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instructions: Option<u64>,
}

type Recorded = BTreeMap<String, Counted>;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hot-path.json")
}

fn run(case: &str) -> Counted {
    let output = Command::new(env!("CARGO_BIN_EXE_relay-bench"))
        .args(["hot-path", case, "--rounds", &ROUNDS.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Instructions of a whole run; nothing if there is no callgrind.
fn instructions(case: &str, rounds: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_relay-bench"))
        .args(["hot-path", case, "--rounds", &rounds.to_string()])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}: {said}");
    let (_, rest) = said.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn count(case: &str, rounds: u64) -> Counted {
    let fewest = (0..TRIES).map(|_| run(case)).min_by_key(|counted| counted.allocations);
    let more = || Some(instructions(case, 1 + rounds)? - instructions(case, 1)?);
    Counted { instructions: more().map(|more| more / rounds), ..fewest.unwrap() }
}

/// What is worse than it was.
fn complaints(case: &str, was: &Counted, is: &Counted) -> Vec<String> {
    let mut found = Vec::new();
    if is.calls != was.calls {
        found.push(format!(
            "{case}: calls in {ROUNDS} rounds were {:?}, are {:?}",
            was.calls, is.calls
        ));
    }
    // Three quarters of an allocation a round are what chance never makes, and one more a round always does.
    if is.allocations >= was.allocations + ROUNDS * 3 / 4 {
        let (was, is) = (was.allocations, is.allocations);
        found.push(format!("{case}: allocations in {ROUNDS} rounds were {was}, are {is}"));
    }
    if let (Some(was), Some(is)) = (was.instructions, is.instructions)
        && is as f64 > was as f64 * (1.0 + INSTRUCTIONS_MORE)
    {
        found.push(format!("{case}: instructions a round were {was}, are {is}"));
    }
    found
}

#[test]
fn the_hot_path_does_no_more_than_is_recorded() {
    let counted: Recorded = std::thread::scope(|scope| {
        let count = |(case, rounds)| scope.spawn(move || (String::from(case), count(case, rounds)));
        let counting = CASES.map(count);
        counting.into_iter().map(|one| one.join().unwrap()).collect()
    });
    if counted.values().any(|counted| counted.instructions.is_none()) {
        // Where every check has to be made, none is left out in silence.
        assert!(std::env::var_os("CI").is_none(), "install valgrind: instructions are not checked");
        eprintln!(
            "valgrind is not installed: instructions are NOT checked, only calls and allocations"
        );
    }
    if std::env::var_os("RELAY_BENCH_RECORD").is_some() {
        assert!(
            counted.values().all(|counted| counted.instructions.is_some()),
            "install valgrind first: what is recorded has to have instructions"
        );
        let text = serde_json::to_string_pretty(&counted).unwrap() + "\n";
        std::fs::write(file(), text).unwrap();
        return;
    }
    let recorded: Recorded = serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap();
    let (names, recorded_names): (Vec<_>, Vec<_>) =
        (counted.keys().collect(), recorded.keys().collect());
    assert_eq!(names, recorded_names, "the cases are not those that are recorded");
    let has_all = recorded.values().all(|recorded| recorded.instructions.is_some());
    assert!(has_all, "instructions are missing in what is recorded: record it anew");
    let found: Vec<_> =
        counted.iter().flat_map(|(case, is)| complaints(case, &recorded[case], is)).collect();
    assert!(
        found.is_empty(),
        "the hot path does more than it did:\n{}\nif that is worth it: RELAY_BENCH_RECORD=1 cargo test --test hot_path",
        found.join("\n")
    );
}

#[test]
fn what_is_worse_is_told_and_what_is_better_is_not() {
    let was = Counted {
        calls: BTreeMap::from([("PutItem".to_owned(), 20)]),
        allocations: 2000,
        instructions: Some(1_000_000),
    };
    let with = |allocations, instructions| Counted { allocations, instructions, ..was.clone() };
    assert!(complaints("case", &was, &with(1000, Some(1_099_999))).is_empty());
    assert!(complaints("case", &was, &with(2009, None)).is_empty());
    assert_eq!(complaints("case", &was, &with(2020, Some(1_100_001))).len(), 2);
    let called = Counted { calls: BTreeMap::from([("PutItem".to_owned(), 40)]), ..was.clone() };
    assert_eq!(complaints("case", &was, &called).len(), 1);
}
