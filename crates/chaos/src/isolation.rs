//! What a target that never answers costs everybody else: the same healthy traffic three times, alone,
//! beside such a target, and beside it with the relay's protection switched off.
//!
//! The rate is fixed, whatever the relay makes of it, and an answer's time counts from when its message
//! was due to be sent. What is compared are ratios within one run: absolute numbers are the machine's.

use relay_testkit::Chance;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

use crate::arguments::IsolationArguments;
use crate::bench::{Bench, BenchError, BenchOptions, Way};
use crate::client::{Client, Posted};
use crate::mix::{Kind, Message, plain};
use crate::receiver::{Arrivals, Receiver};
use crate::run::RunError;

/// How often to look whether the last message has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The least of the undisturbed throughput that is to be left.
const THROUGHPUT_MIN: f64 = 0.9;
/// The most that the p95 may grow.
const P95_MAX: f64 = 1.5;

/// The silent target holds each attempt for two seconds; the lease grows with that. Its retries come
/// soon, so that a short run sees all of them.
const SETTINGS: [(&str, &str); 4] = [
    ("DELIVERY_TIMEOUT_SECONDS", "2"),
    ("DELIVERY_LEASE_SECONDS", "11"),
    ("RETRY_BASE_SECONDS", "2"),
    ("RETRY_FACTOR", "2"),
];
/// What switches the protection off: no breaker, and one destination may take a whole invocation.
const UNPROTECTED: [(&str, &str); 2] =
    [("BreakerFailuresMax", "0"), ("DeliveryConcurrencyPerDestination", "10")];

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Healthy traffic alone.
    Undisturbed,
    /// Beside a silent target, as the template has it.
    Protected,
    /// Beside a silent target, without protection.
    Unprotected,
}

/// What the healthy traffic of one phase came to.
#[derive(Debug, Clone, Serialize)]
pub struct Measure {
    /// Which phase.
    pub phase: Phase,
    /// Healthy messages that were accepted.
    pub accepted: usize,
    /// Of these, those that arrived within the time.
    pub arrived: usize,
    /// Arrived messages a second, of those sent after the warm-up, until the last of them arrived.
    pub per_second: f64,
    /// Half of those took no longer, from sending to the target's answer, in milliseconds.
    pub p50_ms: f64,
    /// 95 % of those took no longer, in milliseconds.
    pub p95_ms: f64,
    /// 95 % of all, those of the warm-up included, took no longer, in milliseconds.
    pub p95_of_all_ms: f64,
    /// Calls that the silent target got.
    pub silent_calls: usize,
}

/// All phases of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Isolation {
    /// In the order in which they ran, the undisturbed one first.
    pub measures: Vec<Measure>,
}

impl Isolation {
    /// Throughput and p95 of a phase as parts of those of the undisturbed one.
    #[must_use]
    pub fn ratios(&self, phase: Phase) -> Option<(f64, f64)> {
        let of = |wanted| self.measures.iter().find(|measure| measure.phase == wanted);
        let (base, measure) = (of(Phase::Undisturbed)?, of(phase)?);
        Some((measure.per_second / base.per_second, measure.p95_ms / base.p95_ms))
    }

    /// Whether protection does what it is to do.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.ratios(Phase::Protected)
            .is_some_and(|(throughput, p95)| throughput >= THROUGHPUT_MIN && p95 <= P95_MAX)
    }
}

impl Display for Isolation {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>8} {:>10} {:>13}",
            "phase",
            "accepted",
            "arrived",
            "per s",
            "p50 ms",
            "p95 ms",
            "throughput",
            "p95",
            "p95 of all",
            "silent calls"
        )?;
        for one in &self.measures {
            let (throughput, p95) = self.ratios(one.phase).unwrap_or((f64::NAN, f64::NAN));
            writeln!(
                out,
                "{:<12} {:>8} {:>8} {:>8.2} {:>8.0} {:>8.0} {throughput:>10.2}x {p95:>7.2}x {:>10.0} {:>13}",
                format!("{:?}", one.phase).to_lowercase(),
                one.accepted,
                one.arrived,
                one.per_second,
                one.p50_ms,
                one.p95_ms,
                one.p95_of_all_ms,
                one.silent_calls,
            )?;
        }
        let held = if self.holds() { "reached" } else { "NOT reached" };
        write!(
            out,
            "aim: throughput >= {THROUGHPUT_MIN}x and p95 <= {P95_MAX}x while protected: {held}"
        )
    }
}

/// Measures all phases.
///
/// # Errors
/// When a relay does not start.
pub async fn measure_all(arguments: &IsolationArguments) -> Result<Isolation, RunError> {
    let mut measures = Vec::new();
    for phase in [Phase::Undisturbed, Phase::Protected, Phase::Unprotected] {
        eprintln!("measuring: {}", format!("{phase:?}").to_lowercase());
        measures.push(measure(arguments, phase).await?);
    }
    Ok(Isolation { measures })
}

/// A message, whether it is one of the healthy ones, and when it was due.
struct Sent {
    message: Message,
    due: Instant,
    posted: Posted,
}

