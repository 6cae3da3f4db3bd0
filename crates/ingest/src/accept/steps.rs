//! The steps of accepting one message, each by itself: whoever accepts one takes them in a row, whoever accepts many
//! takes each for all of them.

use bytes::Bytes;
use relay_core::body::{Body, Pointer};
use relay_core::identity::Generation;
use relay_core::lifecycle::{Life, Status};
use relay_core::message::Message;
use relay_core::ports::{Found, PortError};
use relay_core::settings::Tracking;

use super::{Accept, AcceptError, Accepted, Draft};
use crate::plan::{self, Storing};
use crate::submission::Content;

/// What is left to do for a message that was submitted before.
pub(super) enum Next {
    /// Nothing: this is how it stands.
    Stands(Accepted),
    /// An earlier request recorded it and is not known to have sent it.
    Send(Box<Draft>),
}

impl Draft {
    /// What is to be written to the payload store, and when. An upload lies there already.
    pub(super) fn storing(&self) -> (Storing, Option<(&Pointer, Bytes)>) {
        let Content::Given { bytes, .. } = &self.content else { return (Storing::Never, None) };
        let is_promised = matches!(self.message.body, Body::Stored(_));
        let storing = plan::storing(!is_promised, self.is_in_queue());
        (storing, self.pointer().map(|pointer| (pointer, bytes.clone())))
    }

    /// The answer once the queue has it.
    pub(super) fn queued(&self) -> Accepted {
        let (id, offloaded) = (self.message.id.clone(), !self.is_in_queue());
        Accepted { id, status: Status::Queued, duplicate: false, offloaded }
    }
}

impl Accept {
    /// Makes an upload the body of its message; false if it is not there. This comes before the record:
    /// a record without its body would block the id. The hash in the key keeps a message that is refused
    /// afterwards from touching an accepted body.
    pub(super) async fn adopt(&self, draft: &Draft) -> Result<bool, PortError> {
        match &draft.content {
            Content::Given { .. } => Ok(true),
            Content::Uploaded(upload) => {
                let place = self.place(&draft.message.id, &draft.content);
                self.ports.payloads.adopt(upload, &place).await
            }
        }
    }

    /// What is to be done for a message whose id was submitted before: with other content it is refused, unfinished it is
    /// to be sent, else the answer tells how it stands today. `or` if its record is not there.
    pub(super) async fn look_up(
        &self,
        draft: &Draft,
        or: AcceptError,
    ) -> Result<Next, AcceptError> {
        let found = self.ports.store.find(&draft.message.id, draft.now).await?;
        // Accepted earlier, when the upload was still there: its body was adopted then.
        let Found { message, state } = found.ok_or(or)?;
        let fields = message.fingerprint.differences(&draft.message.fingerprint);
        if !fields.is_empty() {
            let recorded = Box::new(message.fingerprint);
            return Err(AcceptError::IdReused { fields, recorded });
        }
        match state.phase.status() {
            Status::Pending => Ok(Next::Send(Box::new(self.finishing(message, state.life, draft)))),
            status @ (Status::Queued
            | Status::Processing
            | Status::Retrying
            | Status::Delivered
            | Status::Dead
            | Status::Cancelled) => {
                self.keep_body(&message, &draft.content).await?;
                let (id, duplicate, offloaded) = (message.id, true, false);
                Ok(Next::Stands(Accepted { id, status, duplicate, offloaded }))
            }
        }
    }

    /// Stores the body of a repeated request again, where the record says that it is stored. An earlier
    /// request may have sent the message to the queue and failed to store its body: the delivery carries it
    /// all the same, but whoever reads, redrives or resends the message would find none (F05). Writing what is
    /// there is harmless.
    async fn keep_body(&self, message: &Message, content: &Content) -> Result<(), PortError> {
        match (&message.body, content) {
            (Body::Stored(pointer), Content::Given { bytes, .. }) => {
                self.ports.payloads.put(pointer, bytes.clone()).await
            }
            (Body::Stored(_), Content::Uploaded(_))
            | (Body::Inline(_) | Body::Unretained(_), _) => Ok(()),
        }
    }

    /// Brings a recorded message into the queue, its body being where worker and record will look for it.
    pub(super) async fn forward(&self, draft: &Draft) -> Result<Accepted, AcceptError> {
        let send = self.ports.queue.send(&draft.envelope, std::time::Duration::ZERO);
        match draft.storing() {
            (Storing::Never, _) | (_, None) => send.await?,
            (Storing::BesideSend, Some((pointer, bytes))) => {
                let put = self.ports.payloads.put(pointer, bytes);
                futures::try_join!(put, send).map(|_| ())?;
            }
            (Storing::BeforeSend, Some((pointer, bytes))) => {
                self.ports.payloads.put(pointer, bytes).await?;
                send.await?;
            }
        }
        self.mark(draft).await;
        Ok(draft.queued())
    }

    /// Notes that the queue has a message. Whatever the record says, the worker will find it.
    async fn mark(&self, draft: &Draft) {
        let (id, life) = (&draft.envelope.id, &draft.envelope.life);
        if self.marks(life)
            && let Err(error) = self.ports.store.mark_queued(id, life, draft.now).await
        {
            not_marked(&error);
        }
    }

    /// Whether it is noted that the queue has a message in this life. Of one that was set going again it always is: the
    /// index of dead letters would list it as unfinished.
    pub(super) fn marks(&self, life: &Life) -> bool {
        match self.tracking {
            Tracking::Full => true,
            Tracking::Lean => life.generation > Generation::default(),
        }
    }
}

/// The message will be delivered all the same.
pub(super) fn not_marked(error: &PortError) {
    tracing::warn!(%error, "a queued message is still noted as PENDING");
}
