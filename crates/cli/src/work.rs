//! Work on many messages, as it is told: what became of each, how far it is, and what it came to.
//! Results go to standard output, the rest to standard error.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use relay_core::identity::{Generation, RelayId};
use relay_core::lifecycle::{Phase, Status};
use relay_core::ports::{Found, PortError};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::terminal::{compact, line, note, printable, table};
use crate::{Failure, INTERRUPTED, REFUSED, SOME_FAILED};

/// How often progress is told: a person looks up now and then, and a log is not to be filled.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// How many messages that were not done are named; the rest is counted.
const NAMED_MAX: u64 = 20;
/// How many kinds of messages a dry run tells apart; the rest is one line.
const KINDS_TOLD: usize = 20;

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// It would be sent.
    Counted,
    /// It is in the queue, in this generation.
    Sent(Generation),
    /// It is not sent any more.
    Cancelled,
    /// It is in a state that this does not follow from.
    Refused(Status),
    /// The relay's API leaves it alone, for this reason.
    Denied(String),
    /// It was meant by how it stood, and somebody was faster.
    MovedOn,
    /// Its body is gone, so there is nothing to send.
    NoBody,
    /// There is no such message.
    Unknown,
    /// Something did not answer.
    Failed(PortError),
}

/// Which messages are told of one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Those that were not done, to people.
    Trouble,
    /// Every one, to people.
    Each,
    /// Every one, to machines.
    Json,
}

impl Telling {
    /// As the flag has it: machines are told of every message, people of those that were not done.
    pub(crate) const fn trouble_or_json(json: bool) -> Self {
        if json { Self::Json } else { Self::Trouble }
    }
}

/// What becomes of the messages of one command.
pub(crate) struct Work {
    /// What is done to them, as a participle: `redriven`.
    verb: &'static str,
    telling: Telling,
    dry_run: bool,
    told_at: Instant,
    counted: u64,
    sent: u64,
    cancelled: u64,
    refused: u64,
    moved_on: u64,
    unknown: u64,
    failed: u64,
    kinds: BTreeMap<(String, String), u64>,
}

/// How the work came to its end.
pub(crate) enum End {
    /// All of it was done.
    Whole,
    /// It was interrupted.
    Interrupted,
    /// Nothing answers any more, or nobody is let in.
    Stopped(Failure),
}

impl Work {
    /// Nothing done so far.
    pub(crate) fn new(verb: &'static str, telling: Telling, dry_run: bool) -> Self {
        let (told_at, kinds) = (Instant::now(), BTreeMap::new());
        let [counted, sent, cancelled, refused, moved_on, unknown, failed] = [0; 7];
        Self {
            verb,
            telling,
            dry_run,
            told_at,
            counted,
            sent,
            cancelled,
            refused,
            moved_on,
            unknown,
            failed,
            kinds,
        }
    }

    /// Counts what became of a message, and tells it.
    pub(crate) fn tell(&mut self, id: &RelayId, found: Option<&Found>, done: &Done) {
        match done {
            Done::Counted => self.counted += 1,
            Done::Sent(_) => self.sent += 1,
            Done::Cancelled => self.cancelled += 1,
            Done::Refused(_) | Done::Denied(_) | Done::NoBody => self.refused += 1,
            Done::MovedOn => self.moved_on += 1,
            Done::Unknown => self.unknown += 1,
            Done::Failed(_) => self.failed += 1,
        }
        if *done == Done::Counted {
            let kind = found.map_or_else(Default::default, kind);
            *self.kinds.entry(kind).or_default() += 1;
        }
        let trouble = trouble(done);
        match self.telling {
            Telling::Json => line(&compact(&told(id, found, done))),
            Telling::Each => {
                line(&format!("{id}: {}", printable(trouble.as_deref().unwrap_or(self.verb))));
            }
            Telling::Trouble => {}
        }
        if let Some(reason) = trouble
            && self.telling != Telling::Each
            && self.refused + self.unknown + self.failed <= NAMED_MAX
        {
            note(&format!("{id}: {reason}"));
        }
        if self.told_at.elapsed() >= PROGRESS_EVERY {
            self.told_at = Instant::now();
            note(&format!("so far {}", self.totals()));
        }
    }

    /// Tells what it came to.
    pub(crate) fn end(self, end: &End) -> ExitCode {
        if self.telling == Telling::Json {
            line(&compact(&self.document(end)));
        } else {
            if self.dry_run && !self.kinds.is_empty() {
                line(&self.told_kinds());
            }
            line(&self.totals());
        }
        match end {
            End::Stopped(error) => {
                note(&format!("stopped: {error}\nhint: it is safe to run this again"));
                ExitCode::FAILURE
            }
            End::Interrupted => {
                note("interrupted; it is safe to run this again");
                ExitCode::from(INTERRUPTED)
            }
            End::Whole if self.failed > 0 => ExitCode::from(SOME_FAILED),
            End::Whole if self.refused + self.unknown > 0 => ExitCode::from(REFUSED),
            End::Whole => ExitCode::SUCCESS,
        }
    }

