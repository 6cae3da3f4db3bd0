//! The half of a run that begins at the dead-letter queue: letters that the queue moved there on its own,
//! and letters of messages that are not dead any more.
//!
//! Letters are hidden from the moment they are received until they are compared, which begins when enough are
//! received: one that is shown again earlier would be received again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use relay_core::body::{Body, Pointer};
use relay_core::envelope::{Envelope, EnvelopeError};
use relay_core::lifecycle::{Phase, State, Status};
use relay_core::outcome::DeadReason;
use relay_core::ports::{Found, Letter, PortError, Receipt, Settled};
use relay_core::reconcile::{DeadCopy, Origin, Verdict};
use relay_core::time::Timestamp;
use tracing::Span;

use super::{AT_ONCE, Reconciler, Run};

/// Most letters that a run receives. At ten a call and as many to show them again these are 2,000 calls, some
/// seconds of work and less than a tenth of a cent.
const RECEIVED_MAX: usize = 10_000;
/// Most text that a run receives, in bytes, but for one call more: a letter of 256 KiB is billed as four
/// requests, and its record as 65 reads of 4 KB.
const RECEIVED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Letters that are shown again, or removed, together as soon as they are compared: eight batches.
const SHOWN_TOGETHER: usize = 80;
/// Most letters that the relay itself buried and that a run compares with their records, at some 2 reads each.
/// Beyond that it takes others each time. Letters that the queue moved are all compared.
const BURIED_JUDGED_MAX: usize = 1_000;
/// How long after the end of a run letters stay hidden that it could not show again.
const HIDDEN_AFTER_END: Duration = Duration::from_secs(5);

const RECEIVE: &str = "receiving dead letters";
const JUDGE: &str = "comparing a dead letter with its record";
const REMOVE: &str = "removing dead letters";
const RELEASE: &str = "showing dead letters again";

/// A letter that was received, without its text.
struct Held {
    copy: Option<DeadCopy>,
    /// The body that only the letter has, if the queue moved it there, and where it is to be kept.
    body: Option<(Pointer, Bytes)>,
    /// Whether newer code wrote it: this code does not see a body in it.
    is_newer: bool,
    receipt: Receipt,
}

/// What was done for one letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Nothing,
    Noted,
    Replaced,
    Over,
}

