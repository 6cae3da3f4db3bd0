//! Ports that fail: any port with trouble around its calls. A call may be slow, fail before it took effect or
//! after, take effect late, or twice. What happens to which call is for a [`Troubles`] to say.
//!
//! A call for several things at once has a fate as a whole, under its own name, and each part of it another, under the
//! name of the call for one: an answer may be lost for all, and some may fail while the others are done.
//!
//! Nothing here knows what a call means. Faults on the wire, below the SDK, are in [`wire`](crate::wire).

mod access;
mod batch;
mod breakers;
mod operations;
mod outage;
mod payloads;
mod queue;
mod store;

use std::sync::Arc;
use std::time::Duration;

use relay_core::ports::PortError;

pub use outage::Outage;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It fails and was not done.
    Lost,
    /// It is done and fails.
    Unanswered,
    /// It fails, and is done so much later: the request was on its way when the caller gave it up.
    Late(Duration),
    /// It is done twice, and the second answer counts: the client of the service repeated it.
    Twice,
    /// It is done and answered, and done again so much later: the client repeated it, and the first try
    /// arrives behind the second.
    Echoed(Duration),
}

/// What happens around a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// How long the way there takes.
    pub before: Duration,
    /// What becomes of it.
    pub fate: Fate,
    /// How long the way back takes.
    pub after: Duration,
}

/// Says what happens to each call.
pub trait Troubles: Send + Sync {
    /// What happens to the next call of this name.
    fn next(&self, call: &'static str) -> Trouble;
}

/// A port whose calls meet trouble. Dropping a call on its way there leaves it undone, dropping it on its way
/// back leaves it done.
#[derive(Clone)]
pub struct Faulty<P> {
    port: P,
    troubles: Arc<dyn Troubles>,
}

impl<P> Faulty<P> {
    /// `port` with `troubles`.
    pub const fn new(port: P, troubles: Arc<dyn Troubles>) -> Self {
        Self { port, troubles }
    }

    /// Makes a call with whatever happens around it. `act` is one way of making it, to be made any number of
    /// times.
    async fn around<T, E, A, F>(&self, call: &'static str, act: A) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<PortError> + Send + 'static,
        A: FnOnce() -> F + Clone + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let trouble = self.troubles.next(call);
        pause(trouble.before).await;
        let answer = match trouble.fate {
            Fate::Done => act().await,
            Fate::Lost => Err(lost(call)),
            Fate::Unanswered => act().await.and_then(|_| Err(lost(call))),
            Fate::Late(wait) => {
                act_later(wait, act);
                Err(lost(call))
            }
            Fate::Twice => {
                let again = act.clone();
                drop(act().await);
                again().await
            }
            Fate::Echoed(wait) => {
                let again = act.clone();
                let answer = act().await;
                act_later(wait, again);
                answer
            }
        };
        pause(trouble.after).await;
        answer
    }
}

async fn pause(wait: Duration) {
    if wait > Duration::ZERO {
        tokio::time::sleep(wait).await;
    }
}

fn act_later<A, F>(wait: Duration, act: A)
where
    A: FnOnce() -> F + Send + 'static,
    F: Future + Send + 'static,
{
    tokio::spawn(async move {
        pause(wait).await;
        act().await;
    });
}

fn lost<E: From<PortError>>(action: &'static str) -> E {
    PortError::Unavailable { action, reason: "broken on purpose".to_owned() }.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::{ManualClock, MemoryQueue, sample};
    use relay_core::envelope::Envelope;
    use relay_core::ports::Queue;

    struct Always(Fate);

    impl Troubles for Always {
        fn next(&self, _call: &'static str) -> Trouble {
            let way = Duration::from_millis(5);
            Trouble { before: way, fate: self.0, after: way }
        }
    }

    /// Whether one send under this fate succeeds, how many copies are there then, and how many later.
    async fn send_under(fate: Fate) -> (bool, usize, usize) {
        let inner = MemoryQueue::new(ManualClock::with_runtime(sample::START));
        let queue = Faulty::new(inner.clone(), Arc::new(Always(fate)));
        let message = sample::message("a", 1);
        let envelope = Envelope::of(&message, message.first_life(), message.body.clone());
        let is_sent = queue.send(&envelope, Duration::ZERO).await.is_ok();
        let at_once = inner.depth();
        tokio::time::sleep(Duration::from_secs(60)).await;
        (is_sent, at_once, inner.depth())
    }

    #[tokio::test(start_paused = true)]
    async fn every_fate_is_what_it_says() {
        let later = Duration::from_secs(30);
        assert_eq!(send_under(Fate::Done).await, (true, 1, 1));
        assert_eq!(send_under(Fate::Lost).await, (false, 0, 0));
        assert_eq!(send_under(Fate::Unanswered).await, (false, 1, 1));
        assert_eq!(send_under(Fate::Late(later)).await, (false, 0, 1));
        assert_eq!(send_under(Fate::Twice).await, (true, 2, 2));
        assert_eq!(send_under(Fate::Echoed(later)).await, (true, 1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_on_the_way_there_leaves_nothing_done() {
        let inner = MemoryQueue::new(ManualClock::with_runtime(sample::START));
        let queue = Faulty::new(inner.clone(), Arc::new(Always(Fate::Done)));
        let message = sample::message("a", 1);
        let envelope = Envelope::of(&message, message.first_life(), message.body.clone());
        let send_for = |millis| {
            let send = queue.send(&envelope, Duration::ZERO);
            tokio::time::timeout(Duration::from_millis(millis), send)
        };
        assert!(send_for(4).await.is_err());
        assert_eq!(inner.depth(), 0);
        assert!(send_for(8).await.is_err());
        assert_eq!(inner.depth(), 1);
    }
}
