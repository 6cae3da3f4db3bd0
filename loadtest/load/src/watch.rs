//! Looks at a run once a second: a line for whoever waits, and a point for the plots.

use serde::Serialize;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::generator::Run;
use crate::latency::Latency;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);
/// Most points of a plot that cover the schedule: more than its width has pixels to tell apart. Longer runs have
/// points further apart.
const POINTS_MAX: u64 = 600;

/// What happened within a stretch of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Point {
    /// Its end, in seconds from the start.
    pub(crate) at_seconds: f64,
    /// Messages a second that were due.
    pub(crate) offered: f64,
    /// Messages a second that the relay took.
    pub(crate) accepted: f64,
    /// Ids a second that arrived for the first time.
    pub(crate) delivered: f64,
    /// Messages whose answer was due at its end.
    pub(crate) in_flight: u64,
    /// The middle and the 99th percentile of what was accepted in it, in milliseconds.
    pub(crate) accept_ms: Option<(f64, f64)>,
    /// The same of what arrived in it, at targets that answer at once.
    pub(crate) end_to_end_ms: Option<(f64, f64)>,
}

/// The totals at a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    at_seconds: f64,
    offered: u64,
    taken: u64,
    delivered: u64,
}

/// The points so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Points(Arc<Mutex<Vec<Point>>>);

impl Points {
    /// All of them, in order.
    pub(crate) fn take(&self) -> Vec<Point> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, point: Point) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(point);
    }
}

/// Watches until it is dropped.
pub(crate) async fn watch(run: Arc<Run>, points: Points, has_receiver: bool, is_quiet: bool) {
    let ticks_for_a_point = run.plan.duration().as_secs().div_ceil(POINTS_MAX).max(1);
    let mut ticks = tokio::time::interval_at((run.origin + EVERY).into(), EVERY);
    let (mut at_tick, mut at_point) = (Totals::default(), Totals::default());
    for tick in 1u64.. {
        ticks.tick().await;
        let now = totals(&run);
        if !is_quiet {
            say(&line(&run, at_tick, now, has_receiver));
        }
        at_tick = now;
        if tick.is_multiple_of(ticks_for_a_point) {
            points.push(point(&run, at_point, now));
            at_point = now;
        }
    }
}

fn totals(run: &Run) -> Totals {
    let elapsed = run.elapsed();
    let (taken, delivered, _) = run.tally.progress();
    let offered = run.plan.due_by(elapsed);
    Totals { at_seconds: elapsed.as_secs_f64(), offered, taken, delivered }
}

fn rates(before: Totals, now: Totals) -> (f64, f64, f64) {
    let seconds = (now.at_seconds - before.at_seconds).max(f64::EPSILON);
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
    (
        rate(before.offered, now.offered),
        rate(before.taken, now.taken),
        rate(before.delivered, now.delivered),
    )
}

fn point(run: &Run, before: Totals, now: Totals) -> Point {
    let (offered, accepted, delivered) = rates(before, now);
    let (_, _, in_flight) = run.tally.progress();
    Point {
        at_seconds: now.at_seconds,
        offered,
        accepted,
        delivered,
        in_flight,
        accept_ms: run.tally.accept.take_recent(),
        end_to_end_ms: run.tally.end_to_end.take_recent(),
    }
}

fn line(run: &Run, before: Totals, now: Totals, has_receiver: bool) -> String {
    let (offered, accepted, delivered) = rates(before, now);
    let (_, _, in_flight) = run.tally.progress();
    let p99 = |latency: &Latency| match latency.p99() {
        Some(milliseconds) => format!("{milliseconds:>8.1} ms"),
        None => format!("{:>11}", "-"),
    };
    let mut line =
        format!("{:>6.0} s  offered {offered:>7.0}/s  accepted {accepted:>7.0}/s", now.at_seconds);
    if has_receiver {
        line.push_str(&format!("  delivered {delivered:>7.0}/s"));
    }
    line.push_str(&format!("  in flight {in_flight:>5}  p99 accept {}", p99(&run.tally.accept)));
    if has_receiver {
        line.push_str(&format!("  end to end {}", p99(&run.tally.end_to_end)));
    }
    line
}

/// Tells a person something, if there is one: standard error may be closed.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_came_in_between() {
        let before = Totals { at_seconds: 2.0, offered: 100, taken: 90, delivered: 80 };
        let now = Totals { at_seconds: 4.0, offered: 300, taken: 190, delivered: 80 };
        assert_eq!(rates(before, now), (100.0, 50.0, 0.0));
    }
}