impl Reconciler {
    /// Receives letters until there are no more, or enough; compares them; removes some and shows the others
    /// again.
    pub(super) async fn sweep_letters(&self, run: &mut Run, ends: Timestamp) {
        let held = self.receive_letters(run, ends).await;
        let (moved, buried): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|held| held.origin() == Some(Origin::MovedByQueue));
        let buried = self.begun_anywhere(buried);
        let (judged, kept) = buried.split_at(buried.len().min(BURIED_JUDGED_MAX));
        if !kept.is_empty() {
            run.report.unfinished = true;
            let kept = kept.iter().map(|held| held.receipt.clone()).collect();
            self.let_go(run, Vec::new(), kept).await;
        }
        for some in moved.chunks(SHOWN_TOGETHER).chain(judged.chunks(SHOWN_TOGETHER)) {
            let (mut over, mut stay) = (Vec::new(), Vec::new());
            for some in some.chunks(AT_ONCE) {
                self.judge_letters(run, some, &mut over, &mut stay).await;
            }
            self.let_go(run, over, stay).await;
        }
    }

    /// Removes the letters that are over, and shows the others again.
    async fn let_go(&self, run: &mut Run, over: Vec<Receipt>, stay: Vec<Receipt>) {
        if !over.is_empty() {
            let removed = self.ports.letters.delete(&over).await;
            if removed.is_ok() {
                run.report.removed += over.len() as u64;
            }
            run.note(REMOVE, None, removed);
        }
        if !stay.is_empty() {
            run.note(RELEASE, None, self.ports.letters.release(&stay).await);
        }
    }

    async fn receive_letters(&self, run: &mut Run, ends: Timestamp) -> Vec<Held> {
        // The other half of the time is for what comes of them.
        let begun_at = self.ports.ambient.now();
        let half = begun_at.plus(run.stops_at.since(begun_at) / 2);
        let (mut held, mut bytes) = (Vec::new(), 0);
        loop {
            let now = self.ports.ambient.now();
            let is_enough = held.len() >= RECEIVED_MAX || bytes >= RECEIVED_BYTES_MAX;
            if is_enough || half <= now || !run.may_go_on(now) {
                run.report.unfinished = true;
                break;
            }
            let hidden_for = ends.since(now) + HIDDEN_AFTER_END;
            match self.ports.letters.receive(hidden_for).await {
                // One that was missed all the same is met by the next run.
                Ok(letters) if letters.is_empty() => break,
                Ok(letters) => {
                    run.note(RECEIVE, None, Ok(()));
                    bytes += letters.iter().map(|letter| letter.text.len()).sum::<usize>();
                    held.extend(letters.into_iter().map(|letter| self.hold(letter)));
                }
                Err(error) => run.note(RECEIVE, None, Err(error)),
            }
        }
        run.report.letters_seen += held.len() as u64;
        held
    }

    fn hold(&self, letter: Letter) -> Held {
        let copy = DeadCopy::of(&letter);
        let is_moved = copy.as_ref().is_some_and(|copy| copy.origin == Origin::MovedByQueue);
        let envelope = is_moved.then(|| Envelope::from_json(&letter.text));
        let is_newer = matches!(envelope, Some(Err(EnvelopeError::UnknownVersion(_))));
        let body = envelope.and_then(|it| it.ok()?.only_here(self.ports.payloads.bucket()));
        Held { copy, body, is_newer, receipt: letter.receipt }
    }

    /// The letters from a random one on, round to the one before it.
    fn begun_anywhere(&self, mut held: Vec<Held>) -> Vec<Held> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a unit is from 0 up to, not including, 1, and lengths are small"
        )]
        let first = (self.ports.ambient.unit() * held.len() as f64) as usize;
        held.rotate_left(first);
        held
    }

    /// Compares some letters with their records, and sorts their receipts into those that are over and those
    /// that stay.
    async fn judge_letters(
        &self,
        run: &mut Run,
        some: &[Held],
        over: &mut Vec<Receipt>,
        stay: &mut Vec<Receipt>,
    ) {
        if !run.may_go_on(self.ports.ambient.now()) {
            run.report.unfinished = true;
            stay.extend(some.iter().map(|held| held.receipt.clone()));
            return;
        }
        // Beside the outcomes: a message is given up even if its letter is then not written.
        let given_up = AtomicU64::new(0);
        let work = some.iter().map(|held| self.settle_letter(held, &given_up));
        let done = join_all(work).await;
        run.report.given_up += given_up.into_inner();
        for (held, (span, done)) in some.iter().zip(done) {
            run.report.letters_judged += u64::from(held.copy.is_some());
            let is_over = match &done {
                Ok(Done::Nothing) | Err(_) => false,
                Ok(Done::Noted) => {
                    run.report.noted += 1;
                    false
                }
                Ok(Done::Replaced) => {
                    run.report.replaced += 1;
                    true
                }
                Ok(Done::Over) => true,
            };
            let to: &mut Vec<Receipt> = if is_over { over } else { stay };
            to.push(held.receipt.clone());
            let id = held.copy.as_ref().map(|copy| &copy.id);
            span.in_scope(|| run.note(JUDGE, id, done.map(|_| ())));
        }
    }

    /// Does for one letter what its record says; the letter itself is not touched.
    async fn settle_letter(
        &self,
        held: &Held,
        given_up: &AtomicU64,
    ) -> (Span, Result<Done, PortError>) {
        let Some(copy) = &held.copy else { return (Span::none(), Ok(Done::Nothing)) };
        let now = self.ports.ambient.now();
        match self.ports.store.find(&copy.id, now).await {
            // It may have the only body there is: whoever can read it keeps that before the letter goes.
            Ok(Some(found)) if held.is_newer && is_unretained(&found) => {
                (Span::none(), Ok(Done::Nothing))
            }
            Ok(Some(found)) => {
                let verdict = copy.judge(Some(&found), now);
                let carrying_out = async {
                    self.keep_body(held, verdict, &found.state).await?;
                    self.carry_out(verdict, &found, now, given_up).await
                };
                Self::under_names_of(&found.message, carrying_out).await
            }
            Ok(None) => (Span::none(), Ok(Done::Nothing)),
            Err(error) => (Span::none(), Err(error)),
        }
    }

    /// Keeps the body that only the letter has of a message that is dead or is about to be given up: a redrive looks for it,
    /// and with the letter it is gone. Repeating it is harmless, and so is a body that turns out not to be needed.
    async fn keep_body(
        &self,
        held: &Held,
        verdict: Verdict,
        state: &State,
    ) -> Result<(), PortError> {
        let is_needed = match verdict {
            Verdict::Replace(_) | Verdict::GiveUp => true,
            Verdict::Remove => state.phase.status() == Status::Dead,
            Verdict::Leave | Verdict::NoteBurial => false,
        };
        match &held.body {
            Some((pointer, bytes)) if is_needed => {
                self.ports.payloads.put(pointer, bytes.clone()).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn carry_out(
        &self,
        verdict: Verdict,
        found: &Found,
        now: Timestamp,
        given_up: &AtomicU64,
    ) -> Result<Done, PortError> {
        let id = &found.message.id;
        match verdict {
            Verdict::Leave => Ok(Done::Nothing),
            Verdict::NoteBurial => {
                self.note_burial(id, &found.state.life).await?;
                Ok(Done::Noted)
            }
            Verdict::Replace(reason) => {
                self.bury(&found.message, &found.state, reason).await?;
                Ok(Done::Replaced)
            }
            Verdict::GiveUp => {
                let (reason, life) = (DeadReason::ReceiveCountExceeded, &found.state.life);
                let settled = self.ports.store.give_up(id, life, reason, now).await?;
                if settled.dead_since(now).is_some() {
                    given_up.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!("the queue gave a message up on its own: it is dead");
                }
                // Somebody went on with it: the letter is met again when that is over.
                let Settled::Done(state) = settled else { return Ok(Done::Nothing) };
                if !matches!(state.phase, Phase::Dead { buried: true, .. }) {
                    self.bury(&found.message, &state, reason).await?;
                }
                Ok(Done::Over)
            }
            Verdict::Remove => {
                tracing::info!("a letter of a message that is not dead is removed");
                Ok(Done::Over)
            }
        }
    }
}

fn is_unretained(found: &Found) -> bool {
    matches!(found.message.body, Body::Unretained(_))
}

impl Held {
    fn origin(&self) -> Option<Origin> {
        self.copy.as_ref().map(|copy| copy.origin)
    }
}
