//! Trouble of calls that do several things at once.

use relay_core::ports::PortError;

use super::{Fate, Faulty, act_later, lost, pause};

/// What becomes of a part, as far as the call itself comes through.
enum Part {
    Sent,
    /// It is not done, or later.
    Failed,
    /// It is done and fails: a service that broke down after the write.
    Unanswered,
}

impl<P> Faulty<P> {
    /// Makes a call for all `items`, with whatever happens around it and to each of them. `one` is the name of the call
    /// for a single item, and `act` one way of making the call for any of them.
    pub(super) async fn around_all<I, T, A, F>(
        &self,
        calls: [&'static str; 2],
        items: Vec<I>,
        act: A,
    ) -> Vec<Result<T, PortError>>
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
        A: FnOnce(Vec<I>) -> F + Clone + Send + 'static,
        F: Future<Output = Vec<Result<T, PortError>>> + Send + 'static,
    {
        let [all, one] = calls;
        let trouble = self.troubles.next(all);
        pause(trouble.before).await;
        let (parts, sent) = self.parts(one, items, &act);
        let answers = match trouble.fate {
            _ if sent.is_empty() => Vec::new(),
            Fate::Done => act(sent).await,
            Fate::Lost => unanswered(all, sent.len()),
            Fate::Unanswered => {
                let count = sent.len();
                drop(act(sent).await);
                unanswered(all, count)
            }
            Fate::Late(wait) => {
                let count = sent.len();
                act_later(wait, move || act(sent));
                unanswered(all, count)
            }
            Fate::Twice => {
                drop(act.clone()(sent.clone()).await);
                act(sent).await
            }
            Fate::Echoed(wait) => {
                let again = (act.clone(), sent.clone());
                let answers = act(sent).await;
                act_later(wait, move || again.0(again.1));
                answers
            }
        };
        pause(trouble.after).await;
        let mut answers = answers.into_iter();
        let mut answer = || answers.next().unwrap_or_else(|| Err(lost(all)));
        let told = parts.into_iter().map(|part| match part {
            Part::Sent => answer(),
            Part::Failed => Err(lost(one)),
            Part::Unanswered => answer().and_then(|_| Err(lost(one))),
        });
        told.collect()
    }

    /// What becomes of each item, and those that go with the call.
    fn parts<I, A, F>(&self, one: &'static str, items: Vec<I>, act: &A) -> (Vec<Part>, Vec<I>)
    where
        I: Send + 'static,
        A: FnOnce(Vec<I>) -> F + Clone + Send + 'static,
        F: Future + Send + 'static,
    {
        let mut sent = Vec::with_capacity(items.len());
        let parts = items.into_iter().map(|item| match self.troubles.next(one).fate {
            // Only a whole call is repeated by the client of a service.
            Fate::Done | Fate::Twice | Fate::Echoed(_) => {
                sent.push(item);
                Part::Sent
            }
            Fate::Unanswered => {
                sent.push(item);
                Part::Unanswered
            }
            Fate::Lost => Part::Failed,
            Fate::Late(wait) => {
                let act = act.clone();
                act_later(wait, move || act(vec![item]));
                Part::Failed
            }
        });
        let parts = parts.collect();
        (parts, sent)
    }
}

fn unanswered<T>(call: &'static str, count: usize) -> Vec<Result<T, PortError>> {
    std::iter::repeat_with(|| Err(lost(call))).take(count).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use relay_core::ports::{Recorded, Store};

    use super::*;
    use crate::faults::{Trouble, Troubles};
    use crate::{MemoryStore, sample};

    /// The whole call under one fate, its parts under others in turn.
    struct Each(Fate, Mutex<Vec<Fate>>);

    impl Troubles for Each {
        fn next(&self, call: &'static str) -> Trouble {
            let fate = if call == "record_all" {
                self.0
            } else {
                self.1.lock().unwrap().pop().unwrap_or(Fate::Done)
            };
            Trouble { before: Duration::ZERO, fate, after: Duration::ZERO }
        }
    }

    /// Which of three messages were answered as new, how many are there then, and how many later.
    async fn record_under(whole: Fate, mut parts: Vec<Fate>) -> ([bool; 3], usize, usize) {
        let inner = MemoryStore::new();
        parts.reverse();
        let store = Faulty::new(inner.clone(), Arc::new(Each(whole, Mutex::new(parts))));
        let messages = ["a", "b", "c"].map(|name| sample::message(name, 1));
        let answers = store.record_all(&messages, sample::START).await;
        let is_new: Vec<_> = answers.iter().map(|answer| *answer == Ok(Recorded::New)).collect();
        let at_once = inner.ids().len();
        tokio::time::sleep(Duration::from_secs(60)).await;
        (is_new.try_into().unwrap(), at_once, inner.ids().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_for_several_is_lost_as_a_whole_or_in_parts() {
        let later = Fate::Late(Duration::from_secs(30));
        let (all, none) = ([true; 3], [false; 3]);
        assert_eq!(record_under(Fate::Done, vec![]).await, (all, 3, 3));
        assert_eq!(record_under(Fate::Lost, vec![]).await, (none, 0, 0));
        assert_eq!(record_under(Fate::Unanswered, vec![]).await, (none, 3, 3));
        assert_eq!(record_under(later, vec![]).await, (none, 0, 3));
        // The same message by the same acceptance is new, however often it comes.
        assert_eq!(record_under(Fate::Twice, vec![]).await, (all, 3, 3));
        let echoed = Fate::Echoed(Duration::from_secs(30));
        assert_eq!(record_under(echoed, vec![Fate::Lost]).await, ([false, true, true], 2, 2));
        let parts = vec![Fate::Lost, Fate::Unanswered, Fate::Done];
        assert_eq!(record_under(Fate::Done, parts).await, ([false, false, true], 2, 2));
        assert_eq!(record_under(Fate::Done, vec![later; 2]).await, ([false, false, true], 1, 3));
        assert_eq!(record_under(Fate::Unanswered, vec![later; 3]).await, (none, 0, 3));
    }
}
