//! Ctrl-C during work on many messages: the first lets what is at hand be finished and begins nothing
//! more, the second ends at once. Either is safe: what was left half-done is finished by whoever meets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{
    Begun, Claim, Cursor, DeadEntry, DeadWanted, Found, Ledger, Page, PortError, Recorded, Settled,
    Settlement, Store,
};
use relay_core::time::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Failure;
use crate::terminal::note;

/// Whether to begin anything more. Copies share it.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<Flags>);

#[derive(Default)]
struct Flags {
    asked: AtomicBool,
    kept: AtomicBool,
}

impl Stop {
    /// Whether it was asked for.
    pub(crate) fn was_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Whether something was kept from being found by it; otherwise it came too late to interrupt anything.
    pub(crate) fn kept_something(&self) -> bool {
        self.0.kept.load(Ordering::Relaxed)
    }

    fn ask(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
    }

    /// Whether what is looked for now is to be kept from whoever looks.
    fn keeps(&self) -> bool {
        let keeps = self.was_asked();
        if keeps {
            self.0.kept.store(true, Ordering::Relaxed);
        }
        keeps
    }

    /// Does the work until it is done or was interrupted twice, in which case nothing comes back.
    pub(crate) async fn around<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<Option<T>, Failure> {
        let what = || "signals".to_owned();
        let listen = |kind| signal(kind).map_err(|reason| Failure::Input { what: what(), reason });
        let mut interrupts = listen(SignalKind::interrupt())?;
        let mut terminations = listen(SignalKind::terminate())?;
        let told_twice = async {
            next(&mut interrupts, &mut terminations).await;
            self.ask();
            note("finishing what is at hand (Ctrl-C again ends at once)");
            next(&mut interrupts, &mut terminations).await;
        };
        tokio::select! {
            biased;
            done = work => Ok(Some(done)),
            () = told_twice => Ok(None),
        }
    }
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) {
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
}

/// A table in which nothing is found any more once a stop was asked for: whoever goes through it comes
/// to an end, and what was found before is finished.
pub(crate) struct Stoppable<P> {
    pub(crate) port: P,
    pub(crate) stop: Stop,
}

#[async_trait]
impl<P: Store> Store for Stoppable<P> {
    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        if self.stop.keeps() { Ok(None) } else { self.port.find(id, now).await }
    }

    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        self.port.begin_again(id, life, again, now).await
    }

    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.port.mark_queued(id, life, now).await
    }

    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        self.port.record(message, now).await
    }

    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError> {
        self.port.claim(id, claim).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        self.port.settle(settlement).await
    }

    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.port.give_up(id, life, reason, now).await
    }

    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.port.mark_buried(id, life, now).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.port.ready().await
    }
}

#[async_trait]
impl<P: Ledger> Ledger for Stoppable<P> {
    async fn dead(
        &self,
        shard: u8,
        wanted: DeadWanted,
        from: Timestamp,
        until: Timestamp,
        after: Option<&Cursor>,
    ) -> Result<Page<DeadEntry>, PortError> {
        if self.stop.keeps() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        self.port.dead(shard, wanted, from, until, after).await
    }

    async fn unfinished(&self, after: Option<&Cursor>) -> Result<Page<RelayId>, PortError> {
        if self.stop.keeps() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        self.port.unfinished(after).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::process::Command;

    use relay_operate::{DeadFilter, DeadLetters, RedriveOptions, SetGoing};
    use relay_testkit::{ManualClock, MemoryQueue, MemoryStore, TestAmbient, sample};

    use crate::work::End;

    use super::*;

    /// Presses Ctrl-C on this very process, which from then on hears of it only by its own handler.
    fn press() {
        let itself = std::process::id().to_string();
        assert!(Command::new("kill").args(["-INT", &itself]).status().unwrap().success());
    }

    #[tokio::test]
    async fn the_first_ctrl_c_asks_for_a_stop_and_the_second_ends_at_once() {
        let stop = Stop::default();
        let work = async {
            press();
            while !stop.was_asked() {
                tokio::task::yield_now().await;
            }
            press();
            std::future::pending::<()>().await;
        };
        assert_eq!(stop.around(work).await.unwrap(), None);
        assert_eq!(Stop::default().around(async { 1 }).await.unwrap(), Some(1));
    }

    #[tokio::test]
    async fn nothing_is_found_once_a_stop_was_asked_for() {
        let (port, stop) = (MemoryStore::new(), Stop::default());
        let message = sample::message("m", 1);
        port.record(&message, sample::START).await.unwrap();
        let stoppable = Stoppable { port, stop: stop.clone() };
        assert!(stoppable.find(&message.id, sample::START).await.unwrap().is_some());
        stop.ask();
        assert!(!stop.kept_something(), "asked when all was found");
        assert_eq!(stoppable.find(&message.id, sample::START).await.unwrap(), None);
        assert!(stop.kept_something());
    }

    /// How a redrive of two times `half` dead letters ends when the stop is asked for as the given one is told of.
    async fn ended(asked_at: usize, half: usize) -> End {
        let (port, stop) = (MemoryStore::new(), Stop::default());
        let ambient = Arc::new(TestAmbient::new(ManualClock::starting_at(sample::at(9)), 1));
        let queue = Arc::new(MemoryQueue::new(ManualClock::starting_at(sample::at(9))));
        for number in 0..half * 2 {
            let message = sample::message(&format!("m-{number}"), 1);
            port.record(&message, sample::START).await.unwrap();
            let life = message.first_life();
            port.give_up(&message.id, &life, DeadReason::Gone, sample::START).await.unwrap();
        }
        let stoppable = Arc::new(Stoppable { port, stop: stop.clone() });
        let going = SetGoing { store: stoppable.clone(), queue, ambient };
        let dead = DeadLetters { ledger: stoppable, going };
        let mut told = 0;
        let mut on = |_| {
            told += 1;
            if told == asked_at {
                stop.ask();
            }
        };
        let (all, options) = (DeadFilter::default(), RedriveOptions::default());
        dead.redrive_many(&all, &options, &mut on).await.unwrap();
        End::of(Some(End::Whole), &stop)
    }

    #[tokio::test]
    async fn a_stop_that_comes_when_all_is_done_interrupts_nothing() {
        // Eight are at hand at once.
        assert!(matches!(ended(16, 8).await, End::Whole));
        assert!(matches!(ended(8, 8).await, End::Interrupted));
        assert!(matches!(ended(17, 8).await, End::Whole));
    }
}
