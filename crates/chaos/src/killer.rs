//! Kills processes of the relay at random, as a host that fails does: at any moment and without a word.

use relay_local::lambda::EnvironmentState;
use relay_testkit::Chance;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::MissedTickBehavior;

use crate::bench::Bench;

/// Of so many turns, one kills an ingest process beside the worker.
const INGEST_EVERY: u64 = 3;

/// How many processes of each function were killed.
pub type Kills = BTreeMap<&'static str, u64>;

/// Kills a worker every so often, and now and then an ingest process, until it is dropped. Counts into
/// `kills`.
pub async fn kill_for_ever(
    bench: &Bench,
    every: Duration,
    seed: u64,
    kills: &mut Kills,
) -> Infallible {
    let mut chance = Chance::seeded(seed);
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0_u64;
    loop {
        ticks.tick().await;
        turn += 1;
        if kill_one(bench, "worker", &mut chance).await {
            *kills.entry("worker").or_default() += 1;
        }
        if turn.is_multiple_of(INGEST_EVERY) && kill_one(bench, "ingest", &mut chance).await {
            *kills.entry("ingest").or_default() += 1;
        }
    }
}

/// Kills one process of a function, a working one if there is any. Whether there was one to kill is the
/// answer.
pub async fn kill_one(bench: &Bench, function: &str, chance: &mut Chance) -> bool {
    let all = bench.processes(function);
    let is_busy = |state: EnvironmentState| state == EnvironmentState::Busy;
    let busy: Vec<u32> = all.iter().filter(|it| is_busy(it.state)).map(|it| it.pid).collect();
    let any: Vec<u32> = all.iter().map(|it| it.pid).collect();
    let Some(pid) = chance.pick(&busy).or_else(|| chance.pick(&any)).copied() else {
        return false;
    };
    // The number was of a child of this program a moment ago: nobody else has it yet.
    let mut kill = Command::new("kill");
    kill.arg("-9").arg(pid.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    kill.status().await.is_ok_and(|status| status.success())
}
