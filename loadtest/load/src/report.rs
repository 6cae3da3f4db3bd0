//! The result of a run, as it is written to JSON and as it is printed. docs/LOADTEST.md says what each field means.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::latency::Summary;
use crate::machine::{Machine, Times};
use crate::tally::Counts;
use crate::threshold::{Bound, Judgement};
use crate::watch::Point;

/// Version of the form; it grows when a field changes its meaning or goes.
pub(crate) const SCHEMA: u32 = 1;

/// All of it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Name of the scenario.
    pub(crate) scenario: &'static str,
    /// `local`, or the URL of a deployed relay.
    pub(crate) relay: String,
    /// What of a local relay is not as its template has it.
    pub(crate) changes: BTreeMap<String, String>,
    /// Id of the run, part of every message id.
    pub(crate) run: String,
    /// Seed of everything drawn.
    pub(crate) seed: u64,
    /// Messages in a request.
    pub(crate) bulk: u64,
    /// Requests in flight at most.
    pub(crate) in_flight_max: u32,
    /// Length of the schedule, in seconds; up to when it was ended, if it was.
    pub(crate) seconds: f64,
    /// How long the last messages took after its end, in seconds.
    pub(crate) settling_seconds: f64,
    /// Whether somebody ended it before its time.
    pub(crate) was_ended: bool,
    /// When it began, in seconds since 1970.
    pub(crate) started_at: u64,
    /// What it was measured on; none only before anything was.
    pub(crate) machine: Option<Machine>,
    /// What became of the messages.
    pub(crate) counts: Counts,
    /// Rates over the whole run.
    pub(crate) per_second: Rates,
    /// Latencies.
    pub(crate) latency_ms: Latencies,
    /// Processor time during the schedule, in seconds, by who used it; none where it is not known.
    pub(crate) processor_seconds: Option<Times>,
    /// The run over time.
    pub(crate) series: Vec<Point>,
    /// The thresholds.
    pub(crate) thresholds: Vec<Judgement>,
    /// Whether all of them hold.
    pub(crate) holds: bool,
}

/// Messages a second.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Rates {
    /// Due, within the schedule.
    pub(crate) offered: f64,
    /// Taken by the relay, from the start to the end of the schedule or the last acceptance, whichever is later.
    pub(crate) accepted: f64,
    /// Ids that arrived, from the start to the end of the schedule or the last arrival, whichever is later; none without a
    /// receiver.
    pub(crate) delivered: Option<f64>,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Latencies {
    /// From the intended time to the relay's answer.
    pub(crate) accept: Summary,
    /// From the intended time to the arrival at a target that answers at once.
    pub(crate) end_to_end: Summary,
    /// The same at the slow target.
    pub(crate) end_to_end_slow: Summary,
    /// How late requests left by the generator's own fault.
    pub(crate) lag: Summary,
}

impl Report {
    /// Name and values of every latency that was measured.
    pub(crate) fn latencies(&self) -> impl Iterator<Item = (&'static str, &Summary)> {
        let all = [
            ("accept", &self.latency_ms.accept),
            ("end to end", &self.latency_ms.end_to_end),
            ("end to end, slow target", &self.latency_ms.end_to_end_slow),
            ("lag of the generator", &self.latency_ms.lag),
        ];
        all.into_iter().filter(|(_, summary)| summary.count > 0)
    }

