//! The life of a message: every state, every event, and the one table of what follows what.
//!
//! Stores derive their conditions from [`Status::takes`], the in-memory store and every reader use
//! [`State::judge_claim`], and nothing else in the relay decides whether a transition is legal.

use serde::{Deserialize, Serialize};

use crate::identity::{AcceptedId, Generation, LeaseId};
use crate::outcome::{AttemptRecord, DeadReason};
use crate::time::Timestamp;

/// Where a message is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Accepted, not known to be in the queue.
    Pending,
    /// In the queue.
    Queued,
    /// A worker holds it for one attempt.
    Processing,
    /// An attempt failed; it waits for the next.
    Retrying,
    /// The target took it. Final.
    Delivered,
    /// Given up, with a reason. Final.
    Dead,
    /// Withdrawn by the client. Final.
    Cancelled,
}

/// What can happen to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The queue took it.
    Enqueued,
    /// A worker took it for one attempt.
    Claimed,
    /// The worker that held it died: its lease ended without an outcome.
    LeaseExpired,
    /// The target took it.
    Delivered,
    /// The attempt failed, another one follows.
    FailedForNow,
    /// The attempt failed, no other one follows.
    GaveUp,
    /// Its deadline passed, or its attempts were used up, between attempts.
    Expired,
    /// The client withdrew it.
    Cancelled,
    /// An operator set a dead letter going again.
    Redriven,
    /// Somebody asked for a final message to be sent once more.
    Resent,
}

impl Event {
    /// Every event, in the order the documents list them.
    pub const ALL: [Self; 10] = [
        Self::Enqueued,
        Self::Claimed,
        Self::LeaseExpired,
        Self::Delivered,
        Self::FailedForNow,
        Self::GaveUp,
        Self::Expired,
        Self::Cancelled,
        Self::Redriven,
        Self::Resent,
    ];
}

impl Status {
    /// Every status, in the order of a message's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Queued,
        Self::Processing,
        Self::Retrying,
        Self::Delivered,
        Self::Dead,
        Self::Cancelled,
    ];

    /// The status as the API, records and logs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Queued => "QUEUED",
            Self::Processing => "PROCESSING",
            Self::Retrying => "RETRYING",
            Self::Delivered => "DELIVERED",
            Self::Dead => "DEAD",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads a status as [`as_str`](Self::as_str) writes it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether nothing follows unless somebody asks.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Dead | Self::Cancelled)
    }

    /// The table: the status that follows this one on `event`, or nothing if that cannot happen.
    pub const fn after(self, event: Event) -> Option<Self> {
        use Status::{Cancelled, Dead, Delivered, Pending, Processing, Queued, Retrying};
        match (self, event) {
            (Pending, Event::Enqueued) => Some(Queued),
            (Pending | Queued | Retrying, Event::Claimed) => Some(Processing),
            // Claimable again: the next claim is the next attempt.
            (Processing, Event::LeaseExpired) => Some(Retrying),
            // A target's late yes counts as long as nothing final was written.
            (Pending | Queued | Processing | Retrying, Event::Delivered) => Some(Delivered),
            (Processing, Event::FailedForNow) => Some(Retrying),
            (Processing, Event::GaveUp) => Some(Dead),
            (Pending | Queued | Retrying, Event::Expired) => Some(Dead),
            (Pending | Queued | Retrying, Event::Cancelled) => Some(Cancelled),
            (Dead, Event::Redriven) => Some(Pending),
            (Delivered | Dead, Event::Resent) => Some(Pending),
            (
                Pending | Queued | Processing | Retrying | Delivered | Dead | Cancelled,
                Event::Enqueued
                | Event::Claimed
                | Event::LeaseExpired
                | Event::Delivered
                | Event::FailedForNow
                | Event::GaveUp
                | Event::Expired
                | Event::Cancelled
                | Event::Redriven
                | Event::Resent,
            ) => None,
        }
    }

    /// Every status in which `event` can happen: what a store's condition must allow.
    pub fn takes(event: Event) -> Vec<Self> {
        Self::ALL.into_iter().filter(|status| status.after(event).is_some()).collect()
    }
}

/// A status with what belongs to it: a retry without a time or a death without a reason cannot be
/// written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// See [`Status::Pending`].
    Pending,
    /// See [`Status::Queued`].
    Queued,
    /// See [`Status::Processing`].
    Processing {
        /// Who holds it.
        lease_id: LeaseId,
        /// Until when; afterwards it may be claimed again.
        lease_until: Timestamp,
    },
    /// See [`Status::Retrying`].
    Retrying {
        /// The earliest time of the next attempt.
        not_before: Timestamp,
    },
    /// See [`Status::Delivered`].
    Delivered,
    /// See [`Status::Dead`].
    Dead {
        /// Why.
        reason: DeadReason,
        /// Whether the dead-letter queue is known to have its copy.
        buried: bool,
    },
    /// See [`Status::Cancelled`].
    Cancelled,
}