async fn measure(arguments: &IsolationArguments, phase: Phase) -> Result<Measure, RunError> {
    let arrivals = Arrivals::default();
    // Two ports are two destinations.
    let healthy = Receiver::start(arrivals.clone()).await.map_err(BenchError::Loopback)?;
    let silent = Receiver::start(arrivals.clone()).await.map_err(BenchError::Loopback)?;
    let mut parameters = owned(&[("BatchSize", "5")]);
    parameters.insert("MaximumConcurrency".to_owned(), arguments.invocations.to_string());
    if phase == Phase::Unprotected {
        parameters.extend(owned(&UNPROTECTED));
    }
    let bench = Bench::start(BenchOptions {
        parameters,
        settings: owned(&SETTINGS),
        targets: vec![healthy.address(), silent.address()],
        way: Way::Straight,
        ..BenchOptions::default()
    })
    .await?;
    let client = Client::of(bench.url(), bench.api_key().as_deref())?;
    let healthy_url = format!("http://{}/slow/{}", healthy.address(), arguments.target_ms);
    let silent_url = format!("http://{}/silent", silent.address());
    let started = Instant::now();
    let sent = send(arguments, phase, &client, (&healthy_url, &silent_url)).await;
    let end = Instant::now() + Duration::from_secs(arguments.settle_seconds);
    let has_arrived = |one: &&Sent| taken_at(&arrivals, one).is_some();
    let of = |kind| sent.iter().filter(move |one| one.message.kind == kind);
    let accepted = of(Kind::Slow).filter(|one| one.posted == Posted::Accepted).count();
    while of(Kind::Slow).filter(has_arrived).count() < accepted && Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let arrived: Vec<(Instant, Instant)> =
        of(Kind::Slow).filter_map(|one| Some((one.due, taken_at(&arrivals, one)?))).collect();
    let silent_calls = of(Kind::Silent).map(|one| arrivals.of(&one.message.id).len()).sum();
    bench.stop().await;
    let warm = started + Duration::from_secs(u64::from(arguments.warm_up_seconds));
    let counting: Vec<_> = arrived.iter().filter(|(due, _)| *due >= warm).copied().collect();
    let last = counting.iter().map(|(_, at)| *at).max().unwrap_or(warm);
    let latencies = latencies_ms(&counting);
    Ok(Measure {
        phase,
        accepted,
        arrived: arrived.len(),
        per_second: counting.len() as f64 / (last - warm).as_secs_f64().max(f64::EPSILON),
        p50_ms: percentile(&latencies, 50),
        p95_ms: percentile(&latencies, 95),
        p95_of_all_ms: percentile(&latencies_ms(&arrived), 95),
        silent_calls,
    })
}

/// How long each took, sorted, in milliseconds.
fn latencies_ms(arrived: &[(Instant, Instant)]) -> Vec<f64> {
    let took = |(due, at): &(Instant, Instant)| at.saturating_duration_since(*due).as_secs_f64();
    let mut all: Vec<f64> = arrived.iter().map(|one| took(one) * 1000.0).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Sends at the fixed rate, each message by a client of its own.
async fn send(
    arguments: &IsolationArguments,
    phase: Phase,
    client: &Client,
    (healthy, silent): (&str, &str),
) -> Vec<Sent> {
    let mut sending = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / arguments.rate);
    for number in 0..arguments.rate * arguments.seconds {
        let due = ticks.tick().await.into_std();
        let mut all = vec![plain(&format!("healthy-{number}"), Kind::Slow, healthy)];
        // Spread evenly: each step over a whole hundred is one more message.
        let is_due = (number * arguments.silent_percent) % 100 < arguments.silent_percent;
        if phase != Phase::Undisturbed && is_due {
            all.push(plain(&format!("silent-{number}"), Kind::Silent, silent));
        }
        for message in all.into_iter().flatten() {
            let client = client.clone();
            sending.spawn(async move {
                let mut chance = Chance::seeded(u64::from(number));
                let (posted, _) = client.post(&message, &mut chance).await;
                Sent { message, due, posted }
            });
        }
    }
    sending.join_all().await
}

/// When the target said yes to a message.
fn taken_at(arrivals: &Arrivals, sent: &Sent) -> Option<Instant> {
    let calls = arrivals.of(&sent.message.id).into_iter();
    calls.filter(|call| call.status == Some(200)).find_map(|call| call.ended_at)
}

/// The value that so many percent of the sorted values do not exceed; NaN of none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 95)), (50.0, 95.0));
        assert_eq!(percentile(&values[..1], 95), 1.0);
        assert!(percentile(&[], 95).is_nan());
    }

    #[test]
    fn the_aim_is_about_the_protected_phase() {
        let measure = |phase, per_second, p95_ms| Measure {
            phase,
            accepted: 1,
            arrived: 1,
            per_second,
            p50_ms: 1.0,
            p95_ms,
            p95_of_all_ms: p95_ms,
            silent_calls: 0,
        };
        let of = |protected: (f64, f64)| Isolation {
            measures: vec![
                measure(Phase::Undisturbed, 10.0, 100.0),
                measure(Phase::Protected, protected.0, protected.1),
                measure(Phase::Unprotected, 1.0, 9000.0),
            ],
        };
        assert!(of((9.0, 150.0)).holds());
        assert!(!of((8.9, 100.0)).holds());
        assert!(!of((10.0, 151.0)).holds());
        assert_eq!(of((9.0, 150.0)).ratios(Phase::Unprotected), Some((0.1, 90.0)));
    }
}
