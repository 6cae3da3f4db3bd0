//! A run: one event after the other, from a seed. What a request does is in `accept`, what the event source and the
//! worker do in `deliver`; here is what they share.

use std::collections::VecDeque;

use relay_cost::{Assumptions, CostError, Latency};

use crate::agenda::{Agenda, Event, Message};
use crate::environments::Environments;
use crate::limits::Rate;
use crate::outcome::{Counts, FRESH_SECONDS, Histories, Limit, Notes, Outcome, Sample};
use crate::random::{Random, Times};
use crate::source::{Source, age_seconds};
use crate::system::{Milliseconds, System};
use crate::table::Table;

/// Microseconds of a second.
pub(crate) const SECOND: u64 = 1_000_000;

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A time cannot be.
    #[error(transparent)]
    Time(#[from] CostError),
    /// The histogram of times cannot be made.
    #[error("no histogram of times")]
    Histogram(#[from] hdrhistogram::CreationError),
    /// A number is not one that a run can have.
    #[error("{name} must be {expected}, not {value}")]
    Value {
        /// What it is called.
        name: &'static str,
        /// What it has to be.
        expected: &'static str,
        /// What it is.
        value: f64,
    },
}

/// How long things take, to draw from.
pub(crate) struct Drawn {
    pub(crate) front: Times,
    pub(crate) overhead: Times,
    pub(crate) cold_start: Times,
    pub(crate) table: Times,
    pub(crate) table_batch: Times,
    pub(crate) send: Times,
    pub(crate) hop: Times,
    pub(crate) target: Times,
}

/// A run under way.
pub(crate) struct Simulation {
    pub(crate) system: System,
    pub(crate) times: Drawn,
    pub(crate) random: Random,
    pub(crate) agenda: Agenda,
    pub(crate) notes: Notes,
    pub(crate) stack_rate: Rate,
    pub(crate) account_rate: Rate,
    pub(crate) function_rate: Rate,
    pub(crate) ingest: Environments,
    pub(crate) worker: Environments,
    pub(crate) table: Table,
    pub(crate) source: Source,
    /// Requests that wait for an environment.
    pub(crate) waiting: VecDeque<u64>,
    /// Messages that can be received, with the time since when.
    pub(crate) queue: VecDeque<(u64, Message)>,
    pub(crate) next_poll: Option<u64>,
    /// Messages sent that cannot be received yet.
    pub(crate) hopping: u64,
    /// Messages hidden for a retry.
    pub(crate) hidden: u64,
    /// Messages whose attempt ends after the run.
    pub(crate) in_hand: u64,
    pub(crate) in_flight: u64,
    pub(crate) counts: Counts,
    pub(crate) accept: Histories,
    pub(crate) end_to_end: Histories,
    pub(crate) end_to_end_late: Histories,
    /// Messages delivered in each second.
    pub(crate) delivered: Vec<u64>,
    samples: Vec<Sample>,
    sample: Sample,
    pub(crate) ends: u64,
}

/// Runs `system`, in which every limit was divided by `scale` before (1 if it was not).
///
/// # Errors
/// `SimulationError` if a number of the system cannot be.
pub fn simulate(system: &System, scale: f64) -> Result<Outcome, SimulationError> {
    let mut simulation = Simulation::new(system, scale)?;
    simulation.run();
    Ok(simulation.into_outcome())
}

impl Simulation {
    fn new(system: &System, scale: f64) -> Result<Self, SimulationError> {
        check(system, scale)?;
        let assume = Assumptions::load()?;
        let item_bytes = assume.envelope_bytes.value + system.traffic.body_bytes;
        let (stack, quotas) = (&system.stack, &system.quotas);
        let environments = |warm, most| {
            Environments::new(warm, most, quotas.scaling_per_second, quotas.scaling_at_once)
        };
        let requests = f64::from(quotas.concurrency) * quotas.requests_per_concurrency;
        let seconds = system.traffic.duration_seconds;
        Ok(Self {
            times: drawn(system)?,
            random: Random::new(system.seed),
            agenda: Agenda::default(),
            notes: Notes::default(),
            stack_rate: Rate::new(stack.api_rate, stack.api_burst),
            account_rate: Rate::new(quotas.api_rate, quotas.api_burst),
            // Counted by the second, so that a second's requests may come at once.
            function_rate: Rate::new(requests, requests),
            ingest: environments(stack.ingest_warm, quotas.ingest_environments_max),
            worker: environments(stack.worker_warm, quotas.worker_environments_max),
            table: Table::new(quotas.table_warm, quotas.table_quota),
            source: Source::new(stack, item_bytes, scale),
            waiting: VecDeque::new(),
            queue: VecDeque::new(),
            next_poll: None,
            hopping: 0,
            hidden: 0,
            in_hand: 0,
            in_flight: 0,
            counts: Counts::default(),
            accept: Histories::new()?,
            end_to_end: Histories::new()?,
            end_to_end_late: Histories::new()?,
            delivered: vec![0; seconds as usize + 1],
            samples: Vec::new(),
            sample: Sample::default(),
            ends: u64::from(seconds) * SECOND,
            system: system.clone(),
        })
    }

    fn run(&mut self) {
        self.agenda.plan(0, Event::Request);
        self.agenda.plan(SECOND, Event::Second);
        // Ends: requests plan one another and seconds do, each later than the last.
        while let Some((now, event)) = self.agenda.next() {
            if now > self.ends {
                break;
            }
            match event {
                Event::Request => self.request(now),
                Event::Accepted { arrived, written } => self.accepted(now, arrived, written),
                Event::Visible { message, count, hidden } => {
                    self.visible(now, message, count, hidden);
                }
                Event::Ended { deleted } => self.ended(now, deleted),
                Event::Poll => {
                    self.next_poll = None;
                    self.poll(now);
                }
                Event::Second => self.second(now),
            }
        }
    }

    /// Environments that the account has left.
    pub(crate) fn left(&self) -> u32 {
        self.system.quotas.concurrency.saturating_sub(self.ingest.busy() + self.worker.busy())
    }

    /// `count` messages of requests are not accepted.
    pub(crate) fn refuse(&mut self, count: u64) {
        self.counts.refused += count;
        self.sample.refused += count;
    }

    /// `count` messages come.
    pub(crate) fn offer(&mut self, count: u64) {
        self.counts.offered += count;
        self.sample.offered += count;
    }

    /// `count` messages are accepted.
    pub(crate) fn count_accepted(&mut self, count: u64) {
        self.sample.accepted += count;
    }

    /// A second is over.
    #[expect(clippy::cast_precision_loss, reason = "log calls are compared with thousands")]
    fn second(&mut self, now: u64) {
        let busy = self.ingest.busy() + self.worker.busy();
        // An environment at work sends its lines about once a second.
        if f64::from(busy) > self.system.quotas.log_calls {
            self.notes.note(now, Limit::LogCalls);
        }
        let mut sample = std::mem::take(&mut self.sample);
        sample.visible = self.queue.len() as u64;
        sample.in_flight = self.in_flight;
        sample.age_seconds = self.queue.front().map_or(0.0, |(since, _)| age_seconds(now, *since));
        sample.ingest_busy = self.ingest.busy();
        sample.worker_busy = self.worker.busy();
        sample.source_level = self.source.level();
        self.samples.push(sample);
        let waiting = self.queue.len() as f64 >= f64::from(self.system.stack.batch);
        self.source.second(waiting, self.worker.busy());
        self.agenda.plan(now + SECOND, Event::Second);
        self.poll(now);
    }

    fn into_outcome(mut self) -> Outcome {
        self.counts.queued = self.queue.len() as u64 + self.hopping + self.hidden + self.in_hand;
        for (sample, delivered) in self.samples.iter_mut().zip(&self.delivered) {
            sample.delivered = *delivered;
        }
        Outcome {
            fresh_seconds: FRESH_SECONDS + self.system.stack.window_seconds,
            counts: self.counts,
            samples: self.samples,
            met: self.notes.into_list(),
            accept: self.accept.percentiles(),
            end_to_end: self.end_to_end.percentiles(),
            end_to_end_late: self.end_to_end_late.percentiles(),
        }
    }
}

fn drawn(system: &System) -> Result<Drawn, SimulationError> {
    let times = |of: Milliseconds| -> Result<Times, SimulationError> {
        Ok(Times::new(Latency::new(of.p50, of.p99)?))
    };
    let timings = &system.timings;
    let factor = timings.table_batch_factor;
    let batch = Milliseconds { p50: timings.table.p50 * factor, p99: timings.table.p99 * factor };
    Ok(Drawn {
        front: times(timings.front)?,
        overhead: times(timings.overhead)?,
        cold_start: times(timings.cold_start)?,
        table: times(timings.table)?,
        table_batch: times(batch)?,
        send: times(timings.send)?,
        hop: times(timings.hop)?,
        target: times(timings.target)?,
    })
}

/// Refuses what would not end or divide by nothing.
fn check(system: &System, scale: f64) -> Result<(), SimulationError> {
    let above_0 = [
        ("the rate", system.traffic.rate),
        ("the scale", scale),
        ("a bulk", f64::from(system.traffic.bulk)),
        ("the duration", f64::from(system.traffic.duration_seconds)),
        ("a batch", f64::from(system.stack.batch)),
        ("the API's rate", system.stack.api_rate),
        ("the account's API rate", system.quotas.api_rate),
        ("the account's concurrency", f64::from(system.quotas.concurrency)),
        ("the scaling of functions", system.quotas.scaling_per_second),
        ("the table's write units", system.quotas.table_warm.min(system.quotas.table_quota)),
    ];
    for (name, value) in above_0 {
        if !(value > 0.0 && value.is_finite()) {
            return Err(SimulationError::Value { name, expected: "above 0", value });
        }
    }
    for (name, value) in [
        ("the failure share", system.traffic.failure_share),
        ("the timeout share", system.traffic.timeout_share),
    ] {
        if !(0.0..=1.0).contains(&value) {
            return Err(SimulationError::Value { name, expected: "from 0 to 1", value });
        }
    }
    Ok(())
}
