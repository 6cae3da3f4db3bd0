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
use relay_core::breaker::Permit;
use relay_core::decide::decide;
use relay_core::envelope::{Envelope, EnvelopeError};
use relay_core::identity::{Generation, LeaseId};
use relay_core::lifecycle::ClaimRequest;
use relay_core::metrics::{Metric, Recorder};
use relay_core::outcome::{AttemptRecord, DeadReason};
use relay_core::ports::{Claim, Lease, PortError, Settled, Settlement};
use relay_core::retry::Jitter;
use relay_core::settings::Tracking;
use relay_core::time::Timestamp;
use relay_core::trace::SpanId;

use crate::gate::{Gate, Pass};
use crate::given::{Item, Ports, Rules};
use crate::invocation::Invocation;
use crate::joined::Place;
use crate::log::{log_attempt, name_message, name_message_in};
use crate::signer::{Secrets, Signer};
use crate::slots::Slot;
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

/// What an item has of its invocation when its turn has come.
struct Room<'a> {
    /// To call its destination. Given back with the answer.
    slot: Slot,
    /// To write down what came of that, with others. Given back by an attempt that is claimed.
    place: Place<'a>,
    invocation: &'a Invocation,
}

/// An attempt that may be made.
struct Begun<'a> {
    lease: Lease,
    permit: Option<Permit>,
    room: Room<'a>,
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

    /// Does for one item whatever is due, and tells the queue. No attempt is begun that could still
    /// run at `invocation_ends`.
    pub async fn deliver(&self, item: &Item, invocation_ends: Timestamp) -> Told {
        self.deliver_alone(&self.invocation(1, invocation_ends), item).await.1
    }

    /// The same in an invocation with other items, in a span that is to learn whose item it is.
    pub(crate) async fn deliver_within(&self, invocation: &Invocation, item: &Item) -> Told {
        let place = invocation.joined.place();
        let next = match Envelope::within(&item.text) {
            Ok(envelope) => {
                name_message(&envelope);
                self.advance(invocation, &envelope, item, place).await
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
        invocation: &Invocation,
        envelope: &Envelope,
        item: &Item,
        place: Place<'_>,
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
        let left = self.last_begin(envelope, invocation.ends).since(self.ports.ambient.now());
        match tokio::time::timeout(left, invocation.slots.take(&destination)).await {
            Ok(slot) => {
                let room = Room { slot, place, invocation };
                self.take_up(envelope, &destination, item, secrets, room).await
            }
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
        room: Room<'_>,
    ) -> Result<Next, PortError> {
        let secrets = match self.secrets_by_now(envelope, secrets).await {
            Ok(secrets) => secrets,
            Err(next) => return Ok(next),
        };
        let permit = match self.gate.pass(destination, self.attempt_timeout(envelope)).await {
            Pass::Go(permit) => permit,
            Pass::Wait(until) => return Ok(self.defer(envelope, destination, until)),
        };
        if self.ports.ambient.now() >= self.last_begin(envelope, room.invocation.ends) {
            self.gate.give_back(destination, permit).await;
            return Ok(self.unstarted(item));
        }
        let claim = if self.goes_unclaimed(envelope, item) {
            Ok(self.begin_unclaimed(envelope, &room.place))
        } else {
            self.claim(envelope).await
        };
        let permit = match &claim {
            Ok(Claim::Ours(_)) => permit,
            Ok(_) | Err(_) => {
                self.gate.give_back(destination, permit).await;
                None
            }
        };
        match claim? {
            Claim::Ours(lease) => {
                let ends = lease.until.min(room.invocation.ends).minus(SETTLE_TIME);
                let begun = Begun { lease, permit, room, secrets, ends };
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
                // It may be the last to have the body of a generation whose letter somebody threw away.
                self.keep_body(envelope).await?;
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

    /// Whether the attempt is made without a claim: in lean tracking one that is the first for all that its item says.
    /// Nothing keeps others off it. What was received before is claimed, so that every attempt but one is counted, and
    /// one that kills its workers ends.
    fn goes_unclaimed(&self, envelope: &Envelope, item: &Item) -> bool {
        match self.rules.tracking {
            Tracking::Full => false,
            Tracking::Lean => {
                envelope.life.generation == Generation::default() && item.seems_first()
            }
        }
    }

    /// A hold that only this invocation knows. A second copy in the same batch finds it held for as long as the attempt may
    /// take; it claims when it comes again, so it need not wait for the end of a hold that is written nowhere.
    fn begin_unclaimed(&self, envelope: &Envelope, place: &Place<'_>) -> Claim {
        let now = self.ports.ambient.now();
        if !place.begin(&envelope.id) {
            return Claim::HeldByOther { until: now.plus(self.attempt_timeout(envelope)) };
        }
        let until = now.plus(self.rules.lease);
        let lease_id = LeaseId::from_random(self.ports.ambient.bits());
        Claim::Ours(Lease { lease_id, until, attempt: 1, outcomes: Vec::new(), claimed: false })
    }

    /// One attempt under a lease: send, decide, settle, tell.
    async fn attempt(
        &self,
        envelope: &Envelope,
        destination: &str,
        item: &Item,
        begun: Begun<'_>,
    ) -> Told {
        let Begun { lease, permit, room, secrets, ends } = begun;
        let Room { slot, place, .. } = room;
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
        let report = async {
            self.gate.report(destination, permit, outcome.result).await;
            drop(slot);
        };
        let told = async {
            let settled = self.settle(&settlement, place).await;
            // A success that nobody can look up is not plain.
            if is_withheld && !matches!(settled, Ok(Settled::Done(_))) {
                write_line();
            }
            let next = match settled {
                Ok(Settled::Lost) if !settlement.lease.claimed => Ok(self.overtaken()),
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
