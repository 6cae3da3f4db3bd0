//! The relay as real processes, with its services failing on the wire at chosen calls and processes
//! killed in the middle of them; and a small run with everything failing at random.
//!
//! Tests are named after the rows of docs/FAILURES.md that they cover.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod accepting;
mod delivering;
mod world;

use clap::Parser;
use relay_chaos::arguments::{Arguments, Command};
use relay_chaos::run::run;

use crate::world::program;

/// The same as `relay-chaos run`, only small. Its name is the first of all, so that it starts first: it
/// takes as long as the others together.
#[tokio::test]
async fn a_fifth_of_all_calls_fails_and_processes_die_and_no_message_is_lost() {
    let line = "relay-chaos run --messages 200 --faults 20 --kill-every-ms 800 --seed 36";
    let Command::Run(arguments) = Arguments::parse_from(line.split(' ')).command else {
        panic!("the line says run");
    };
    let report = run(&arguments, Some(program())).await.expect("the run comes to its end");
    assert!(report.holds(), "{report}");
    assert_eq!((report.posted, report.accepted, report.unknown), (200, 200, 0), "{report}");
    assert_eq!(report.delivered + report.dead.values().sum::<u64>(), 200, "{report}");
    // Of a run without faults nothing would follow.
    let (calls, failures) = (report.calls_while_breaking, report.failed_calls);
    assert!(failures * 100 > calls * 15, "{failures} of {calls}");
    assert!(report.redriven > 0 && report.redelivered > 0, "{report}");
    assert!(report.kills.get("worker").copied().unwrap_or_default() >= 5, "{report}");
}

/// The same in bulk, with as little written down as can be: doubled is allowed, lost is not.
#[tokio::test]
async fn f01_f02_a_lean_bulk_loses_nothing_while_calls_fail_and_processes_die() {
    let line = "relay-chaos run --messages 60 --bulk 20 --lean --unretained --faults 15 \
                --kill-every-ms 2500 --seed 7";
    let Command::Run(arguments) = Arguments::parse_from(line.split_whitespace()).command else {
        panic!("the line says run");
    };
    let report = run(&arguments, Some(program())).await.expect("the run comes to its end");
    assert!(report.holds(), "{report}");
    assert_eq!((report.posted, report.accepted, report.unknown), (60, 60, 0), "{report}");
    assert_eq!(report.delivered + report.dead.values().sum::<u64>(), 60, "{report}");
    assert!(report.redriven > 0 && report.redelivered > 0, "{report}");
    assert!(report.failed_calls > 0, "{report}");
}
