//! Sets one message going again. Safe to be interrupted and to be repeated: the record says first what is
//! to happen, the queue hears of it second, and whoever finds the first without the second finishes it.

use std::sync::Arc;
use std::time::Duration;

use relay_core::envelope::Envelope;
use relay_core::identity::{Generation, RelayId};
use relay_core::lifecycle::{Again, Life, State, Status};
use relay_core::message::Message;
use relay_core::ports::{Ambient, Begun, Found, PortError, Queue, Store};

/// Sets messages going again.
#[derive(Clone)]
pub struct SetGoing {
    /// Records.
    pub store: Arc<dyn Store>,
    /// The queue.
    pub queue: Arc<dyn Queue>,
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
        match self.store.begin_again(&message.id, life, again, self.ambient.now()).await? {
            Begun::Pending(life) => self.send(message, &life).await,
            Begun::Refused => Ok(Gone::Refused(status)),
        }
    }

    /// Puts a message into the queue in the life it is in, and notes it. The body travels as the record
    /// has it: inside, or as the place where it is stored.
    ///
    /// # Errors
    /// When a port does not answer.
    pub async fn send(&self, message: &Message, life: &Life) -> Result<Gone, Stopped> {
        let envelope = Envelope::of(message, life.clone(), message.body.clone());
        self.queue.send(&envelope, Duration::ZERO).await?;
        self.store.mark_queued(&message.id, life, self.ambient.now()).await?;
        Ok(Gone::Again(life.generation))
    }
}
