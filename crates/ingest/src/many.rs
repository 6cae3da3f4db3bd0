//! What is known about a request that asks for many things at once: what became of each, for counting and for the log.

use relay_core::identity::{MessageId, RelayId, SenderId};
use relay_core::logs;
use relay_core::metrics::{Metric, Recorder};

use crate::codes::Code;
use crate::observe::Facts;
use crate::problem::Problem;

/// One of many things.
#[derive(Debug, Clone, PartialEq, Eq)]
struct One {
    status: u16,
    code: Option<Code>,
    cause: Option<String>,
    facts: Facts,
}

/// How many of them came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// They were accepted, set going again, or cancelled.
    pub(crate) accepted: u32,
    /// They had been accepted before, or were named before in the same request.
    pub(crate) duplicates: u32,
    /// They were wrong.
    pub(crate) refused: u32,
    /// The relay could not do its part.
    pub(crate) failed: u32,
}

/// What became of each; an extension of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Many {
    ones: Vec<One>,
    counts: Counts,
}

impl Many {
    /// Room for as many.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { ones: Vec::with_capacity(count), counts: Counts::default() }
    }

    /// Notes one that was done.
    pub(crate) fn done(&mut self, status: u16, facts: Facts) {
        match facts.duplicate {
            Some(true) => self.counts.duplicates += 1,
            Some(false) | None => self.counts.accepted += 1,
        }
        self.ones.push(One { status, code: None, cause: None, facts });
    }

    /// Notes one that was named before. What was done is noted there.
    pub(crate) fn repeated(&mut self) {
        self.counts.duplicates += 1;
    }

    /// Notes one that was not done.
    pub(crate) fn problem(&mut self, problem: Problem) {
        let Problem { code, cause, facts, .. } = problem;
        match code.status().is_server_error() {
            true => self.counts.failed += 1,
            false => self.counts.refused += 1,
        }
        self.ones.push(One { status: code.status().as_u16(), code: Some(code), cause, facts });
    }

    /// How many came to what.
    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts them. Requests that are refused are counted as such, so of the messages of a request those alone that are
    /// the relay's own fault show, once for all of them: what alarms compare with requests must not outnumber them.
    pub(crate) fn count(&self, recorder: &Recorder) {
        for One { facts, .. } in &self.ones {
            facts.count(recorder);
        }
        if self.counts.failed > 0 {
            recorder.count(Metric::RefusedSystemError);
        }
    }

    /// Whether any of them were messages that are accepted, now or before.
    pub(crate) fn has_accepted(&self) -> bool {
        self.ones.iter().any(|one| one.facts.duplicate.is_some())
    }

    /// Whether the log is to tell of any of them, when the plain success of `percent` in a hundred messages is told.
    pub(crate) fn is_written(&self, percent: u8) -> bool {
        self.ones.iter().any(|one| one.is_written(percent))
    }

    /// One line of the log for each, with the names of its message.
    pub(crate) fn log(&self, percent: u8) {
        self.ones.iter().filter(|one| one.is_written(percent)).for_each(One::log);
    }
}

impl One {
    fn is_written(&self, percent: u8) -> bool {
        self.code.is_some() || self.facts.is_written(percent)
    }

    fn log(&self) {
        macro_rules! write_line {
            ($level:ident) => {
                tracing::$level!(
                    status = self.status,
                    code = self.code.map(Code::as_str),
                    cause = self.cause.as_deref(),
                    id = self.facts.id.as_ref().map(RelayId::as_str),
                    message_id = self.facts.message_id.as_ref().map(MessageId::as_str),
                    sender_id = self.facts.sender_id.as_ref().map(SenderId::as_str),
                    destination = self.facts.destination.as_deref(),
                    payload_bytes = self.facts.payload_bytes,
                    duplicate = self.facts.duplicate,
                    "one of many"
                )
            };
        }
        if self.status >= 500 { write_line!(error) } else { write_line!(info) }
    }
}

impl Facts {
    /// Counts a message that was accepted, now or before.
    pub(crate) fn count(&self, recorder: &Recorder) {
        match self.duplicate {
            None => {}
            Some(true) => recorder.count(Metric::Duplicates),
            Some(false) => {
                recorder.count(Metric::Accepted);
                if let Some(bytes) = self.payload_bytes {
                    recorder.add(Metric::PayloadBytes, bytes);
                }
                if self.offloaded {
                    recorder.count(Metric::Offloaded);
                }
            }
        }
    }

    /// Whether the log is to tell of what was done, when the plain success of `percent` in a hundred messages is told:
    /// that a message was accepted is such a success, and everything else is always told.
    pub(crate) fn is_written(&self, percent: u8) -> bool {
        match (self.duplicate, &self.id) {
            (Some(_), Some(id)) => logs::writes_success(id, percent),
            _ => true,
        }
    }
}
