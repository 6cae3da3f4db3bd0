//! The life of one queue item: claim the message, send it, decide, settle, tell the queue.
//!
//! State first, queue second: an item is acknowledged only when the record says that nothing more is
//! to come of it. Everything else hands the item back, so that any number of copies of a message may
//! be about, and the last one standing meets a final record.

use std::sync::Arc;
use std::time::Duration;

use relay_core::attempt::SETTLE_TIME;
use relay_core::decide::decide;
use relay_core::envelope::{Envelope, EnvelopeError};
use relay_core::identity::{Generation, LeaseId};
use relay_core::lifecycle::{ClaimRequest, Phase, State};
use relay_core::outcome::{AttemptRecord, DeadReason, ErrorKind};
use relay_core::ports::{
    Ambient, Claim, Lease, Payloads, PortError, Queue, Receipt, Sender, Settled, Settlement, Store,
};
use relay_core::retry::{Jitter, RetryPolicy};
use relay_core::settings::Secrets;
use relay_core::time::Timestamp;

/// An item that newer code wrote comes back after this long: by then a newer worker may be there.
const NEWER_VERSION_WAIT: Duration = Duration::from_secs(60);
/// An item that met trouble of our own comes back after this long, with jitter on top.
const OWN_TROUBLE_WAIT: Duration = Duration::from_secs(10);
/// Items handed back unstarted come back within this long, at random, so that they do not come
/// back together.
const UNSTARTED_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long after another worker's hold, or after the due time, a copy comes back: hosts' clocks
/// differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(1);
/// An item whose record cannot be read comes back after this long: a fault like that passes with a
/// deployment, not by itself.
const UNREADABLE_WAIT: Duration = Duration::from_secs(300);
/// An item that again and again finds no room in an invocation waits this many times longer at most.
const UNSTARTED_WAITS_MAX: u32 = 60;
/// A message is given up this long before its record expires, whatever its deadline: what has expired
/// can no longer be noted, shown or redriven. No copy is hidden for longer.
const EXPIRY_MARGIN: Duration = Duration::from_secs(1800);
/// How often the result of an attempt is written before the attempt is left without one. Each try is
/// retried by the store itself.
const SETTLE_TRIES: usize = 3;
/// Receipts of one item after which a fresh copy goes on in its place: half of what the queue's own
/// redrive policy allows, which counts receipts and knows nothing of attempts.
const RECEIPTS_MAX: u32 = 500;
/// Longest delay of a fresh copy (SQS `DelaySeconds`).
const FRESH_COPY_DELAY_MAX: Duration = Duration::from_secs(900);

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
    /// The generation that died, if this is a copy of a dead letter that an operator moved back.
    pub dead_letter: Option<Generation>,
}

/// What the queue is told about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is done with and may be deleted.
    Acknowledged,
    /// It is to come back.
    HandedBack,
}

/// What is to become of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing more is to come of it.
    Acknowledge,
    /// It comes back after this long.
    After(Duration),
    /// It comes back at this time.
    At(Timestamp),
    /// Its record cannot be read. It comes back as it is, never as a fresh copy: the queue's own
    /// redrive policy is its last net.
    Unreadable,
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
    /// How long a generation may wait for its delivery.
    pub deadline: Duration,
    /// What deliveries are signed with.
    pub secrets: Secrets,
}

/// Delivers messages.
#[derive(Clone)]
pub struct Worker {
    pub(crate) ports: Ports,
    pub(crate) rules: Arc<Rules>,
}

impl Worker {
    /// A worker that delivers by these rules.
    pub fn new(ports: Ports, rules: Rules) -> Self {
        Self { ports, rules: Arc::new(rules) }
    }

    /// Does for one item whatever is due, and tells the queue. No attempt is begun that could still
    /// run at `invocation_ends`.
    pub async fn deliver(&self, item: &Item, invocation_ends: Timestamp) -> Told {
        let next = match Envelope::from_json(&item.text) {
            Ok(envelope) => self.advance(&envelope, item, invocation_ends).await,
            Err(EnvelopeError::UnknownVersion(version)) => {
                tracing::warn!(item_id = item.item_id, version, "item of a newer version");
                Ok(Next::After(NEWER_VERSION_WAIT))
            }
            Err(EnvelopeError::Malformed(reason)) => self.bury_malformed(item, &reason).await,
        };
        let next = next.unwrap_or_else(|error| {
            tracing::error!(item_id = item.item_id, %error, "item handed back");
            match error {
                PortError::Unavailable { .. } => self.after_trouble(),
                PortError::Corrupt { .. } => Next::Unreadable,
            }
        });
        self.tell(item, next).await
    }

