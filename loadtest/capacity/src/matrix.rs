//! The runs that docs/PERFORMANCE.md shows: three rates, two ways of sending, an account with default quotas and the
//! preset that holds, as tables and pictures.

use std::fmt::Write as _;
use std::path::Path;

use crate::ladder::{Rung, ladder};
use crate::outcome::Outcome;
use crate::plot::{PlotError, plot};
use crate::presets::Way;
use crate::simulation::{SimulationError, simulate};
use crate::system::System;

/// The rates shown.
const RATES: [f64; 3] = [1000.0, 10_000.0, 100_000.0];
/// From this rate on a run is scaled down, and by how much: a test holds that this changes nothing that is shown.
const SCALED_RATE: f64 = 100_000.0;
const SCALE: f64 = 20.0;
/// How long runs last, seconds: until pollers have followed and what waited is gone.
const SECONDS: u32 = 300;
const SECONDS_SCALED: u32 = 1500;
/// A rise that event pollers can follow to the highest rate, seconds.
const RISE_SECONDS: u32 = 900;
/// The rate a ladder ends at.
const LADDER_MAX: f64 = 100_000.0;

/// Why the tables and pictures are not there.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// A run failed.
    #[error(transparent)]
    Run(#[from] SimulationError),
    /// A picture failed.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

/// One run to show.
struct Case {
    way: Way,
    quotas: &'static str,
    start: &'static str,
    system: System,
    /// The name of its picture, if it has one.
    picture: Option<String>,
}

/// Makes all runs, draws those that hold into `folder`, and returns the tables as Markdown.
///
/// # Errors
/// `MatrixError` if a run or a picture fails.
pub fn matrix(folder: &Path) -> Result<String, MatrixError> {
    let mut text = String::from(HEADER);
    for case in cases() {
        let scale = if case.system.traffic.rate >= SCALED_RATE { SCALE } else { 1.0 };
        let outcome = simulate(&case.system.scaled(scale), scale)?;
        row(&mut text, &case, &outcome, scale);
        if let Some(picture) = &case.picture {
            let title = format!(
                "{} messages a second, {}, {}",
                case.system.traffic.rate,
                case.way.words(),
                case.start
            );
            plot(&outcome, scale, &title, &folder.join(picture))?;
        }
    }
    for way in [Way::Single, Way::Bulk] {
        let _ = writeln!(
            text,
            "\nWhat breaks first, with default quotas, {}:\n\n| carried, messages a second | then breaks |\n|---|---|",
            way.words()
        );
        for Rung { rate, breaks } in ladder(&System::default_quotas(1.0, way), LADDER_MAX)? {
            let breaks = breaks.map_or("nothing up to here", |limit| limit.words());
            let _ = writeln!(text, "| {} | {breaks} |", rounded(rate));
        }
    }
    Ok(text)
}

const HEADER: &str = "| a second | sent | quotas | start | keeps up from | refused | oldest waited | end to end p50 / p95 / p99 | accept p50 / p95 / p99 | ingest, worker at work | in flight at most | limits met (seconds) |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n";

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rate in RATES {
        for way in [Way::Single, Way::Bulk] {
            let default = System::default_quotas(rate, way);
            cases.push(Case {
                way,
                quotas: "default",
                start: "at once",
                system: lasting(default, 0),
                picture: None,
            });
            let Some(holding) = System::holding(rate, way) else { continue };
            let name = |start: &str| {
                let sent = match way {
                    Way::Single => "single",
                    Way::Bulk => "bulk",
                };
                Some(format!("capacity-{rate}-{sent}{start}.svg"))
            };
            let system = lasting(holding.clone(), 0);
            cases.push(Case { way, quotas: "preset", start: "at once", system, picture: name("") });
            if rate >= SCALED_RATE {
                let system = lasting(holding, RISE_SECONDS);
                cases.push(Case {
                    way,
                    quotas: "preset",
                    start: "in 15 minutes",
                    system,
                    picture: name("-rise"),
                });
            }
        }
    }
    cases
}

fn lasting(mut system: System, ramp_seconds: u32) -> System {
    let large = system.traffic.rate >= SCALED_RATE;
    system.traffic.duration_seconds = if large { SECONDS_SCALED } else { SECONDS };
    system.traffic.ramp_seconds = ramp_seconds;
    system
}

#[expect(clippy::cast_precision_loss, reason = "counts of messages")]
fn row(text: &mut String, case: &Case, outcome: &Outcome, scale: f64) {
    let holds = if outcome.holds() { outcome.ramped_second() } else { None };
    let from = holds.map_or("never".to_owned(), |second| format!("{second} s"));
    let refused = outcome.counts.refused as f64 / outcome.counts.offered.max(1) as f64 * 100.0;
    let late = outcome.end_to_end_late;
    let late = if late.max > 0.0 { times(late.p50, late.p95, late.p99) } else { "–".to_owned() };
    let met: Vec<String> = outcome
        .met
        .iter()
        .map(|met| format!("{} ({}–{})", met.limit.words(), met.first_second, met.last_second))
        .collect();
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {from} | {refused:.1} % | {:.1} s | {late} | {} | {}, {} | {} | {} |",
        case.system.traffic.rate,
        case.way.words(),
        case.quotas,
        case.start,
        outcome.greatest(|sample| sample.age_seconds),
        times(outcome.accept.p50, outcome.accept.p95, outcome.accept.p99),
        rounded(scale * outcome.late_mean(|sample| f64::from(sample.ingest_busy))),
        rounded(scale * outcome.late_mean(|sample| f64::from(sample.worker_busy))),
        rounded(scale * outcome.greatest(|sample| sample.in_flight as f64)),
        if met.is_empty() { "none".to_owned() } else { met.join("; ") },
    );
}

fn times(p50: f64, p95: f64, p99: f64) -> String {
    format!("{} / {} / {} ms", rounded(p50), rounded(p95), rounded(p99))
}

/// Two digits: a model knows no more.
fn rounded(value: f64) -> String {
    if value < 1.0 {
        return format!("{value:.1}");
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    format!("{:.0}", (value / unit).round() * unit)
}
