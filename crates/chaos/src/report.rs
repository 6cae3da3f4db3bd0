//! What a run came to: counted, judged and printed, for people or as JSON.

use relay_testkit::wire::{Counts, FaultKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::audit::{Finding, Verdict};
use crate::client::Posted;
use crate::killer::Kills;
use crate::mix::{Kind, Message};

/// Bad findings that are named; the rest is only counted.
const NAMED_MAX: usize = 20;

/// Everything that was counted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The seed that all of it follows from.
    pub seed: u64,
    /// Messages that were sent at least once.
    pub posted: u64,
    /// Of these, those the relay said it has.
    pub accepted: u64,
    /// Those it said it will not have.
    pub refused: u64,
    /// Those it gave no definite answer to.
    pub unknown: u64,
    /// Requests that it took to send them.
    pub requests: u64,
    /// Messages that their target took, and the record says so.
    pub delivered: u64,
    /// Dead messages that were set going again once their target had recovered.
    pub redriven: u64,
    /// Of these, those that their target took then.
    pub redelivered: u64,
    /// Messages that were given up, by reason.
    pub dead: BTreeMap<String, u64>,
    /// Messages that were accepted and are nowhere, or were not delivered though the record says so.
    pub lost: u64,
    /// Messages of which nothing had become when the time was over.
    pub stuck: u64,
    /// Deliveries of delivered messages beyond the first, that the record explains, by explanation.
    pub doubled: BTreeMap<String, u64>,
    /// Deliveries of dead messages, that the record explains.
    pub delivered_though_dead: BTreeMap<String, u64>,
    /// Deliveries that nothing explains.
    pub unexplained: u64,
    /// Attempts that ran beside another one of the same message, though no worker was lost.
    pub overlapping: u64,
    /// Calls with another body than the one that was sent.
    pub wrong_bodies: u64,
    /// Messages that stayed in the main queue.
    pub left_in_queue: u64,
    /// Dead messages that have no copy in the dead-letter queue.
    pub unburied: u64,
    /// Messages that have one and are not dead.
    pub wrongly_buried: u64,
    /// Calls that targets got.
    pub target_calls: u64,
    /// Messages by the behaviour of their target.
    pub kinds: BTreeMap<Kind, u64>,
    /// Calls of the services while they failed.
    pub calls_while_breaking: u64,
    /// Of these, those that failed or lost their answer.
    pub failed_calls: u64,
    /// Calls of the services in the whole run, and what was done to them.
    pub services: Vec<ServiceCalls>,
    /// Processes that were killed, by function.
    pub kills: Kills,
    /// How long it took to send all messages, in seconds.
    pub sending_seconds: f64,
    /// How long services failed and processes were killed, in seconds.
    pub breaking_seconds: f64,
    /// How long it took after that until all messages were final, in seconds.
    pub settling_seconds: f64,
    /// What is wrong, message by message.
    pub findings: Vec<String>,
}

/// Calls of one operation.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceCalls {
    /// `dynamodb`, `sqs` or `s3`.
    pub service: &'static str,
    /// The operation.
    pub operation: String,
    /// All calls.
    pub calls: u64,
    /// Those that something was done to, by what it was.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Adds what came of one message.
    pub fn add(&mut self, message: &Message, posted: &Posted, found: &Finding) {
        self.posted += 1;
        match posted {
            Posted::Accepted => self.accepted += 1,
            Posted::Refused(_) => self.refused += 1,
            Posted::Unknown => self.unknown += 1,
        }
        *self.kinds.entry(message.kind).or_default() += 1;
        match &found.verdict {
            Verdict::Delivered => self.delivered += 1,
            Verdict::Dead(reason) => *self.dead.entry(reason.clone()).or_default() += 1,
            Verdict::Lost => self.lost += 1,
            Verdict::Stuck(_) => self.stuck += 1,
            Verdict::NotAccepted => {}
        }
        let explained = match found.verdict {
            Verdict::Dead(_) => &mut self.delivered_though_dead,
            Verdict::Delivered | Verdict::Lost | Verdict::Stuck(_) | Verdict::NotAccepted => {
                &mut self.doubled
            }
        };
        // Of a message that got stuck the record says nothing yet, and the run has failed anyway.
        let is_stuck = matches!(found.verdict, Verdict::Stuck(_));
        for extra in found.extra.iter().filter(|_| !is_stuck) {
            match &extra.explanation {
                Some(explanation) => *explained.entry(explanation.clone()).or_default() += 1,
                None => self.unexplained += 1,
            }
        }
        self.overlapping += found.overlapping as u64;
        self.wrong_bodies += found.wrong_bodies as u64;
        if is_bad(found) && self.findings.len() < NAMED_MAX {
            self.findings
                .push(format!("{} ({:?}, {posted:?}): {found:?}", message.id, message.kind));
        }
    }

    /// Adds what was done to the calls of the services.
    pub fn add_counts(&mut self, counts: &Counts) {
        self.services = counts
            .0
            .iter()
            .map(|((service, operation), counts)| ServiceCalls {
                service: service.as_str(),
                operation: operation.clone(),
                calls: counts.calls,
                faults: counts.faults.iter().map(|(kind, count)| (kind.as_str(), *count)).collect(),
            })
            .collect();
    }

    /// Whether every promise held.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.lost == 0
            && self.stuck == 0
            && self.unexplained == 0
            && self.overlapping == 0
            && self.wrong_bodies == 0
            && self.left_in_queue == 0
            && self.unburied == 0
            && self.wrongly_buried == 0
            && self.refused == 0
    }
}

