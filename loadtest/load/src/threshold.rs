//! Thresholds: what a result has to stay within. The names are those of the result; most are limits from above.

use serde::Serialize;

use crate::latency::Summary;
use crate::report::Report;
use crate::tally::Delivery;

/// Most and least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// The value is at most the limit.
    AtMost,
    /// The value is at least the limit.
    AtLeast,
}

/// Something that a threshold can be set for.
struct Metric {
    name: &'static str,
    bound: Bound,
    /// Whether it is known only where messages are received.
    needs_receiver: bool,
    of: fn(&Report) -> Option<f64>,
}

/// Why a text is no threshold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ThresholdError {
    /// It has not the form.
    #[error("`{0}` is no threshold: NAME=NUMBER is needed")]
    Form(String),
    /// Nothing is called so.
    #[error("`{0}` can have no threshold; those that can: {names}", names = names())]
    Name(String),
    /// It is known only where messages are received.
    #[error("`{0}` is not measured without --receiver")]
    Unmeasured(String),
}

/// A limit that was set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    name: &'static str,
    limit: f64,
}

/// What a result says to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judgement {
    /// What is limited.
    pub(crate) name: &'static str,
    /// From which side.
    pub(crate) bound: Bound,
    /// The limit.
    pub(crate) limit: f64,
    /// The value; none if there is nothing it could be of, such as a percentile of no message.
    pub(crate) found: Option<f64>,
    /// Whether it is within the limit. What was not found is not.
    pub(crate) holds: bool,
}

const fn at_most(name: &'static str, of: fn(&Report) -> Option<f64>) -> Metric {
    Metric { name, bound: Bound::AtMost, needs_receiver: false, of }
}

const fn received(name: &'static str, of: fn(&Report) -> Option<f64>) -> Metric {
    Metric { name, bound: Bound::AtMost, needs_receiver: true, of }
}

const METRICS: [Metric; 21] = [
    at_most("accept_p50_ms", |report| accept(report).p50),
    at_most("accept_p95_ms", |report| accept(report).p95),
    at_most("accept_p99_ms", |report| accept(report).p99),
    at_most("accept_p999_ms", |report| accept(report).p999),
    at_most("accept_max_ms", |report| accept(report).max),
    at_most("lag_p99_ms", |report| report.latency_ms.lag.p99),
    at_most("refused", |report| Some(report.counts.refused.values().sum::<u64>() as f64)),
    at_most("failed", |report| Some(report.counts.failed.values().sum::<u64>() as f64)),
    at_most("held_back", |report| Some(report.counts.held_back as f64)),
    at_most("never_sent", |report| Some(report.counts.never_sent as f64)),
    Metric {
        name: "accepted_per_second",
        bound: Bound::AtLeast,
        needs_receiver: false,
        of: |report| Some(report.per_second.accepted),
    },
    received("end_to_end_p50_ms", |report| report.latency_ms.end_to_end.p50),
    received("end_to_end_p95_ms", |report| report.latency_ms.end_to_end.p95),
    received("end_to_end_p99_ms", |report| report.latency_ms.end_to_end.p99),
    received("end_to_end_p999_ms", |report| report.latency_ms.end_to_end.p999),
    received("end_to_end_max_ms", |report| report.latency_ms.end_to_end.max),
    received("lost", |report| count(report, |delivery| delivery.lost)),
    received("wrong_bodies", |report| count(report, |delivery| delivery.wrong_bodies)),
    received("delivered_again", |report| count(report, |delivery| delivery.delivered_again)),
    received("delivered_unconfirmed", |report| {
        count(report, |delivery| delivery.delivered_unconfirmed)
    }),
    Metric {
        name: "delivered_per_second",
        bound: Bound::AtLeast,
        needs_receiver: true,
        of: |report| report.per_second.delivered,
    },
];

fn accept(report: &Report) -> &Summary {
    &report.latency_ms.accept
}

fn count(report: &Report, of: fn(&Delivery) -> u64) -> Option<f64> {
    report.counts.delivery.as_ref().map(|delivery| of(delivery) as f64)
}

fn names() -> String {
    METRICS.map(|metric| metric.name).join(", ")
}

/// The thresholds of a scenario, without those that cannot be measured, and over them those that were given, which all
/// have to be.
///
/// # Errors
/// When a text is none, or one that was given cannot be measured.
pub(crate) fn all(
    own: &[&str],
    given: &[String],
    has_receiver: bool,
) -> Result<Vec<Threshold>, ThresholdError> {
    let mut thresholds: Vec<Threshold> = Vec::new();
    let mut set = |text: &str, is_given: bool| -> Result<(), ThresholdError> {
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (metric, limit) = parse(pair)?;
            if metric.needs_receiver && !has_receiver {
                if is_given {
                    return Err(ThresholdError::Unmeasured(metric.name.to_owned()));
                }
                continue;
            }
            thresholds.retain(|one| one.name != metric.name);
            thresholds.push(Threshold { name: metric.name, limit });
        }
        Ok(())
    };
    own.iter().try_for_each(|text| set(text, false))?;
    given.iter().try_for_each(|text| set(text, true))?;
    Ok(thresholds)
}

fn parse(pair: &str) -> Result<(&'static Metric, f64), ThresholdError> {
    let form = || ThresholdError::Form(pair.to_owned());
    let (name, number) = pair.split_once('=').ok_or_else(form)?;
    let limit: f64 = number.trim().parse().map_err(|_| form())?;
    if !limit.is_finite() || limit < 0.0 {
        return Err(form());
    }
    let metric = METRICS.iter().find(|metric| metric.name == name.trim());
    Ok((metric.ok_or_else(|| ThresholdError::Name(name.trim().to_owned()))?, limit))
}

/// What the result says to every threshold.
pub(crate) fn judge(report: &Report, thresholds: &[Threshold]) -> Vec<Judgement> {
    let judge = |threshold: &Threshold| {
        let metric = METRICS.iter().find(|metric| metric.name == threshold.name)?;
        let (found, limit, bound) = ((metric.of)(report), threshold.limit, metric.bound);
        let holds = found.is_some_and(|found| match bound {
            Bound::AtMost => found <= limit,
            Bound::AtLeast => found >= limit,
        });
        Some(Judgement { name: metric.name, bound, limit, found, holds })
    };
    thresholds.iter().filter_map(judge).collect()
}

#[cfg(test)]
#[path = "threshold_tests.rs"]
mod tests;
