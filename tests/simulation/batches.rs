//! Calls for several messages at once, in their weather: all of it fails, arrives late or twice, or each part has its own
//! fate and is done after the other, so that whoever dies in the middle leaves half of it done.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::envelope::Envelope;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{
    Begun, Claim, DeadLetter, Found, PortError, Queue, Receipt, Recorded, Settled, Settlement,
    Store,
};
use relay_core::time::Timestamp;
use relay_testkit::faults::{Fate, Faulty, Trouble, Troubles};
use relay_testkit::{MemoryQueue, MemoryStore};

use crate::ports::Watched;
use crate::weather::Weather;

/// How often the parts of a batch have fates of their own, in a thousand.
const APART: u64 = 500;

/// A port whose calls for several messages have troubles of their own.
pub(crate) struct Batches<P> {
    apart: Faulty<Watched<P>>,
    whole: Watched<P>,
    weather: Arc<Weather>,
}

type Answers<T> = Vec<Result<T, PortError>>;

impl<P> Batches<P>
where
    Watched<P>: Clone,
{
    pub(crate) fn new(port: Watched<P>, weather: Arc<Weather>) -> Self {
        let troubles: Arc<dyn Troubles> = weather.clone();
        Self { apart: Faulty::new(port.clone(), troubles), whole: port, weather }
    }

    /// Makes a call for so many messages with whatever happens to all of it.
    async fn around<T, A, F>(&self, call: &'static str, count: usize, act: A) -> Answers<T>
    where
        T: Send + 'static,
        A: FnOnce() -> F + Clone + Send + 'static,
        F: Future<Output = Answers<T>> + Send + 'static,
    {
        let Trouble { before, fate, after } = self.weather.next(call);
        tokio::time::sleep(before).await;
        let lost = || (0..count).map(|_| Err(failed(call))).collect();
        let answers = match fate {
            Fate::Done => act().await,
            Fate::Lost => lost(),
            Fate::Unanswered => {
                drop(act().await);
                lost()
            }
            Fate::Late(wait) => {
                later(wait, act);
                lost()
            }
            Fate::Twice => {
                let again = act.clone();
                drop(act().await);
                again().await
            }
            Fate::Echoed(wait) => {
                let again = act.clone();
                let answers = act().await;
                later(wait, again);
                answers
            }
        };
        tokio::time::sleep(after).await;
        answers
    }
}

fn failed(action: &'static str) -> PortError {
    PortError::Unavailable { action, reason: "broken on purpose".to_owned() }
}

fn later<A, F>(wait: Duration, act: A)
where
    A: FnOnce() -> F + Send + 'static,
    F: Future + Send + 'static,
{
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        act().await;
    });
}

#[async_trait]
impl Store for Batches<MemoryStore> {
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        self.apart.record(message, now).await
    }

    async fn record_all(&self, messages: &[Message], now: Timestamp) -> Answers<Recorded> {
        if self.weather.splits("record_all", APART) {
            let mut answers = Vec::new();
            for message in messages {
                answers.push(self.apart.record(message, now).await);
            }
            return answers;
        }
        let (port, messages) = (self.whole.clone(), messages.to_vec());
        let count = messages.len();
        let act = move || async move { port.record_all(&messages, now).await };
        self.around("record_all", count, act).await
    }

    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        self.apart.find(id, now).await
    }

    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.apart.mark_queued(id, life, now).await
    }

    async fn mark_queued_all(&self, queued: &[(RelayId, Life)], now: Timestamp) -> Answers<()> {
        if self.weather.splits("mark_queued_all", APART) {
            let mut answers = Vec::new();
            for (id, life) in queued {
                answers.push(self.apart.mark_queued(id, life, now).await);
            }
            return answers;
        }
        let (port, queued) = (self.whole.clone(), queued.to_vec());
        let count = queued.len();
        let act = move || async move { port.mark_queued_all(&queued, now).await };
        self.around("mark_queued_all", count, act).await
    }

    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError> {
        self.apart.claim(id, claim).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        self.apart.settle(settlement).await
    }

    async fn settle_all(&self, settlements: &[Settlement]) -> Answers<Settled> {
        if self.weather.splits("settle_all", APART) {
            let mut answers = Vec::new();
            for settlement in settlements {
                answers.push(self.apart.settle(settlement).await);
            }
            return answers;
        }
        let (port, settlements) = (self.whole.clone(), settlements.to_vec());
        let count = settlements.len();
        let act = move || async move { port.settle_all(&settlements).await };
        self.around("settle_all", count, act).await
    }

    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.apart.give_up(id, life, reason, now).await
    }

    async fn cancel(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.apart.cancel(id, life, now).await
    }

    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.apart.mark_buried(id, life, now).await
    }

    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        self.apart.begin_again(id, life, again, now).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.apart.ready().await
    }
}

#[async_trait]
impl Queue for Batches<MemoryQueue> {
    async fn send(&self, envelope: &Envelope, delay: Duration) -> Result<(), PortError> {
        self.apart.send(envelope, delay).await
    }

    async fn send_all(&self, envelopes: &[Envelope]) -> Answers<()> {
        if self.weather.splits("send_all", APART) {
            let mut answers = Vec::new();
            for envelope in envelopes {
                answers.push(self.apart.send(envelope, Duration::ZERO).await);
            }
            return answers;
        }
        let (port, envelopes) = (self.whole.clone(), envelopes.to_vec());
        let count = envelopes.len();
        self.around("send_all", count, move || async move { port.send_all(&envelopes).await }).await
    }

    async fn postpone(&self, receipt: &Receipt, wait: Duration) -> Result<(), PortError> {
        self.apart.postpone(receipt, wait).await
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<(), PortError> {
        self.apart.bury(letter).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.apart.ready().await
    }
}