    /// Moves a message on by what this copy of it is good for.
    async fn advance(
        &self,
        envelope: &Envelope,
        item: &Item,
        invocation_ends: Timestamp,
    ) -> Result<Next, PortError> {
        let now = self.ports.ambient.now();
        if now >= envelope.life.expires_at {
            tracing::warn!(id = %envelope.id, "item of an expired message dropped");
            return Ok(Next::Acknowledge);
        }
        if let Some(generation) = item.dead_letter {
            return self.redrive(envelope, generation).await;
        }
        if now >= self.deadline(envelope)
            && let Settled::Done(state) = self.give_up(envelope, DeadReason::DeadlinePassed).await?
        {
            return self.follow(envelope, item, &state).await;
        }
        if now.plus(self.attempt_timeout(envelope) + SETTLE_TIME) >= invocation_ends {
            tracing::warn!(id = %envelope.id, receipts = item.receipts, "no time left to begin");
            let waits = item.receipts.clamp(1, UNSTARTED_WAITS_MAX);
            return Ok(Next::After(self.jitter_of(UNSTARTED_WAIT_MAX * waits)));
        }
        match self.claim(envelope, now).await? {
            Claim::Ours(lease) => {
                let ends = lease.until.min(invocation_ends).minus(SETTLE_TIME);
                let settled = self.attempt(envelope, lease, ends).await?;
                self.after_settling(envelope, item, settled).await
            }
            Claim::Exhausted => {
                let settled = self.give_up(envelope, DeadReason::AttemptsExhausted).await?;
                self.after_settling(envelope, item, settled).await
            }
            Claim::AlreadyFinal(state) => self.follow(envelope, item, &state).await,
            Claim::HeldByOther { until } | Claim::NotYet { until } => Ok(self.soon_after(until)),
            Claim::Superseded(_) => {
                tracing::info!(id = %envelope.id, "item of an earlier generation dropped");
                Ok(Next::Acknowledge)
            }
            Claim::Ahead => Ok(self.after_trouble()),
        }
    }

    async fn claim(&self, envelope: &Envelope, now: Timestamp) -> Result<Claim, PortError> {
        let claim = ClaimRequest {
            life: envelope.life.clone(),
            lease_id: LeaseId::from_random(self.ports.ambient.bits()),
            lease_until: now.plus(self.rules.lease),
            attempts_max: self.rules.retry.attempts_max,
            now,
        };
        self.ports.store.claim(&envelope.id, &claim).await
    }

    /// One attempt under a lease, over at `ends`: send, decide, settle.
    async fn attempt(
        &self,
        envelope: &Envelope,
        lease: Lease,
        ends: Timestamp,
    ) -> Result<Settled, PortError> {
        let outcome = self.send(envelope, lease.attempt, ends).await;
        let now = self.ports.ambient.now();
        let deadline = self.deadline(envelope);
        let jitter = Jitter::new(self.ports.ambient.unit());
        let decision = decide(&outcome, lease.attempt, &self.rules.retry, deadline, now, jitter);
        let attempt = AttemptRecord::of(lease.attempt, &outcome);
        tracing::info!(
            id = %envelope.id,
            sender_id = %envelope.sender_id,
            message_id = %envelope.message_id,
            correlation_id = %envelope.correlation_id,
            destination = envelope.target.destination(),
            generation = envelope.life.generation.0,
            attempt = attempt.attempt,
            status = attempt.status,
            error = attempt.error.map(ErrorKind::as_str),
            duration_ms = attempt.millis,
            decision = decision.as_str(),
            "attempt"
        );
        let settlement = Settlement {
            id: envelope.id.clone(),
            life: envelope.life.clone(),
            lease,
            attempt,
            decision,
            now,
        };
        self.settle(&settlement).await
    }

