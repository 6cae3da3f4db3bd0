//! Breaks the relay for as long as something else goes on.

use relay_testkit::wire::{FaultKind, Shares};
use std::future::Future;
use std::time::{Duration, Instant};

use crate::arguments::RunArguments;
use crate::bench::Bench;
use crate::killer::kill_for_ever;
use crate::report::Report;

/// Of the calls that fail, a quarter as many more are slow.
const SLOW_SHARE: u8 = 4;
/// Longest that a slow call is held: under the two seconds that the relay gives one try.
const SLOW_MAX: Duration = Duration::from_millis(300);

/// Does `work` while services fail and processes are killed, as the arguments ask for; then all of it
/// stops.
pub(crate) async fn break_while<T>(
    arguments: &RunArguments,
    bench: &Bench,
    report: &mut Report,
    work: impl Future<Output = T>,
) -> T {
    let faults = bench.faults();
    let shares = Shares {
        failing_percent: arguments.faults,
        slow_percent: arguments.faults / SLOW_SHARE,
        slow_max: SLOW_MAX,
    };
    let (started, before) = (Instant::now(), faults.counts().total());
    faults.begin(arguments.seed, shares);
    let done = match arguments.kill_every_ms {
        0 => work.await,
        milliseconds => {
            let every = Duration::from_millis(milliseconds);
            tokio::select! {
                done = work => done,
                never = kill_for_ever(bench, every, arguments.seed, &mut report.kills) => match never {},
            }
        }
    };
    faults.stop();
    let after = faults.counts().total();
    let calls = after.calls - before.calls;
    report.calls_while_breaking += calls;
    for kind in FaultKind::ALL.into_iter().filter(|kind| *kind != FaultKind::Slow) {
        report.failed_calls += after.of(kind) - before.of(kind);
    }
    report.breaking_seconds += started.elapsed().as_secs_f64();
    done
}