    /// Every count, with its name.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let counts = &self.counts;
        let mut rows = vec![
            ("offered", counts.offered.to_string()),
            ("sent", format!("{} in {} requests", counts.sent, counts.requests)),
            (
                "held back",
                format!(
                    "{} late (by {} ms at most), {} never sent; at most {} requests in flight",
                    counts.held_back,
                    counts.held_back_milliseconds_max,
                    counts.never_sent,
                    self.in_flight_max
                ),
            ),
            ("accepted", format!("{} ({} ids)", counts.accepted, counts.accepted_ids)),
            ("duplicates", counts.duplicates.to_string()),
            ("refused", listed(&counts.refused)),
            ("failed", listed(&counts.failed)),
        ];
        let Some(delivery) = &counts.delivery else { return rows };
        rows.extend([
            ("delivered once", delivery.delivered_once.to_string()),
            (
                "more than once",
                format!(
                    "{} ({} arrivals too many)",
                    delivery.delivered_more_than_once, delivery.delivered_again
                ),
            ),
            ("lost", delivery.lost.to_string()),
            ("wrong bodies", delivery.wrong_bodies.to_string()),
            (
                "unconfirmed",
                format!("{} arrived without an acceptance", delivery.delivered_unconfirmed),
            ),
        ]);
        for (name, count) in
            [("dead target", delivery.dead_target_calls), ("other runs", delivery.foreign)]
        {
            if count > 0 {
                rows.push((name, format!("{count} calls")));
            }
        }
        rows
    }

    /// Where it ran and what on.
    pub(crate) fn surroundings(&self) -> String {
        let machine = self.machine.as_ref().map_or_else(String::new, |machine| {
            let processor = machine.processor.as_deref().unwrap_or(machine.architecture);
            format!(
                "{} x {processor}, {} build, version {}",
                machine.cores, machine.profile, machine.version
            )
        });
        format!("{} relay; {machine}", self.relay)
    }

    /// The rates in one line.
    pub(crate) fn rates(&self) -> String {
        let Rates { offered, accepted, delivered } = &self.per_second;
        let delivered = delivered.map_or_else(String::new, |rate| format!(", {rate:.1} delivered"));
        format!("{offered:.1} offered, {accepted:.1} accepted{delivered}")
    }

    /// Who used the processors, most first, as parts of one processor.
    pub(crate) fn processors(&self) -> Vec<(&str, f64)> {
        let seconds = self.seconds.max(f64::EPSILON);
        let times = self.processor_seconds.iter().flatten();
        let mut parts: Vec<_> = times.map(|(name, used)| (name.as_str(), used / seconds)).collect();
        parts.sort_by(|one, other| other.1.total_cmp(&one.1));
        parts
    }
}

impl Judgement {
    /// What is asked for.
    pub(crate) fn rule(&self) -> String {
        let word = match self.bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        format!("{} {word} {}", self.name, self.limit)
    }

    /// What was found.
    pub(crate) fn found(&self) -> String {
        self.found.map_or_else(
            || "not measured".to_owned(),
            |found| format!("{}", (found * 10.0).round() / 10.0),
        )
    }
}

/// The sum, and what it is made of.
fn listed<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let sum: u64 = counts.values().sum();
    let parts: Vec<_> = counts.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    if parts.is_empty() { sum.to_string() } else { format!("{sum} ({})", parts.join(", ")) }
}

/// A value with one decimal, or a dash.
pub(crate) fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let ended = if self.was_ended { ", ended before its time" } else { "" };
        writeln!(
            out,
            "{}  {:.1} s and {:.1} s until all was settled{ended}; seed {}, {} in a request",
            self.scenario, self.seconds, self.settling_seconds, self.seed, self.bulk
        )?;
        writeln!(out, "{}", self.surroundings())?;
        for (name, value) in self.rows() {
            writeln!(out, "{name:<15} {value}")?;
        }
        writeln!(out, "{:<15} {}", "a second", self.rates())?;
        let columns = ["p50", "p90", "p95", "p99", "p99.9", "max"];
        write!(out, "{:<24} {:>8}", "milliseconds", "count")?;
        columns.iter().try_for_each(|column| write!(out, " {column:>9}"))?;
        writeln!(out)?;
        for (name, one) in self.latencies() {
            write!(out, "{name:<24} {:>8}", one.count)?;
            for value in [one.p50, one.p90, one.p95, one.p99, one.p999, one.max] {
                write!(out, " {:>9}", shown(value))?;
            }
            writeln!(out)?;
        }
        let parts: Vec<_> =
            self.processors().iter().map(|(name, part)| format!("{name} {part:.2}")).collect();
        if !parts.is_empty() {
            writeln!(out, "{:<15} {}", "processors", parts.join(", "))?;
        }
        for one in &self.thresholds {
            let word = if one.holds { "ok  " } else { "FAIL" };
            writeln!(out, "{word} {}: {}", one.rule(), one.found())?;
        }
        write!(out, "{}", if self.holds { "passed" } else { "FAILED" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_says_what_it_is_made_of() {
        assert_eq!(listed(&BTreeMap::from([(429, 2), (503, 1)])), "3 (429: 2, 503: 1)");
        assert_eq!(listed::<u16>(&BTreeMap::new()), "0");
    }

    #[test]
    fn processors_are_parts_of_one_most_first() {
        let used = [("worker", 5.0), ("ingest", 10.0)].map(|(name, used)| (name.to_owned(), used));
        let report = Report {
            seconds: 10.0,
            processor_seconds: Some(Times::from(used)),
            ..Report::default()
        };
        assert_eq!(report.processors(), [("ingest", 1.0), ("worker", 0.5)]);
    }

    #[test]
    fn a_report_without_a_receiver_speaks_of_no_delivery() {
        let text = Report::default().to_string();
        assert!(!text.contains("lost") && !text.contains("delivered"), "{text}");
        assert!(text.ends_with("FAILED"));
    }
}
