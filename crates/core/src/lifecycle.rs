//! The life of a message: every state, every event, and the one table of what follows what.
//!
//! Stores derive their conditions from [`Status::takes`], the in-memory store and every reader use
//! [`State::judge_claim`], and nothing else in the relay decides whether a transition is legal.

mod beginning;
mod claim;
mod ending;
mod settling;

use serde::{Deserialize, Serialize};

pub use beginning::{Again, Beginning};
pub use claim::{ClaimRequest, ClaimVerdict, Life, Phase, State};
pub use ending::Ending;
pub use settling::Settling;

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use expect_test::expect;

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

    #[test]
    fn statuses_are_read_as_they_are_written() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }
}
