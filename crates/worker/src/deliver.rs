//! The life of one queue item: secrets to sign with, room, the gate; then claim the message, send it, decide, settle,
//! tell the queue.
//!
//! State first, queue second: an item is acknowledged only when the record says that nothing more is
//! to come of it. Everything else hands the item back, so that any number of copies of a message may
//! be about, and the last one standing meets a final record.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join;
use relay_core::attempt::SETTLE_TIME;
use relay_core::breaker::{self, Permit};
use relay_core::decide::decide;
use relay_core::envelope::{Envelope, EnvelopeError};
use relay_core::identity::{Generation, LeaseId};
use relay_core::lifecycle::ClaimRequest;
use relay_core::metrics::{Metric, Recorder};
use relay_core::outcome::{AttemptRecord, DeadReason};
use relay_core::ports::{
    Ambient, Breakers, Claim, Lease, Payloads, PortError, Queue, Receipt, Sender, Settled,
    Settlement, SigningSecrets, Store, Vault,
};
use relay_core::retry::{Jitter, RetryPolicy};
use relay_core::time::Timestamp;
use relay_core::trace::SpanId;

use crate::gate::{Gate, Pass};
use crate::log::{log_attempt, name_message, name_message_in};
use crate::signer::{Secrets, Signer};
use crate::slots::Slots;
use crate::tell::{Next, Told};

/// An item that newer code wrote comes back after this long: by then a newer worker may be there.
const NEWER_VERSION_WAIT: Duration = Duration::from_secs(60);
/// Items handed back unstarted come back within this long, at random, so that they do not come
/// back together.
const UNSTARTED_WAIT_MAX: Duration = Duration::from_secs(5);
/// An item that again and again finds no room in an invocation waits this many times longer at most.
const UNSTARTED_WAITS_MAX: u32 = 60;
/// A message is given up this long before its record expires, whatever its deadline: what has expired
/// can no longer be noted, shown or redriven. No copy is hidden for longer.
const EXPIRY_MARGIN: Duration = Duration::from_secs(1800);

/// One item as the event source hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What the event source calls it.
    pub item_id: String,
    /// What names this receipt of it.
    pub receipt: Receipt,
    /// The text; an envelope, if all is well.
    pub text: String,
    /// How often it was received, this time included.
    pub receipts: u32,
    /// From when on it could be received: when it was sent to the queue and its delay was over. Nothing if the event
    /// source does not say.
    pub available_at: Option<Timestamp>,
    /// The generation that died, if this is a copy of a dead letter that an operator moved back.
    pub dead_letter: Option<Generation>,
}

impl Item {
    /// From when on it waited for a worker. Its first receipt alone says so: later ones come after waits that were meant,
    /// as does that of a delayed copy until it could be received.
    pub(crate) fn waits_since(&self) -> Option<Timestamp> {
        self.available_at.filter(|_| self.receipts <= 1)
    }
}

/// The world outside.
#[derive(Clone)]
pub struct Ports {
    /// Records.
    pub store: Arc<dyn Store>,
    /// The queue and the queue of dead letters.
    pub queue: Arc<dyn Queue>,
    /// Stored bodies.
    pub payloads: Arc<dyn Payloads>,
    /// Targets.
    pub sender: Arc<dyn Sender>,
    /// Circuit breakers, shared with all other workers.
    pub breakers: Arc<dyn Breakers>,
    /// Which secrets the deliveries of senders are signed with.
    pub signing_secrets: Arc<dyn SigningSecrets>,
    /// What these are derived from.
    pub vault: Arc<dyn Vault>,
    /// Time and chance.
    pub ambient: Arc<dyn Ambient>,
}

/// What the settings say about deliveries.
#[derive(Debug, Clone)]
pub struct Rules {
    /// When and how often a message is tried.
    pub retry: RetryPolicy,
    /// How long an attempt may take, besides the time a stored body needs.
    pub timeout: Duration,
    /// Slowest rate for a stored body, in bytes a second.
    pub bytes_per_second_min: u64,
    /// How long a message is held for one attempt.
    pub lease: Duration,
    /// Items of one batch delivered at the same time.
    pub concurrency: usize,
    /// Those of them that may go to the same destination.
    pub concurrency_per_destination: usize,
    /// When the breaker of a destination opens, and for how long.
    pub breaker: breaker::Rules,
    /// How long a generation may wait for its delivery.
    pub deadline: Duration,
    /// Longest wait that a received item spends hidden in the queue; a longer one is spent as a fresh
    /// copy.
    pub visibility_max: Duration,
}

/// Delivers messages.
#[derive(Clone)]
pub struct Worker {
    pub(crate) ports: Ports,
    pub(crate) rules: Arc<Rules>,
    gate: Arc<Gate>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) recorder: Arc<Recorder>,
    /// Share of messages whose plain success is logged.
    pub(crate) success_percent: u8,
}