    /// Writes a result. It is worth more than one try: without it the target is called again.
    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        let mut settled = self.ports.store.settle(settlement).await;
        for _ in 1..SETTLE_TRIES {
            if settled.is_ok() {
                break;
            }
            settled = self.ports.store.settle(settlement).await;
        }
        settled
    }

    async fn give_up(&self, envelope: &Envelope, reason: DeadReason) -> Result<Settled, PortError> {
        let now = self.ports.ambient.now();
        self.ports.store.give_up(&envelope.id, &envelope.life, reason, now).await
    }

    /// What follows from a write, which a lost lease keeps from being the last word.
    async fn after_settling(
        &self,
        envelope: &Envelope,
        item: &Item,
        settled: Settled,
    ) -> Result<Next, PortError> {
        match settled {
            Settled::Done(state) => self.follow(envelope, item, &state).await,
            Settled::Lost => Ok(self.soon_after(self.ports.ambient.now().plus(self.rules.lease))),
        }
    }

    /// What follows from a state, for a copy of its message in the main queue.
    async fn follow(
        &self,
        envelope: &Envelope,
        item: &Item,
        state: &State,
    ) -> Result<Next, PortError> {
        match &state.phase {
            Phase::Delivered | Phase::Cancelled | Phase::Dead { buried: true, .. } => {
                Ok(Next::Acknowledge)
            }
            Phase::Dead { reason, buried: false } => {
                self.bury(envelope, item, *reason, state).await
            }
            Phase::Retrying { not_before } => Ok(Next::At(*not_before)),
            Phase::Processing { lease_until, .. } => Ok(self.soon_after(*lease_until)),
            Phase::Pending | Phase::Queued => Ok(self.after_trouble()),
        }
    }

    /// Tells the queue. Failing to do so is no error: the item comes back after the queue's own
    /// timeout, and the record's `not_before` puts right what comes early (F17).
    async fn tell(&self, item: &Item, next: Next) -> Told {
        let wait = match next {
            Next::Acknowledge => return Told::Acknowledged,
            Next::After(wait) => wait,
            Next::At(until) => until.since(self.ports.ambient.now()),
            Next::Unreadable => UNREADABLE_WAIT,
        };
        // A fresh copy carries no attributes: a redriven dead letter would turn into a plain one.
        let may_go_on = next != Next::Unreadable && item.dead_letter.is_none();
        if item.receipts > RECEIPTS_MAX && may_go_on && self.send_fresh_copy(item, wait).await {
            return Told::Acknowledged;
        }
        if let Err(error) = self.ports.queue.postpone(&item.receipt, wait).await {
            tracing::warn!(item_id = item.item_id, %error, "visibility was not changed");
        }
        Told::HandedBack
    }

    /// Sends a copy with a receive count of zero. Only a confirmed send lets the old one go.
    async fn send_fresh_copy(&self, item: &Item, wait: Duration) -> bool {
        let Ok(envelope) = Envelope::from_json(&item.text) else { return false };
        let sent = self.ports.queue.send(&envelope, wait.min(FRESH_COPY_DELAY_MAX)).await;
        sent.inspect_err(|error| tracing::warn!(item_id = item.item_id, %error, "no fresh copy"))
            .is_ok()
    }

    pub(crate) fn deadline(&self, envelope: &Envelope) -> Timestamp {
        let last = envelope.life.expires_at.minus(EXPIRY_MARGIN);
        envelope.life.generation_started_at.plus(self.rules.deadline).min(last)
    }

    /// An item whose delivery panicked is held until its lease has ended.
    pub(crate) async fn hand_back_after_panic(&self, item: &Item) -> Told {
        let held_until = self.ports.ambient.now().plus(self.rules.lease);
        self.tell(item, self.soon_after(held_until)).await
    }

    fn after_trouble(&self) -> Next {
        Next::After(OWN_TROUBLE_WAIT + self.jitter_of(OWN_TROUBLE_WAIT))
    }

    fn soon_after(&self, until: Timestamp) -> Next {
        Next::At(until.plus(CLOCK_MARGIN + self.jitter_of(CLOCK_MARGIN)))
    }

    fn jitter_of(&self, whole: Duration) -> Duration {
        Jitter::new(self.ports.ambient.unit()).part_of(whole)
    }
}
