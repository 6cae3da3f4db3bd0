//! Sets one message going again. Safe to be interrupted and to be repeated: the record says first what is
//! to happen, the queue hears of it second, and whoever finds the first without the second finishes it.

use std::sync::Arc;
use std::time::Duration;

use relay_core::body::{Body, Pointer};
use relay_core::envelope::Envelope;
use relay_core::identity::{Generation, RelayId};
use relay_core::lifecycle::{Again, Life, Phase, State, Status};
use relay_core::message::Message;
use relay_core::ports::{Ambient, Begun, Found, OpenError, Payloads, PortError, Queue, Store};

/// How long a copy is delayed of a message that nobody has set going again: long enough to be marked as delayed. Without
/// the mark a worker that writes little would take it for the first copy, and attempt it without a claim beside whoever
/// has that one.
const COPY_DELAY: Duration = Duration::from_secs(1);

/// Sets messages going again.
#[derive(Clone)]
pub struct SetGoing {
    /// Records.
    pub store: Arc<dyn Store>,
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Stored bodies: whether one is there that the record does not promise.
    pub payloads: Arc<dyn Payloads>,
    /// Time.
    pub ambient: Arc<dyn Ambient>,
}

/// What became of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The message is in the queue, in this generation.
    Again(Generation),
    /// Its state is one that this does not follow from.
    Refused(Status),
    /// Its body was in the queue alone and is gone, so there is nothing to send.
    NoBody,
    /// There is no such message.
    Unknown,
}

/// Why a message could not be set going. It may be going all the same; repeating it is harmless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message could not be set going: {0}")]
pub struct Stopped(#[from] pub PortError);

/// Whether a message in this state can be set going: what it begins next, or what an earlier try began and
/// did not finish.
pub fn can_go(state: &State, again: Again) -> bool {
    is_half_done(state) || state.phase.status().after(again.event()).is_some()
}

/// Whether somebody began to set it going and is not known to have sent it.
fn is_half_done(state: &State) -> bool {
    state.phase.status() == Status::Pending && state.life.generation > Generation::default()
}

impl SetGoing {
    /// Sets the message going again in its next generation. One that is PENDING because an earlier try
    /// stopped half-way is sent to the queue in the generation it is in (F22).
    ///
    /// # Errors
    /// When a port does not answer.
    pub async fn again(&self, id: &RelayId, again: Again) -> Result<Gone, Stopped> {
        match self.store.find(id, self.ambient.now()).await? {
            Some(found) => self.again_from(&found, again).await,
            None => Ok(Gone::Unknown),
        }
    }

    /// Does the same for a message that was just read: if it moved on since, nothing happens.
    ///
    /// # Errors
    /// When a port does not answer.
    pub async fn again_from(&self, found: &Found, again: Again) -> Result<Gone, Stopped> {
        let Found { message, state } = found;
        let (life, status) = (&state.life, state.phase.status());
        if is_half_done(state) {
            return self.send(message, life).await;
        }
        // What begins must be able to go on, so the body is looked for before anything is written.
        if state.phase.status().after(again.event()).is_some() && !self.has_body(message).await? {
            return match state.phase {
                Phase::Dead { buried: false, .. } => Err(Stopped(not_buried())),
                Phase::Pending
                | Phase::Queued
                | Phase::Processing { .. }
                | Phase::Retrying { .. }
                | Phase::Delivered
                | Phase::Dead { buried: true, .. }
                | Phase::Cancelled => Ok(Gone::NoBody),
            };
        }
        match self.store.begin_again(&message.id, life, again, self.ambient.now()).await? {
            Begun::Pending(life) => self.put_into_queue(message, &life).await,
            Begun::Refused => Ok(Gone::Refused(status)),
        }
    }

    /// Puts a message into the queue in the life it is in, and notes it; unless there is no body to send.
    ///
    /// # Errors
    /// When a port does not answer.
    pub async fn send(&self, message: &Message, life: &Life) -> Result<Gone, Stopped> {
        if !self.has_body(message).await? {
            return Ok(Gone::NoBody);
        }
        self.put_into_queue(message, life).await
    }

    /// Whether the body can be had: one that was in the queue alone is stored when its message dies, and not before.
    async fn has_body(&self, message: &Message) -> Result<bool, PortError> {
        match &message.body {
            Body::Inline(_) | Body::Stored(_) => Ok(true),
            Body::Unretained(pointer) => self.is_stored(pointer).await,
        }
    }

    async fn is_stored(&self, pointer: &Pointer) -> Result<bool, PortError> {
        match self.payloads.open(pointer).await {
            Ok(_stream) => Ok(true),
            Err(OpenError::Missing) => Ok(false),
            Err(OpenError::Port(error)) => Err(error),
        }
    }

    /// The body travels as it is kept: inside, or as the place where it is stored.
    async fn put_into_queue(&self, message: &Message, life: &Life) -> Result<Gone, Stopped> {
        let body = match &message.body {
            Body::Unretained(pointer) => Body::Stored(pointer.clone()),
            body @ (Body::Inline(_) | Body::Stored(_)) => body.clone(),
        };
        let envelope = Envelope::of(message, life.clone(), body);
        let delay = match life.generation {
            Generation(0) => COPY_DELAY,
            Generation(_) => Duration::ZERO,
        };
        self.queue.send(&envelope, delay).await?;
        self.store.mark_queued(&message.id, life, self.ambient.now()).await?;
        Ok(Gone::Again(life.generation))
    }
}

/// Why a dead letter cannot go yet: whoever gave it up has still to store its body.
fn not_buried() -> PortError {
    let reason = "the burial of the message is under way".to_owned();
    PortError::Unavailable { action: "looking for the body", reason }
}