impl Phase {
    /// The status of this phase.
    pub const fn status(&self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Queued => Status::Queued,
            Self::Processing { .. } => Status::Processing,
            Self::Retrying { .. } => Status::Retrying,
            Self::Delivered => Status::Delivered,
            Self::Dead { .. } => Status::Dead,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

/// Which life of a message something belongs to: queue items, leases and writes of another one do not
/// count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The acceptance.
    pub accepted_id: AcceptedId,
    /// Which setting-going of it.
    pub generation: Generation,
    /// When this generation began; the delivery deadline counts from here.
    pub generation_started_at: Timestamp,
    /// When the record stops to exist for every reader, whether or not it was removed.
    pub expires_at: Timestamp,
}

/// The state of a message as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The life it belongs to.
    pub life: Life,
    /// The status and what belongs to it.
    pub phase: Phase,
    /// Attempts begun in this generation, those without an outcome included.
    pub attempts: u32,
    /// The last [`OUTCOMES_KEPT`](crate::outcome::OUTCOMES_KEPT) outcomes.
    pub outcomes: Vec<AttemptRecord>,
    /// The lease of the last settled attempt: a repeated write recognises itself by it.
    pub last_lease_id: Option<LeaseId>,
    /// When it was written.
    pub updated_at: Timestamp,
}

/// What a worker asks for when it wants to make an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The life that the queue item belongs to.
    pub life: Life,
    /// A fresh lease id.
    pub lease_id: LeaseId,
    /// Until when the message is to be held.
    pub lease_until: Timestamp,
    /// How many attempts may be begun.
    pub attempts_max: u32,
    /// The present.
    pub now: Timestamp,
}

/// The judgement on a claim, from the state alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimVerdict {
    /// It may be taken.
    Take,
    /// The state is of another, ended life: it may be taken and everything starts anew.
    TakeAnew,
    /// This very request took it before, and the answer was lost on the way.
    TakenByUs,
    /// Every attempt was begun; the last one has no outcome, or the limit was lowered.
    Exhausted,
    /// It is final in this generation.
    AlreadyFinal,
    /// Another worker holds it.
    HeldByOther {
        /// Until when at most.
        until: Timestamp,
    },
    /// Its next attempt is not due.
    NotYet {
        /// When it is.
        until: Timestamp,
    },
    /// The queue item belongs to an earlier generation.
    Superseded,
    /// The queue item belongs to a generation that the record does not show yet.
    Ahead,
}

impl State {
    /// The state of a message that has no stored state.
    pub const fn unwritten(life: Life, now: Timestamp) -> Self {
        Self {
            life,
            phase: Phase::Pending,
            attempts: 0,
            outcomes: Vec::new(),
            last_lease_id: None,
            updated_at: now,
        }
    }

    /// Whether the state counts for the acceptance `accepted_id`: a state of another acceptance, or
    /// one that has expired and was not removed yet, means PENDING.
    pub fn counts_for(&self, accepted_id: &AcceptedId, now: Timestamp) -> bool {
        self.life.accepted_id == *accepted_id && now < self.life.expires_at
    }

