//! Accepting many messages of one request: the steps of a single one, each taken for all of them before the next begins.
//! What one comes to says nothing about the others, and none waits for another one's body: messages go through the steps
//! together with those alone whose bodies are kept in the same way.
//!
//! Stores and queues are never asked about one id twice in a call: of messages with one id the first goes ahead, and the
//! others are answered by what it came to.

use std::collections::{HashMap, HashSet};

use relay_core::fingerprint::Fingerprint;
use relay_core::identity::RelayId;
use relay_core::lifecycle::Life;
use relay_core::message::Message;
use relay_core::ports::{PortError, Recorded};
use relay_core::time::Timestamp;
use tracing::{Instrument, Span, error_span};

use super::steps::{Next, not_marked};
use super::until::{Until, at_once};
use super::{Accept, AcceptError, Accepted, Draft};
use crate::plan::Storing;
use crate::submission::Content;

/// Rounds that are made for messages of one id. The first says what is recorded, by which all others are judged, and the
/// second goes on with what is the same; one more is for a record that expires in between. Only of uploads that are all
/// missing could there be more.
const ROUNDS_MAX: usize = 3;

const STORING: &str = "storing a body";

type Outcome = Result<Accepted, AcceptError>;

/// What messages came to, each with its place in the request.
type Settled = Vec<(usize, Outcome)>;

/// The messages of one request, each with what it came to, once that is known.
struct Outcomes(Vec<Option<Outcome>>);

impl Outcomes {
    fn set(&mut self, at: usize, outcome: Outcome) {
        if let Some(place) = self.0.get_mut(at) {
            *place = Some(outcome);
        }
    }

    /// All of them. A message of an id that there were too many of was not accepted.
    fn all(self) -> Vec<Outcome> {
        let forgotten = || {
            let reason = "the request has too many messages of its id".to_owned();
            Err(PortError::Unavailable { action: "accepting", reason }.into())
        };
        self.0.into_iter().map(|outcome| outcome.unwrap_or_else(forgotten)).collect()
    }
}

/// A message and its place in the request.
type Placed = (usize, Draft);

impl Accept {
    /// Accepts each of these messages, submitted together at `now`: what each came to, in their order.
    pub async fn accept_all(&self, drafts: Vec<Draft>, now: Timestamp) -> Vec<Outcome> {
        let until = Until::from_now();
        let mut outcomes = Outcomes(vec![None; drafts.len()]);
        let mut waiting: Vec<Placed> = drafts.into_iter().enumerate().collect();
        for _ in 0..ROUNDS_MAX {
            if waiting.is_empty() {
                break;
            }
            let (firsts, others) = first_of_each_id(waiting);
            let known: HashMap<RelayId, (usize, Fingerprint)> = match others.is_empty() {
                true => HashMap::new(),
                false => firsts
                    .iter()
                    .map(|(at, Draft { message, .. })| {
                        (message.id.clone(), (*at, message.fingerprint.clone()))
                    })
                    .collect(),
            };
            for (at, outcome) in self.round(firsts, now, until).await {
                outcomes.set(at, outcome);
            }
            waiting = Vec::new();
            for (at, draft) in others {
                let first = known.get(&draft.message.id);
                let first =
                    first.and_then(|(at, print)| Some((outcomes.0.get(*at)?.as_ref()?, print)));
                match first.and_then(|(outcome, print)| after(outcome, print, &draft.message)) {
                    Some(outcome) => outcomes.set(at, outcome),
                    None => waiting.push((at, draft)),
                }
            }
        }
        outcomes.all()
    }