/// An attempt that may be made.
struct Begun {
    lease: Lease,
    permit: Option<Permit>,
    secrets: Secrets,
    /// When it has to be over.
    ends: Timestamp,
}

impl Worker {
    /// A worker that delivers by these rules.
    pub fn new(ports: Ports, rules: Rules) -> Self {
        let (breakers, ambient) = (Arc::clone(&ports.breakers), Arc::clone(&ports.ambient));
        let recorder = Arc::<Recorder>::default();
        let gate = Arc::new(Gate::new(breakers, ambient, rules.breaker, Arc::clone(&recorder)));
        let (records, vault) = (Arc::clone(&ports.signing_secrets), Arc::clone(&ports.vault));
        let signer = Arc::new(Signer::new(records, vault, Arc::clone(&ports.ambient)));
        Self { ports, rules: Arc::new(rules), gate, signer, recorder, success_percent: 100 }
    }

    /// The same, which logs the plain success of so many in a hundred messages.
    #[must_use]
    pub fn logging_success_of(self, success_percent: u8) -> Self {
        Self { success_percent, ..self }
    }

    /// Where it counts what happens.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Room for the deliveries of one invocation.
    pub(crate) fn slots(&self) -> Slots {
        Slots::new(self.rules.concurrency, self.rules.concurrency_per_destination)
    }

    /// Does for one item whatever is due, and tells the queue. No attempt is begun that could still
    /// run at `invocation_ends`.
    pub async fn deliver(&self, item: &Item, invocation_ends: Timestamp) -> Told {
        self.deliver_alone(&self.slots(), item, invocation_ends).await.1
    }

    /// The same with room shared with other items, in a span that is to learn whose item it is.
    pub(crate) async fn deliver_within(
        &self,
        slots: &Slots,
        item: &Item,
        invocation_ends: Timestamp,
    ) -> Told {
        let next = match Envelope::from_json(&item.text) {
            Ok(envelope) => {
                name_message(&envelope);
                self.advance(slots, &envelope, item, invocation_ends).await
            }
            Err(EnvelopeError::UnknownVersion(envelope_version)) => {
                let item_id = item.item_id.as_str();
                name_message_in(&item.text);
                self.recorder.count(Metric::Unreadable);
                tracing::warn!(item_id, envelope_version, "item of a newer version");
                Ok(Next::After(NEWER_VERSION_WAIT))
            }
            Err(EnvelopeError::Malformed(reason)) => {
                name_message_in(&item.text);
                self.bury_malformed(item, &reason).await
            }
        };
        self.conclude(item, next).await
    }

    /// Moves a message on by what this copy of it is good for.
    async fn advance(
        &self,
        slots: &Slots,
        envelope: &Envelope,
        item: &Item,
        invocation_ends: Timestamp,
    ) -> Result<Next, PortError> {
        let now = self.ports.ambient.now();
        if now >= envelope.life.expires_at {
            tracing::warn!("item of an expired message dropped");
            return Ok(Next::Acknowledge);
        }
        if let Some(generation) = item.dead_letter {
            return self.redrive(envelope, generation).await;
        }
        if now >= self.deadline(envelope) {
            return self.overdue(envelope, item).await;
        }
        let destination = envelope.target.destination();
        if let Some(until) = self.gate.holds_back(&destination).await {
            return Ok(self.defer(envelope, &destination, until));
        }
        // Before any room is taken: a sender whose secrets are not known keeps nobody else waiting.
        let secrets = match self.secrets(envelope).await {
            Ok(secrets) => secrets,
            Err(next) => return Ok(next),
        };
        let left = self.last_begin(envelope, invocation_ends).since(self.ports.ambient.now());
        match tokio::time::timeout(left, slots.take(&destination)).await {
            Ok(_slot) => self.take_up(envelope, &destination, item, secrets, invocation_ends).await,
            Err(_elapsed) => Ok(self.unstarted(item)),
        }
    }

