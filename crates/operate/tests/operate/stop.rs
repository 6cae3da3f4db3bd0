//! A stop is heard while there is nothing to do: what is read holds nothing that is wanted, page after page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use relay_core::identity::RelayId;
use relay_core::outcome::DeadReason;
use relay_core::ports::{Cursor, DeadEntry, DeadWanted, Ledger, Page, PortError, Standing};
use relay_core::time::Timestamp;
use relay_operate::{
    DeadFilter, DeadLetters, Ended, Recover, RecoverOptions, RedriveOptions, Stop,
};
use relay_testkit::sample;

use crate::world::World;

/// Pages that a part of the index, or the table, has.
const PAGES: usize = 1_000;
const FOR_REAL: RedriveOptions = RedriveOptions { dry_run: false, per_second: None };

/// A long table in order, and long parts of dead letters of one reason. Asks for the stop as the given page is read.
#[derive(Default)]
struct Long {
    dead: Vec<DeadEntry>,
    reads: AtomicUsize,
    asked_at: usize,
    stop: Stop,
}

impl Long {
    fn page<T>(&self, items: Vec<T>, after: Option<&Cursor>) -> Page<T> {
        if self.reads.fetch_add(1, Ordering::Relaxed) + 1 == self.asked_at {
            self.stop.ask();
        }
        let number: usize = after.map_or(0, |after| after.0.parse().unwrap());
        let next = (number + 1 < PAGES).then(|| Cursor((number + 1).to_string()));
        Page { items, next }
    }
}

#[async_trait]
impl Ledger for Long {
    async fn dead(
        &self,
        _: u8,
        _: DeadWanted,
        _: Timestamp,
        _: Timestamp,
        after: Option<&Cursor>,
    ) -> Result<Page<DeadEntry>, PortError> {
        Ok(self.page(self.dead.clone(), after))
    }

    async fn unfinished(&self, after: Option<&Cursor>) -> Result<Page<RelayId>, PortError> {
        Ok(self.page(Vec::new(), after))
    }
}

/// How the work ends, and how many pages it read, when the stop is asked for at this page.
async fn recovered(asked_at: usize) -> (Ended, usize) {
    let (world, ledger) = (World::new(), Arc::new(Long { asked_at, ..Long::default() }));
    let stop = ledger.stop.clone();
    let recover = Recover { ledger: Arc::<Long>::clone(&ledger), stop, ..world.recover() };
    let options =
        RecoverOptions { older_than: Duration::from_secs(600), dry_run: false, per_second: None };
    let ended = recover.recover(&options, &mut |one| panic!("{one:?}")).await.unwrap();
    (ended, ledger.reads.load(Ordering::Relaxed))
}

#[tokio::test]
async fn recover_hears_a_stop_between_pages_that_hold_nothing() {
    assert_eq!(recovered(1).await, (Ended::Interrupted, 1));
    assert_eq!(recovered(7).await, (Ended::Interrupted, 7));
    assert_eq!(recovered(PAGES).await, (Ended::Whole, PAGES), "it came too late to leave anything");
    assert_eq!(recovered(0).await, (Ended::Whole, PAGES));
}

#[tokio::test]
async fn redrive_hears_a_stop_between_pages_of_which_its_filter_takes_nothing() {
    let other = DeadEntry {
        id: sample::message("other", 1).id,
        at: sample::START,
        standing: Standing::Dead { reason: DeadReason::Gone, buried: true },
    };
    for dead in [vec![other], Vec::new()] {
        for asked_at in [1, 7, 100] {
            let (world, dead) = (World::new(), dead.clone());
            let ledger = Arc::new(Long { dead, asked_at, ..Long::default() });
            let stop = ledger.stop.clone();
            let letters =
                DeadLetters { ledger: Arc::<Long>::clone(&ledger), stop, ..world.dead_letters() };
            let filter = DeadFilter { reason: Some(DeadReason::Rejected), ..DeadFilter::default() };
            let mut on = |one| panic!("{one:?}");
            let ended = letters.redrive_many(&filter, &FOR_REAL, &mut on).await;
            assert_eq!(ended, Ok(Ended::Interrupted));
            assert_eq!(ledger.reads.load(Ordering::Relaxed), asked_at);
        }
    }
}