    /// Takes messages of different ids through all steps: side by side those whose bodies are kept in different ways.
    async fn round(&self, drafts: Vec<Placed>, now: Timestamp, until: Until) -> Settled {
        let (mut uploaded, mut before, mut beside, mut others) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::with_capacity(drafts.len()));
        for (at, draft) in drafts {
            let together = match (&draft.content, draft.storing()) {
                (Content::Uploaded(_), _) => &mut uploaded,
                (Content::Given { .. }, (Storing::BeforeSend, _)) => &mut before,
                (Content::Given { .. }, (Storing::BesideSend, _)) => &mut beside,
                (Content::Given { .. }, (Storing::Never, _)) => &mut others,
            };
            together.push((at, draft));
        }
        let all = [uploaded, before, beside, others];
        let all = all.map(|together| self.steps(together, now, until));
        futures::future::join_all(all).await.into_iter().flatten().collect()
    }

    /// Takes messages through all steps, each step for all of them before the next begins.
    async fn steps(&self, drafts: Vec<Placed>, now: Timestamp, until: Until) -> Settled {
        let mut settled = Vec::with_capacity(drafts.len());
        let outcomes = &mut settled;
        let (to_record, missing) = self.adopt_all(drafts, until, outcomes).await;
        let (mut to_send, known) = self.record_all(to_record, now, until, outcomes).await;
        let missing = missing.into_iter().map(|placed| (placed, AcceptError::UploadMissing));
        let known = known.into_iter().map(|placed| (placed, AcceptError::RecordGone));
        let repeated: Vec<_> = missing.chain(known).collect();
        self.look_up_all(repeated, until, &mut to_send, outcomes).await;
        let to_send = self.store_before(to_send, until, outcomes).await;
        self.send_all(to_send, now, until, outcomes).await;
        settled
    }

    /// Adopts uploads. The messages whose body can be had, and those whose upload is not there.
    async fn adopt_all(
        &self,
        drafts: Vec<Placed>,
        until: Until,
        outcomes: &mut Settled,
    ) -> (Vec<Placed>, Vec<Placed>) {
        if !drafts.iter().any(|(_, draft)| matches!(draft.content, Content::Uploaded(_))) {
            return (drafts, Vec::new());
        }
        let adopting: Vec<_> = drafts
            .iter()
            .map(|(_, draft)| until.get("adopting an upload", self.adopt(draft)))
            .zip(&drafts)
            .map(|(adopting, (_, draft))| adopting.instrument(about(draft)))
            .collect();
        let adopted = at_once(adopting).await;
        let (mut there, mut missing) = (Vec::with_capacity(drafts.len()), Vec::new());
        for ((at, draft), adopted) in drafts.into_iter().zip(adopted) {
            match adopted {
                Ok(true) => there.push((at, draft)),
                Ok(false) => missing.push((at, draft)),
                Err(error) => outcomes.push((at, Err(error.into()))),
            }
        }
        (there, missing)
    }

    /// Records messages. Those that are new, and those whose record was there before.
    async fn record_all(
        &self,
        drafts: Vec<Placed>,
        now: Timestamp,
        until: Until,
        outcomes: &mut Settled,
    ) -> (Vec<Placed>, Vec<Placed>) {
        if drafts.is_empty() {
            return (drafts, Vec::new());
        }
        let (messages, rests): (Vec<Message>, Vec<_>) = drafts
            .into_iter()
            .map(|(at, Draft { message, envelope, content, now })| {
                (message, (at, envelope, content, now))
            })
            .unzip();
        let recorded = self.ports.store.record_all(&messages, now);
        let recorded = until.get_each("recording", messages.len(), recorded).await;
        let (mut new, mut known) = (Vec::with_capacity(messages.len()), Vec::new());
        for ((message, (at, envelope, content, now)), recorded) in
            messages.into_iter().zip(rests).zip(recorded)
        {
            let draft = Draft { message, envelope, content, now };
            match recorded {
                Ok(Recorded::New) => new.push((at, draft)),
                Ok(Recorded::Existing(_)) => known.push((at, draft)),
                Err(error) => outcomes.push((at, Err(error.into()))),
            }
        }
        (new, known)
    }

    /// Looks up messages that were submitted before. Those that an earlier request did not finish are to be sent.
    async fn look_up_all(
        &self,
        repeated: Vec<(Placed, AcceptError)>,
        until: Until,
        to_send: &mut Vec<Placed>,
        outcomes: &mut Settled,
    ) {
        let looking: Vec<_> = repeated
            .iter()
            .map(|((_, draft), or)| {
                let looking = self.look_up(draft, or.clone());
                until.get("looking up a message", looking).instrument(about(draft))
            })
            .collect();
        let told = at_once(looking).await;
        for (((at, _), _), next) in repeated.iter().zip(told) {
            match next {
                Ok(Next::Stands(accepted)) => outcomes.push((*at, Ok(accepted))),
                Ok(Next::Send(draft)) => to_send.push((*at, *draft)),
                Err(error) => outcomes.push((*at, Err(error))),
            }
        }
    }

    /// Stores the bodies that the queue will have but a pointer to. The messages that may be sent.
    async fn store_before(
        &self,
        drafts: Vec<Placed>,
        until: Until,
        outcomes: &mut Settled,
    ) -> Vec<Placed> {
        if !drafts.iter().any(|(_, draft)| draft.storing().0 == Storing::BeforeSend) {
            return drafts;
        }
        let putting: Vec<_> = drafts
            .iter()
            .map(|(_, draft)| until.get(STORING, self.put(draft, Storing::BeforeSend)))
            .collect();
        let put = at_once(putting).await;
        let mut stored = Vec::with_capacity(drafts.len());
        for ((at, draft), put) in drafts.into_iter().zip(put) {
            match put {
                Ok(()) => stored.push((at, draft)),
                Err(error) => outcomes.push((at, Err(error.into()))),
            }
        }
        stored
    }

    /// Writes the body of a message if this is when it is due.
    async fn put(&self, draft: &Draft, when: Storing) -> Result<(), PortError> {
        match draft.storing() {
            (storing, Some((pointer, bytes))) if storing == when => {
                self.ports.payloads.put(pointer, bytes).instrument(about(draft)).await
            }
            (Storing::Never | Storing::BesideSend | Storing::BeforeSend, _) => Ok(()),
        }
    }

    /// Brings recorded messages into the queue, stores what is due beside that, and notes what is in the queue.
    async fn send_all(
        &self,
        drafts: Vec<Placed>,
        now: Timestamp,
        until: Until,
        outcomes: &mut Settled,
    ) {
        if drafts.is_empty() {
            return;
        }
        let mut putting = Vec::new();
        let mut placed = Vec::with_capacity(drafts.len());
        let mut envelopes = Vec::with_capacity(drafts.len());
        for (at, draft) in drafts {
            if let (Storing::BesideSend, Some((pointer, bytes))) = draft.storing() {
                putting.push((placed.len(), pointer.clone(), bytes, about(&draft)));
            }
            placed.push((at, draft.queued()));
            envelopes.push(draft.envelope);
        }
        let put = putting.into_iter().map(|(index, pointer, bytes, span)| {
            let put = async move {
                let put = self.ports.payloads.put(&pointer, bytes);
                (index, until.get(STORING, put).await)
            };
            put.instrument(span)
        });
        let put = at_once(put.collect());
        let send = self.ports.queue.send_all(&envelopes);
        let send = until.get_each("sending", placed.len(), send);
        let (mut sent, put) = futures::join!(send, put);
        for (index, put) in put {
            if let Some(sent) = sent.get_mut(index) {
                *sent = std::mem::replace(sent, Ok(())).and(put);
            }
        }
        let mut queued = Vec::with_capacity(placed.len());
        for ((envelope, (at, accepted)), sent) in envelopes.into_iter().zip(placed).zip(sent) {
            match sent {
                Ok(()) => {
                    queued.push((envelope.id, envelope.life));
                    outcomes.push((at, Ok(accepted)));
                }
                Err(error) => outcomes.push((at, Err(error.into()))),
            }
        }
        self.mark_all(queued, now, until.for_marking()).await;
    }

    /// Notes which messages the queue has. Whatever their records say, the worker will find them.
    async fn mark_all(&self, mut queued: Vec<(RelayId, Life)>, now: Timestamp, until: Until) {
        queued.retain(|(_, life)| self.marks(life));
        if queued.is_empty() {
            return;
        }
        let marking = self.ports.store.mark_queued_all(&queued, now);
        let marked = until.get_each("marking", queued.len(), marking).await;
        for ((id, _), marked) in queued.iter().zip(marked) {
            if let Err(error) = marked {
                error_span!("message", %id).in_scope(|| not_marked(&error));
            }
        }
    }
}

