//! The machine: what it is, and who used its processors during a run. The times are Linux's (`/proc`); elsewhere there
//! are none, and a report does without.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;

/// Ticks of `/proc` in a second, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// Fields of a `stat` file between the name and `utime`.
const FIELDS_BEFORE_TIMES: usize = 11;

/// What the numbers were measured on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// Logical processors that this program may use.
    pub(crate) cores: usize,
    /// What they call themselves, if they say.
    pub(crate) processor: Option<String>,
    /// Operating system.
    pub(crate) system: &'static str,
    /// Instruction set.
    pub(crate) architecture: &'static str,
    /// How this program was built, and with it the functions on this machine: `release` or `debug`.
    pub(crate) profile: &'static str,
    /// Version of this program.
    pub(crate) version: &'static str,
}

impl Machine {
    /// This one.
    pub(crate) fn this() -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: model.map(|text| text.trim_start_matches([' ', '\t', ':']).to_owned()),
            system: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            profile: if is_debug() { "debug" } else { "release" },
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// Whether this program was built without optimisation, which is what it would measure.
pub(crate) const fn is_debug() -> bool {
    cfg!(debug_assertions)
}

/// Processor time by who used it, in seconds. The functions by their names; `generator`, `receiver` and `services` (the
/// local services and the gateway) are parts of this process; `others` is the rest of the machine.
pub(crate) type Times = BTreeMap<String, f64>;

/// Processor time up to now.
pub(crate) fn times(functions: &[(String, u32)]) -> Option<Times> {
    let whole = of_file("/proc/self/stat")?;
    let mut times = Times::new();
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let text = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let (Some(name), Some(used)) = (name_of(&text), seconds_of(&text)) else { continue };
        if name == GENERATOR || name == RECEIVER {
            *times.entry(name.to_owned()).or_default() += used;
        }
    }
    let parts: f64 = times.values().sum();
    times.insert("services".to_owned(), whole - parts);
    let mut ours = whole;
    for (function, process) in functions {
        let used = of_file(&format!("/proc/{process}/stat")).unwrap_or_default();
        *times.entry(function.clone()).or_default() += used;
        ours += used;
    }
    times.insert("others".to_owned(), busy()? - ours);
    Some(times)
}

/// What was used between two looks. A process that has ended in between counts as nothing.
pub(crate) fn used(before: &Times, after: &Times) -> Times {
    let used = |(name, after): (&String, &f64)| {
        let before = before.get(name).copied().unwrap_or_default();
        (name.clone(), (after - before).max(0.0))
    };
    after.iter().map(used).collect()
}

/// Name of the threads that send.
pub(crate) const GENERATOR: &str = "generator";
/// Name of the threads that receive.
pub(crate) const RECEIVER: &str = "receiver";

/// What all processors did, but for idling and waiting for disks.
fn busy() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = line.split_whitespace().filter_map(|one| one.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let of = |place: usize| ticks.get(place).copied().unwrap_or_default();
    Some((of(0) + of(1) + of(2) + of(5) + of(6)) / TICKS_PER_SECOND)
}

fn of_file(path: &str) -> Option<f64> {
    seconds_of(&fs::read_to_string(path).ok()?)
}

/// The name stands in parentheses, and may contain some.
fn name_of(stat: &str) -> Option<&str> {
    stat.get(stat.find('(')? + 1..stat.rfind(')')?)
}

fn seconds_of(stat: &str) -> Option<f64> {
    let fields = stat.get(stat.rfind(')')? + 1..)?;
    let mut times = fields.split_whitespace().skip(FIELDS_BEFORE_TIMES);
    let (user, system): (f64, f64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn times_are_read_past_any_name() {
        let stat = "12 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 9 9 9";
        assert_eq!(name_of(stat), Some("a (b) c"));
        assert_eq!(seconds_of(stat), Some(2.0));
        assert_eq!(seconds_of("nothing"), None);
    }

    #[test]
    fn use_is_the_difference() {
        let of = |worker: f64| Times::from([("worker".to_owned(), worker)]);
        assert_eq!(used(&of(1.5), &of(4.0)), of(2.5));
        assert_eq!(used(&of(4.0), &of(0.0)), of(0.0), "its process is gone");
        assert_eq!(used(&Times::new(), &of(2.0)), of(2.0));
    }
}