fn is_bad(found: &Finding) -> bool {
    matches!(found.verdict, Verdict::Lost | Verdict::Stuck(_))
        || found.extra.iter().any(|extra| extra.explanation.is_none())
        || found.overlapping + found.wrong_bodies > 0
}

impl Report {
    /// Every operation, and what was done to its calls.
    fn table(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{:<9} {:<25} {:>7}", "service", "operation", "calls")?;
        for kind in FaultKind::ALL {
            write!(out, " {:>11}", kind.as_str())?;
        }
        writeln!(out)?;
        for one in &self.services {
            write!(out, "{:<9} {:<25} {:>7}", one.service, one.operation, one.calls)?;
            for kind in FaultKind::ALL {
                write!(out, " {:>11}", one.faults.get(kind.as_str()).copied().unwrap_or_default())?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (calls, failures) = (self.calls_while_breaking, self.failed_calls);
        let dead: u64 = self.dead.values().sum();
        writeln!(out, "seed {}", self.seed)?;
        writeln!(
            out,
            "messages     {} posted in {} requests: {} accepted, {} refused, {} unknown",
            self.posted, self.requests, self.accepted, self.refused, self.unknown
        )?;
        let sent_to: Vec<_> =
            self.kinds.iter().map(|(kind, count)| format!("{kind:?} {count}")).collect();
        writeln!(out, "targets      {}; {} calls", sent_to.join(", "), self.target_calls)?;
        writeln!(out, "delivered    {}", self.delivered)?;
        writeln!(out, "dead         {dead} {}", list(&self.dead))?;
        writeln!(
            out,
            "redriven     {}, of which {} were delivered then",
            self.redriven, self.redelivered
        )?;
        writeln!(out, "lost         {}", self.lost)?;
        writeln!(out, "stuck        {}", self.stuck)?;
        let doubled: u64 = self.doubled.values().sum();
        writeln!(out, "doubled      {doubled} explained {}", list(&self.doubled))?;
        let though: u64 = self.delivered_though_dead.values().sum();
        writeln!(out, "taken, dead  {though} explained {}", list(&self.delivered_though_dead))?;
        writeln!(out, "unexplained  {}", self.unexplained)?;
        writeln!(out, "overlapping  {}", self.overlapping)?;
        writeln!(out, "wrong bodies {}", self.wrong_bodies)?;
        writeln!(
            out,
            "queues       {} left in the main one, {} dead not buried, {} buried not dead",
            self.left_in_queue, self.unburied, self.wrongly_buried
        )?;
        writeln!(out, "kills        {}", list(&self.kills))?;
        writeln!(
            out,
            "time         {:.1} s of faults, the first {:.1} s of them sending; then {:.1} s settling",
            self.breaking_seconds, self.sending_seconds, self.settling_seconds
        )?;
        let percent = failures as f64 * 100.0 / calls.max(1) as f64;
        writeln!(
            out,
            "faults       {calls} calls of services in that time, {failures} failed or unanswered ({percent:.1} %)"
        )?;
        self.table(out)?;
        for finding in &self.findings {
            writeln!(out, "WRONG {finding}")?;
        }
        write!(
            out,
            "{}",
            if self.holds() { "every promise held" } else { "A PROMISE DID NOT HOLD" }
        )
    }
}

/// `(a 1, b 2)`, or nothing.
fn list<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let all: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!("({})", all.join(", "))
}