/// The first message of every id, and the others.
fn first_of_each_id(drafts: Vec<Placed>) -> (Vec<Placed>, Vec<Placed>) {
    let mut seen = HashSet::with_capacity(drafts.len());
    let is_first: Vec<bool> =
        drafts.iter().map(|(_, draft)| seen.insert(&draft.message.id)).collect();
    let mut is_first = is_first.into_iter();
    drafts.into_iter().partition(|_| is_first.next().unwrap_or(false))
}

/// What a message comes to after another one of its id in the same request came to `first`. Nothing if that says nothing
/// about this one: the first was refused, and this one is not the same.
fn after(first: &Outcome, print: &Fingerprint, message: &Message) -> Option<Outcome> {
    let fields = print.differences(&message.fingerprint);
    match first {
        Ok(accepted) if fields.is_empty() => {
            Some(Ok(Accepted { duplicate: true, offloaded: false, ..accepted.clone() }))
        }
        Err(error) if fields.is_empty() => Some(Err(error.clone())),
        // It may be recorded or not: what this one is to be compared with shows when it is submitted again.
        Err(error @ AcceptError::Port(_)) => Some(Err(error.clone())),
        Ok(_) => Some(Err(AcceptError::IdReused { fields, recorded: Box::new(print.clone()) })),
        Err(AcceptError::IdReused { recorded, .. }) => {
            let fields = recorded.differences(&message.fingerprint);
            let recorded = recorded.clone();
            let differs = !fields.is_empty();
            differs.then_some(Err(AcceptError::IdReused { fields, recorded }))
        }
        Err(AcceptError::UploadMissing | AcceptError::RecordGone) => None,
    }
}

/// The span of what is done for one message.
fn about(draft: &Draft) -> Span {
    let Message { id, message_id, sender_id, .. } = &draft.message;
    // An error, so that no level of the log hides whose lines they are.
    error_span!("message", %id, %message_id, %sender_id)
}