    fn totals(&self) -> String {
        let mut totals = if self.dry_run {
            format!("{} would be {}", self.counted, self.verb)
        } else {
            format!("{} {}", self.sent + self.cancelled, self.verb)
        };
        for (count, name) in [
            (self.moved_on, "moved on by others"),
            (self.refused, "refused"),
            (self.unknown, "not found"),
            (self.failed, "failed"),
        ] {
            if count > 0 {
                totals.push_str(&format!(", {count} {name}"));
            }
        }
        totals
    }

    fn document(&self, end: &End) -> Value {
        let (end, error) = match end {
            End::Whole => ("whole", None),
            End::Interrupted => ("interrupted", None),
            End::Stopped(error) => ("stopped", Some(error.to_string())),
        };
        let mut document = json!({ "totals": {
            "end": end, "dryRun": self.dry_run, "counted": self.counted, "sent": self.sent,
            "cancelled": self.cancelled, "movedOn": self.moved_on, "refused": self.refused,
            "notFound": self.unknown, "failed": self.failed,
        } });
        if let Some(error) = error {
            document["totals"]["error"] = json!(error);
        }
        document
    }

    /// What a dry run found: the most frequent kinds first.
    fn told_kinds(&self) -> String {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let others: u64 = kinds.iter().skip(KINDS_TOLD).map(|(_, count)| **count).sum();
        let mut rows = vec![["COUNT", "STATE", "DESTINATION"].map(str::to_owned)];
        rows.extend(kinds.iter().take(KINDS_TOLD).map(|((state, destination), count)| {
            [count.to_string(), state.clone(), destination.clone()]
        }));
        if others > 0 {
            rows.push([others.to_string(), "others".to_owned(), String::new()]);
        }
        table(&rows)
    }
}

/// What a dry run tells messages apart by: why they died, or else how they stand, and where they go.
fn kind(found: &Found) -> (String, String) {
    let phase = &found.state.phase;
    let state = match phase {
        Phase::Dead { reason, .. } => reason.as_str(),
        Phase::Pending
        | Phase::Queued
        | Phase::Processing { .. }
        | Phase::Retrying { .. }
        | Phase::Delivered
        | Phase::Cancelled => phase.status().as_str(),
    };
    (state.to_owned(), found.message.target.destination())
}

/// One line for machines.
fn told(id: &RelayId, found: Option<&Found>, done: &Done) -> Value {
    let mut told = match done {
        Done::Counted => json!({"done": "counted"}),
        Done::Sent(generation) => json!({"done": "sent", "generation": generation.0}),
        Done::Cancelled => json!({"done": "cancelled"}),
        Done::Refused(status) => json!({"done": "refused", "status": status.as_str()}),
        Done::Denied(reason) => json!({"done": "refused", "reason": reason}),
        Done::MovedOn => json!({"done": "movedOn"}),
        Done::NoBody => json!({"done": "noBody"}),
        Done::Unknown => json!({"done": "notFound"}),
        Done::Failed(error) => json!({"done": "failed", "error": error.to_string()}),
    };
    told["id"] = json!(id.as_str());
    if let Some(found) = found {
        told["destination"] = json!(found.message.target.destination());
        told["senderId"] = json!(found.message.sender_id.as_str());
        told["messageId"] = json!(found.message.message_id.as_str());
    }
    told
}

/// Why a message was not done, for people.
fn trouble(done: &Done) -> Option<String> {
    match done {
        Done::Counted | Done::Sent(_) | Done::Cancelled | Done::MovedOn => None,
        Done::Denied(reason) => Some(format!("left alone: {reason}")),
        Done::Refused(status) => Some(format!("left alone: it is {}", status.as_str())),
        Done::NoBody => Some("left alone: its body was not retained".to_owned()),
        Done::Unknown => Some("there is no such message, or not any more".to_owned()),
        Done::Failed(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_say_why_the_work_stopped() {
        let work = Work::new("redriven", Telling::Json, false);
        let error = PortError::Unavailable { action: "sending", reason: "refused".to_owned() };
        let document = work.document(&End::Stopped(error.into()));
        assert_eq!(document["totals"]["error"], "sending failed: refused");
        assert_eq!(document["totals"]["end"], "stopped");
        assert_eq!(work.document(&End::Whole)["totals"].get("error"), None);
    }
}
