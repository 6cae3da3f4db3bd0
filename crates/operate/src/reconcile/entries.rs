//! The half of a run that begins at the records: dead messages without a letter, and redrives that stopped
//! half-way.

use futures::future::join_all;
use relay_core::identity::RelayId;
use relay_core::ports::{DEAD_SHARDS, DeadEntry, DeadWanted, Found, PortError};
use relay_core::reconcile::{BURIAL_GRACE, Due, SENDING_GRACE};
use relay_core::time::Timestamp;
use tracing::Span;

use crate::again::Gone;

use super::{AT_ONCE, Reconciler, Run};

const SWEEP: &str = "looking for unfinished dead letters";

/// What was done for one record.
enum Done {
    Buried,
    Sent,
    Left,
    Nothing,
}

impl Reconciler {
    /// Goes through all parts of the index, from one of them at random: a run that never gets through must
    /// not leave the same ones to the end every time.
    pub(super) async fn sweep_entries(&self, run: &mut Run) {
        let ambient = &self.ports.ambient;
        let until = ambient.now().minus(BURIAL_GRACE.min(SENDING_GRACE));
        let parts = f64::from(DEAD_SHARDS);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a unit is from 0 up to, not including, 1"
        )]
        let first = (ambient.unit() * parts) as u8;
        for step in 0..DEAD_SHARDS {
            let shard = (first + step) % DEAD_SHARDS;
            if let Err(error) = self.sweep_part(run, shard, until).await {
                run.note(SWEEP, None, Err(error));
            }
        }
    }

    async fn sweep_part(
        &self,
        run: &mut Run,
        shard: u8,
        until: Timestamp,
    ) -> Result<(), PortError> {
        let (from, mut after) = (Timestamp::from_millis(0), None);
        loop {
            if !run.may_go_on(self.ports.ambient.now()) {
                run.report.unfinished = true;
                return Ok(());
            }
            let wanted = DeadWanted::Unfinished;
            let page = self.ports.ledger.dead(shard, wanted, from, until, after.as_ref()).await?;
            self.settle_entries(run, &page.items).await;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn settle_entries(&self, run: &mut Run, entries: &[DeadEntry]) {
        for some in entries.chunks(AT_ONCE) {
            if !run.may_go_on(self.ports.ambient.now()) {
                run.report.unfinished = true;
                return;
            }
            run.report.entries_seen += some.len() as u64;
            let done = join_all(some.iter().map(|entry| self.settle_entry(&entry.id))).await;
            for (entry, (span, done)) in some.iter().zip(done) {
                match &done {
                    Ok(Done::Buried) => run.report.buried += 1,
                    Ok(Done::Sent) => run.report.sent += 1,
                    Ok(Done::Left) => run.report.left += 1,
                    Ok(Done::Nothing) | Err(_) => {}
                }
                span.in_scope(|| run.note(SWEEP, Some(&entry.id), done.map(|_| ())));
            }
        }
    }

    /// Does for one message what its record asks for.
    async fn settle_entry(&self, id: &RelayId) -> (Span, Result<Done, PortError>) {
        let now = self.ports.ambient.now();
        match self.ports.store.find(id, now).await {
            Ok(Some(found)) => {
                Self::under_names_of(&found.message, self.settle_found(&found, now)).await
            }
            Ok(None) => (Span::none(), Ok(Done::Nothing)),
            Err(error) => (Span::none(), Err(error)),
        }
    }

    async fn settle_found(&self, found: &Found, now: Timestamp) -> Result<Done, PortError> {
        match Due::of(&found.state, now) {
            Due::Bury(reason) => {
                self.bury(&found.message, &found.state, reason).await?;
                tracing::warn!(reason = reason.as_str(), "a dead message is buried");
                Ok(Done::Buried)
            }
            Due::Send => {
                let gone = self.going.send(&found.message, &found.state.life).await;
                let generation = found.state.life.generation.0;
                match gone.map_err(|stopped| stopped.0)? {
                    Gone::Again(_) => {
                        tracing::warn!(generation, "a redrive that stopped half-way goes on");
                        Ok(Done::Sent)
                    }
                    Gone::NoBody => {
                        tracing::warn!(
                            generation,
                            "a redrive that stopped half-way cannot go on: the body is gone"
                        );
                        Ok(Done::Left)
                    }
                    // Sending judges no state: neither comes of it.
                    Gone::Refused(_) | Gone::Unknown => Ok(Done::Nothing),
                }
            }
            Due::Nothing => Ok(Done::Nothing),
        }
    }
}
