//! Which limit breaks first, and then: the highest rate a system carries, the limit that is met just above it, the
//! same system without that limit, and so on.

use serde::Serialize;

use crate::outcome::Limit;
use crate::simulation::{SimulationError, simulate};
use crate::system::System;

/// Rates are found to this share.
const PRECISION: f64 = 0.05;
/// How much further each step of a search goes, until a rate is not carried.
const STRIDE: f64 = 2.0;
/// The limit looked for is the first one met at this much above the highest rate that is carried.
const ABOVE: f64 = 1.1;
/// Rungs of a ladder, at most: there are fewer limits.
const RUNGS_MAX: usize = 12;
/// Messages a second that a run is scaled down to, so that a search takes seconds.
const SIMULATED_RATE: f64 = 4000.0;
/// Messages a second that a rate rises by in a second: what event pollers can follow (16 more a second carry 166).
const RISE: f64 = 100.0;
/// The shortest rise, and how long a rate is held after it, seconds.
const RISE_SECONDS_MIN: f64 = 60.0;
const HELD_SECONDS: f64 = 90.0;
/// What takes a limit away.
const RAISED: f64 = 1e9;
const RAISED_COUNT: u32 = 1_000_000_000;

/// One rung.
#[derive(Debug, Clone, Serialize)]
pub struct Rung {
    /// The highest rate that is carried, messages a second.
    pub rate: f64,
    /// What breaks above it; none if nothing does up to the rate asked for.
    pub breaks: Option<Limit>,
}

/// Climbs from `system` up to `rate_max`: at each rung the limit that broke is taken away.
///
/// # Errors
/// Those of [`simulate`].
pub fn ladder(system: &System, rate_max: f64) -> Result<Vec<Rung>, SimulationError> {
    let (mut system, mut rungs, mut raised) = (system.clone(), Vec::new(), Vec::new());
    let mut low = 100.0;
    for _ in 0..RUNGS_MAX {
        let rate = highest(&system, low, rate_max)?;
        if rate >= rate_max {
            rungs.push(Rung { rate, breaks: None });
            return Ok(rungs);
        }
        let (outcome, _) = run(&system, rate * ABOVE)?;
        // What was taken away is met again at most as a consequence of something else.
        let new = |limit: &Limit| *limit != Limit::LogCalls && !raised.contains(limit);
        let breaks = outcome.met.iter().map(|met| met.limit).find(new);
        rungs.push(Rung { rate, breaks });
        let Some(limit) = breaks else { return Ok(rungs) };
        raise(&mut system, limit);
        raised.push(limit);
        low = rate;
    }
    Ok(rungs)
}

/// The highest rate from `low` to `most` that is carried; `low` if that is not either.
fn highest(system: &System, low: f64, most: f64) -> Result<f64, SimulationError> {
    let (mut low, mut high) = (low, (low * STRIDE).min(most));
    // Ends: each stride is longer than the last, up to `most`.
    while run(system, high)?.1 {
        if high >= most {
            return Ok(most);
        }
        low = high;
        high = (high * STRIDE).min(most);
    }
    // Ends: the interval shrinks by a square root each time.
    while high / low > 1.0 + PRECISION {
        let middle = (low * high).sqrt();
        if run(system, middle)?.1 { low = middle } else { high = middle }
    }
    Ok(low)
}

fn run(system: &System, rate: f64) -> Result<(crate::outcome::Outcome, bool), SimulationError> {
    let mut system = system.clone();
    let rise = (rate / RISE).max(RISE_SECONDS_MIN);
    system.traffic.rate = rate;
    system.traffic.ramp_seconds = seconds(rise);
    system.traffic.duration_seconds = seconds(rise + HELD_SECONDS);
    let scale = (rate / SIMULATED_RATE).max(1.0);
    let outcome = simulate(&system.scaled(scale), scale)?;
    let holds = outcome.holds();
    Ok((outcome, holds))
}

/// Takes `limit` away.
fn raise(system: &mut System, limit: Limit) {
    let (stack, quotas) = (&mut system.stack, &mut system.quotas);
    match limit {
        Limit::StackApiRate => (stack.api_rate, stack.api_burst) = (RAISED, RAISED),
        Limit::AccountApiRate => (quotas.api_rate, quotas.api_burst) = (RAISED, RAISED),
        Limit::FunctionRate => quotas.requests_per_concurrency = RAISED,
        Limit::IngestConcurrency | Limit::WorkerConcurrency => quotas.concurrency = RAISED_COUNT,
        Limit::IngestScaling | Limit::WorkerScaling => quotas.scaling_per_second = RAISED,
        Limit::TableWrites => {
            (quotas.table_warm, quotas.table_quota) = (TABLE_RAISED, TABLE_RAISED)
        }
        Limit::SourceConcurrency | Limit::Polls | Limit::PollerBytes => stack.pollers_max = 2000,
        Limit::InFlight => quotas.in_flight = RAISED,
        Limit::LogCalls => quotas.log_calls = RAISED,
    }
}

/// A table is made of partitions, so that its limit is taken away by many and not by an endless number.
const TABLE_RAISED: f64 = 4e6;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes")]
fn seconds(seconds: f64) -> u32 {
    seconds.round() as u32
}