    /// Passes the gate, claims the message and does what the claim allows. What may keep an attempt from being made
    /// comes before the claim, which counts it.
    async fn take_up(
        &self,
        envelope: &Envelope,
        destination: &str,
        item: &Item,
        secrets: Secrets,
        invocation_ends: Timestamp,
    ) -> Result<Next, PortError> {
        let secrets = match self.secrets_by_now(envelope, secrets).await {
            Ok(secrets) => secrets,
            Err(next) => return Ok(next),
        };
        let permit = match self.gate.pass(destination, self.attempt_timeout(envelope)).await {
            Pass::Go(permit) => permit,
            Pass::Wait(until) => return Ok(self.defer(envelope, destination, until)),
        };
        if self.ports.ambient.now() >= self.last_begin(envelope, invocation_ends) {
            self.gate.give_back(destination, permit).await;
            return Ok(self.unstarted(item));
        }
        let claim = self.claim(envelope).await;
        let permit = match &claim {
            Ok(Claim::Ours(_)) => permit,
            Ok(_) | Err(_) => {
                self.gate.give_back(destination, permit).await;
                None
            }
        };
        match claim? {
            Claim::Ours(lease) => {
                let ends = lease.until.min(invocation_ends).minus(SETTLE_TIME);
                let begun = Begun { lease, permit, secrets, ends };
                Ok(Next::Told(self.attempt(envelope, destination, item, begun).await))
            }
            Claim::Exhausted => {
                let reason = DeadReason::AttemptsExhausted;
                let settled = self.give_up(&envelope.id, &envelope.life, reason).await?;
                self.after_settling(envelope, item, settled).await
            }
            Claim::AlreadyFinal(state) => self.follow(envelope, item, &state).await,
            Claim::HeldByOther { until } | Claim::NotYet { until } => Ok(self.soon_after(until)),
            Claim::Superseded(_) => {
                tracing::info!("item of an earlier generation dropped");
                Ok(Next::Acknowledge)
            }
            Claim::Ahead => Ok(self.after_trouble()),
        }
    }

    /// When an attempt must have begun to end before the invocation does.
    fn last_begin(&self, envelope: &Envelope, invocation_ends: Timestamp) -> Timestamp {
        invocation_ends.minus(self.attempt_timeout(envelope) + SETTLE_TIME)
    }

    /// No time is left for it here; it comes back for another invocation.
    fn unstarted(&self, item: &Item) -> Next {
        self.recorder.count(Metric::Unstarted);
        tracing::warn!(receipts = item.receipts, "no time left to begin");
        let waits = item.receipts.clamp(1, UNSTARTED_WAITS_MAX);
        Next::After(self.jitter_of(UNSTARTED_WAIT_MAX * waits))
    }

    /// Waits for the breaker without having been tried: no attempt is spent, and nothing is written. A message
    /// whose deadline comes first is there in time to be given up: a breaker never ends one.
    fn defer(&self, envelope: &Envelope, destination: &str, until: Timestamp) -> Next {
        let until = until.min(self.deadline(envelope));
        self.recorder.count(Metric::Deferrals);
        tracing::info!(destination, %until, "deferred");
        Next::Deferred(until)
    }

    async fn claim(&self, envelope: &Envelope) -> Result<Claim, PortError> {
        let now = self.ports.ambient.now();
        let claim = ClaimRequest {
            life: envelope.life.clone(),
            lease_id: LeaseId::from_random(self.ports.ambient.bits()),
            lease_until: now.plus(self.rules.lease),
            attempts_max: self.rules.retry.attempts_max,
            now,
        };
        self.ports.store.claim(&envelope.id, &claim).await
    }

    /// One attempt under a lease: send, decide, settle, tell.
    async fn attempt(
        &self,
        envelope: &Envelope,
        destination: &str,
        item: &Item,
        begun: Begun,
    ) -> Told {
        let Begun { lease, permit, secrets, ends } = begun;
        let span_id = SpanId::from_random(self.ports.ambient.bits());
        let outcome = self.send(envelope, lease.attempt, span_id, &secrets, ends).await;
        self.count_attempt(&outcome);
        let now = self.ports.ambient.now();
        let deadline = self.deadline(envelope);
        let jitter = Jitter::new(self.ports.ambient.unit());
        let decision = decide(&outcome, lease.attempt, &self.rules.retry, deadline, now, jitter);
        let attempt = AttemptRecord::of(envelope.life.generation, lease.attempt, &outcome);
        let settlement = Settlement {
            id: envelope.id.clone(),
            life: envelope.life.clone(),
            lease,
            attempt,
            decision,
            now,
        };
        let write_line = || log_attempt(envelope, item, &settlement, &outcome, span_id);
        let is_withheld = self.withholds_line(&settlement);
        if !is_withheld {
            write_line();
        }
        // Side by side: what the target did counts for the breaker even if it cannot be written down, and a
        // breaker that cannot be reached keeps neither record nor queue waiting.
        let report = self.gate.report(destination, permit, outcome.result);
        let told = async {
            let settled = self.settle(&settlement).await;
            // A success that nobody can look up is not plain.
            if is_withheld && !matches!(settled, Ok(Settled::Done(_))) {
                write_line();
            }
            let next = match settled {
                Ok(settled) => self.after_settling(envelope, item, settled).await,
                Err(error) => Err(error),
            };
            self.conclude(item, next).await
        };
        join(told, report).await.0
    }

    pub(crate) fn deadline(&self, envelope: &Envelope) -> Timestamp {
        let last = envelope.life.expires_at.minus(EXPIRY_MARGIN);
        envelope.life.generation_started_at.plus(self.rules.deadline).min(last)
    }
}