    /// Judges a claim on a stored state. Whoever has no state at hand may take the message.
    pub fn judge_claim(&self, claim: &ClaimRequest) -> ClaimVerdict {
        if !self.counts_for(&claim.life.accepted_id, claim.now) {
            return ClaimVerdict::TakeAnew;
        }
        if claim.life.generation < self.life.generation {
            return ClaimVerdict::Superseded;
        }
        if claim.life.generation > self.life.generation {
            return ClaimVerdict::Ahead;
        }
        let until = match &self.phase {
            Phase::Delivered | Phase::Dead { .. } | Phase::Cancelled => {
                return ClaimVerdict::AlreadyFinal;
            }
            Phase::Processing { lease_id, .. } if *lease_id == claim.lease_id => {
                return ClaimVerdict::TakenByUs;
            }
            Phase::Processing { lease_until, .. } if claim.now < *lease_until => {
                return ClaimVerdict::HeldByOther { until: *lease_until };
            }
            Phase::Retrying { not_before } => Some(*not_before),
            Phase::Processing { .. } | Phase::Pending | Phase::Queued => None,
        };
        // Attempts are judged before time: what will never be tried again need not wait.
        if self.attempts >= claim.attempts_max {
            return ClaimVerdict::Exhausted;
        }
        match until {
            Some(until) if claim.now < until => ClaimVerdict::NotYet { until },
            Some(_) | None => ClaimVerdict::Take,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use expect_test::{Expect, expect};

    #[test]
    fn the_whole_table_cell_by_cell() {
        let mut table = String::new();
        for from in Status::ALL {
            table.push_str(from.as_str());
            table.push(':');
            for event in Event::ALL {
                if let Some(to) = from.after(event) {
                    table.push_str(&format!(" {event:?}→{}", to.as_str()));
                }
            }
            table.push('\n');
        }
        expect![[r#"
            PENDING: Enqueued→QUEUED Claimed→PROCESSING Delivered→DELIVERED Expired→DEAD Cancelled→CANCELLED
            QUEUED: Claimed→PROCESSING Delivered→DELIVERED Expired→DEAD Cancelled→CANCELLED
            PROCESSING: LeaseExpired→RETRYING Delivered→DELIVERED FailedForNow→RETRYING GaveUp→DEAD
            RETRYING: Claimed→PROCESSING Delivered→DELIVERED Expired→DEAD Cancelled→CANCELLED
            DELIVERED: Resent→PENDING
            DEAD: Redriven→PENDING Resent→PENDING
            CANCELLED:
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn only_somebody_asking_leads_out_of_a_final_status() {
        for from in Status::ALL.into_iter().filter(|status| status.is_final()) {
            for event in Event::ALL {
                let asked = matches!(event, Event::Redriven | Event::Resent);
                assert!(from.after(event).is_none() || asked, "{from:?} {event:?}");
            }
        }
    }

    fn life(accepted: u8, generation: u32) -> Life {
        Life {
            accepted_id: AcceptedId::from_random([accepted; 16]),
            generation: Generation(generation),
            generation_started_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(10_000),
        }
    }

    fn check(phase: Phase, attempts: u32, claim: (Life, u64), expected: Expect) {
        let mut state = State::unwritten(life(1, 1), Timestamp::from_millis(0));
        (state.phase, state.attempts) = (phase, attempts);
        let (life, now) = claim;
        let verdict = state.judge_claim(&ClaimRequest {
            life,
            lease_id: LeaseId::from_random([9; 16]),
            lease_until: Timestamp::from_millis(now + 100),
            attempts_max: 3,
            now: Timestamp::from_millis(now),
        });
        expected.assert_eq(&format!("{verdict:?}"));
    }

    fn held(lease: u8) -> Phase {
        Phase::Processing {
            lease_id: LeaseId::from_random([lease; 16]),
            lease_until: Timestamp::from_millis(100),
        }
    }

    #[test]
    fn every_claim_has_its_verdict() {
        let waiting = Phase::Retrying { not_before: Timestamp::from_millis(100) };
        let dead = Phase::Dead { reason: DeadReason::Gone, buried: false };
        check(Phase::Pending, 0, (life(1, 1), 50), expect!["Take"]);
        check(Phase::Queued, 2, (life(1, 1), 50), expect!["Take"]);
        check(Phase::Queued, 3, (life(1, 1), 50), expect!["Exhausted"]);
        check(held(8), 1, (life(1, 1), 99), expect!["HeldByOther { until: Timestamp(100) }"]);
        check(held(8), 3, (life(1, 1), 99), expect!["HeldByOther { until: Timestamp(100) }"]);
        check(held(8), 1, (life(1, 1), 100), expect!["Take"]);
        check(held(8), 3, (life(1, 1), 100), expect!["Exhausted"]);
        check(held(9), 1, (life(1, 1), 50), expect!["TakenByUs"]);
        check(waiting.clone(), 1, (life(1, 1), 99), expect!["NotYet { until: Timestamp(100) }"]);
        check(waiting.clone(), 1, (life(1, 1), 100), expect!["Take"]);
        check(waiting, 3, (life(1, 1), 99), expect!["Exhausted"]);
        check(Phase::Delivered, 1, (life(1, 1), 50), expect!["AlreadyFinal"]);
        check(dead, 3, (life(1, 1), 50), expect!["AlreadyFinal"]);
        check(Phase::Cancelled, 0, (life(1, 1), 50), expect!["AlreadyFinal"]);
        check(Phase::Queued, 0, (life(1, 0), 50), expect!["Superseded"]);
        check(Phase::Queued, 0, (life(1, 2), 50), expect!["Ahead"]);
    }

    #[test]
    fn f45_a_state_of_another_life_blocks_nothing() {
        check(Phase::Delivered, 1, (life(2, 0), 50), expect!["TakeAnew"]);
        check(Phase::Delivered, 1, (life(1, 1), 10_000), expect!["TakeAnew"]);
        check(held(8), 3, (life(2, 0), 50), expect!["TakeAnew"]);
    }

    #[test]
    fn statuses_are_read_as_they_are_written() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
