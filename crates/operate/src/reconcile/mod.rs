//! Makes the records and the dead-letter queue agree, one run after the other. What is done to a message
//! `relay_core::reconcile` decides; here it is found and carried out.
//!
//! Several runs at once are harmless: every write is conditional, and every copy too many is met by a later
//! run. A run that is cut off leaves nothing that the next one does not finish.

mod entries;
mod letters;
mod report;

use std::sync::Arc;
use std::time::Duration;

use relay_core::envelope::Envelope;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Life, State};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Ambient, DeadLetter, Ledger, Letters, Payloads, PortError, Queue, Store};
use relay_core::time::Timestamp;

pub use report::Report;
use tracing::{Instrument, Span, error_span};

use crate::again::SetGoing;
use crate::patience::Patience;

/// A run begins nothing new when less than this is left: one message takes some calls, which take
/// milliseconds, and 7 s each at the very worst; letters are to be shown again before the end.
const ENDING_TIME: Duration = Duration::from_secs(10);
/// Messages that are worked on at the same time: enough to hide the way to the services and back, few
/// enough to leave them to the messages under way.
const AT_ONCE: usize = 8;
/// How long letters are hidden at most, if all goes well: on-call looks into the same queue, and a move task
/// that begins meanwhile passes by what it does not see. Ten thousand are received and compared in half of it.
const LETTERS_TIME_MAX: Duration = Duration::from_secs(40);

/// The world outside.
#[derive(Clone)]
pub struct ReconcilerPorts {
    /// Records.
    pub store: Arc<dyn Store>,
    /// All records at once.
    pub ledger: Arc<dyn Ledger>,
    /// The queue, and the dead-letter queue for putting letters into.
    pub queue: Arc<dyn Queue>,
    /// The dead-letter queue for reading.
    pub letters: Arc<dyn Letters>,
    /// Stored bodies.
    pub payloads: Arc<dyn Payloads>,
    /// Time and chance.
    pub ambient: Arc<dyn Ambient>,
}

/// Makes the records and the dead-letter queue agree.
#[derive(Clone)]
pub struct Reconciler {
    ports: ReconcilerPorts,
    going: SetGoing,
}

/// What a run has done so far, and how long it may go on.
struct Run {
    report: Report,
    patience: Patience,
    stops_at: Timestamp,
}

impl Run {
    /// Counts one piece of work that ended like this, and logs why it failed.
    fn note(&mut self, what: &'static str, id: Option<&RelayId>, ended: Result<(), PortError>) {
        let id = id.map(tracing::field::display);
        self.patience.note(ended.as_ref().copied());
        match ended {
            Ok(()) => {}
            Err(error @ PortError::Corrupt { .. }) => {
                self.report.unreadable += 1;
                tracing::error!(id, %error, "{what}: a record cannot be read");
            }
            Err(error @ PortError::Unavailable { .. }) => {
                self.report.failed += 1;
                tracing::error!(id, %error, "{what} failed");
            }
        }
    }

    fn may_go_on(&self, now: Timestamp) -> bool {
        now < self.stops_at && !self.patience.is_at_its_end()
    }
}

impl Reconciler {
    /// A reconciler over these ports.
    pub fn new(ports: ReconcilerPorts) -> Self {
        let going = SetGoing {
            store: Arc::clone(&ports.store),
            queue: Arc::clone(&ports.queue),
            payloads: Arc::clone(&ports.payloads),
            ambient: Arc::clone(&ports.ambient),
        };
        Self { ports, going }
    }

    /// One run, which is over before `ends`: first the records, which half of the time is for, then the
    /// dead-letter queue.
    pub async fn run(&self, ends: Timestamp) -> Report {
        let now = self.ports.ambient.now();
        let stops_at = ends.minus(ENDING_TIME);
        let half = now.plus(stops_at.since(now) / 2);
        let (report, patience) = (Report::default(), Patience::default());
        let mut run = Run { report, patience, stops_at: half };
        self.sweep_entries(&mut run).await;
        let ends = ends.min(self.ports.ambient.now().plus(LETTERS_TIME_MAX));
        (run.stops_at, run.patience) = (ends.minus(ENDING_TIME), Patience::default());
        self.sweep_letters(&mut run, ends).await;
        run.report
    }

    /// Does something for a message, under its names in the log. They come back with what came of it.
    async fn under_names_of<T>(
        message: &Message,
        work: impl Future<Output = Result<T, PortError>>,
    ) -> (Span, Result<T, PortError>) {
        let Message { id, message_id, sender_id, correlation_id, .. } = message;
        // An error, so that no level of the log hides whose lines they are.
        let span = error_span!("message", %id, %message_id, %sender_id, %correlation_id);
        (span.clone(), work.instrument(span).await)
    }

    /// Puts a copy of a dead message into the dead-letter queue, built from its record, and notes it.
    async fn bury(
        &self,
        message: &Message,
        state: &State,
        reason: DeadReason,
    ) -> Result<(), PortError> {
        let envelope = Envelope::of(message, state.life.clone(), message.body.clone());
        let attributes = envelope.dead_letter_attributes(reason, state);
        self.ports.queue.bury(&DeadLetter { text: envelope.to_json(), attributes }).await?;
        self.note_burial(&message.id, &state.life).await
    }

    async fn note_burial(&self, id: &RelayId, life: &Life) -> Result<(), PortError> {
        self.ports.store.mark_buried(id, life, self.ports.ambient.now()).await
    }
}
