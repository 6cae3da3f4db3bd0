//! What is to be done when records, queue and dead-letter queue may disagree: the record is the truth, and
//! what it does not explain is left alone. Finds nothing and does nothing.

use std::time::Duration;

use crate::envelope::{DEAD_LETTER_ATTRIBUTE, Envelope, dead_letter_generation};
use crate::identity::{Generation, RelayId};
use crate::lifecycle::{Life, Phase, State};
use crate::outcome::DeadReason;
use crate::ports::{Found, Letter};
use crate::time::Timestamp;

/// How long a message is DEAD before somebody else than its worker buries it. A worker that stopped between
/// the two meets its queue item again when the queue's visibility timeout (780 s) is over, and finishes the
/// burial within its own timeout (120 s).
pub const BURIAL_GRACE: Duration = Duration::from_secs(900);
/// How long a message is PENDING again before somebody else sends it. Whoever set it going sends it within
/// the few seconds of two calls; sending it twice is harmless.
pub const SENDING_GRACE: Duration = Duration::from_secs(120);
/// How long a time in a record must have passed before a message counts as given up by the queue: hosts'
/// clocks differ, and the last worker may be about to write.
pub const QUIET: Duration = Duration::from_secs(60);

/// What a record in the index of dead letters asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A copy goes into the dead-letter queue, and the record is told.
    Bury(DeadReason),
    /// The message goes into the queue in the life it is in, and the record is told.
    Send,
    /// Nothing, or nothing yet.
    Nothing,
}

impl Due {
    /// What the state asks for. Whoever left it half-done has had the time to go on.
    pub fn of(state: &State, now: Timestamp) -> Self {
        let is_over = |grace| state.updated_at.plus(grace) <= now;
        match &state.phase {
            Phase::Dead { reason, buried: false } if is_over(BURIAL_GRACE) => Self::Bury(*reason),
            Phase::Pending
                if state.life.generation > Generation::default() && is_over(SENDING_GRACE) =>
            {
                Self::Send
            }
            Phase::Pending
            | Phase::Queued
            | Phase::Processing { .. }
            | Phase::Retrying { .. }
            | Phase::Delivered
            | Phase::Dead { .. }
            | Phase::Cancelled => Self::Nothing,
        }
    }
}

/// Where a copy in the dead-letter queue comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The relay put it there, for the generation that died.
    Buried,
    /// The queue moved it there on its own, as it was.
    MovedByQueue,
}

/// A copy in the dead-letter queue, as far as it says whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadCopy {
    /// The message.
    pub id: RelayId,
    /// The life it belongs to.
    pub life: Life,
    /// Where it comes from.
    pub origin: Origin,
}

impl DeadCopy {
    /// Reads a letter. Nothing for one that says not whose it is, or that neither the relay nor its queue
    /// put there.
    pub fn of(letter: &Letter) -> Option<Self> {
        let (id, mut life) = Envelope::identity_in(&letter.text)?;
        let origin = match letter.attributes.get(DEAD_LETTER_ATTRIBUTE) {
            Some(generation) => {
                life.generation = dead_letter_generation(generation)?;
                Origin::Buried
            }
            None if letter.moved_by_queue => Origin::MovedByQueue,
            None => return None,
        };
        Some(Self { id, life, origin })
    }
}

/// What becomes of a copy in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays, and nothing else happens.
    Leave,
    /// It stays, and the record is told that it is there.
    NoteBurial,
    /// A proper copy takes its place, and the record is told.
    Replace(DeadReason),
    /// The message is given up, if it is still as it was read; then as for [`Replace`](Self::Replace).
    GiveUp,
    /// It is removed: what it stands for is over, or has a copy of its own.
    Remove,
}

impl DeadCopy {
    /// What becomes of this copy, by the record of its message.
    pub fn judge(&self, found: Option<&Found>, now: Timestamp) -> Verdict {
        // Without the record nobody can tell what became of the message: this may be the last that is left
        // of it. The queue drops it in its own time.
        let Some(found) = found else { return Verdict::Leave };
        let state = &found.state;
        if state.life.accepted_id != self.life.accepted_id {
            return Verdict::Leave;
        }
        if self.life.generation < state.life.generation {
            return Verdict::Remove;
        }
        // A record that is behind was restored from a backup.
        if self.life.generation > state.life.generation {
            return Verdict::Leave;
        }
        match (&state.phase, self.origin) {
            (Phase::Delivered | Phase::Cancelled, Origin::Buried | Origin::MovedByQueue) => {
                Verdict::Remove
            }
            (Phase::Dead { buried: true, .. }, Origin::Buried) => Verdict::Leave,
            (Phase::Dead { buried: false, .. }, Origin::Buried) => Verdict::NoteBurial,
            // The burial left a proper copy, with which a redrive works; this one has no attributes.
            (Phase::Dead { buried: true, .. }, Origin::MovedByQueue) => Verdict::Remove,
            (Phase::Dead { reason, buried: false }, Origin::MovedByQueue) => {
                Verdict::Replace(*reason)
            }
            // An unreadable item that was buried while another copy went on: that one decides.
            (
                Phase::Pending | Phase::Queued | Phase::Processing { .. } | Phase::Retrying { .. },
                Origin::Buried,
            ) => Verdict::Leave,
            (
                Phase::Pending | Phase::Queued | Phase::Processing { .. } | Phase::Retrying { .. },
                Origin::MovedByQueue,
            ) if overdue_since(state).is_some_and(|since| since.plus(QUIET) <= now) => {
                Verdict::GiveUp
            }
            (
                Phase::Pending | Phase::Queued | Phase::Processing { .. } | Phase::Retrying { .. },
                Origin::MovedByQueue,
            ) => Verdict::Leave,
        }
    }
}

/// Since when a worker could have moved the message on; nothing for a final one. A message for which this
/// is long ago has no copy in the queue any more, or nobody who reads it.
pub fn overdue_since(state: &State) -> Option<Timestamp> {
    match &state.phase {
        Phase::Pending | Phase::Queued => Some(state.updated_at),
        Phase::Processing { lease_until, .. } => Some(*lease_until),
        Phase::Retrying { not_before } => Some(*not_before),
        Phase::Delivered | Phase::Dead { .. } | Phase::Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::body::Body;
    use crate::destination::{Method, Target};
    use crate::fingerprint::Fingerprint;
    use crate::headers::Headers;
    use crate::identity::{AcceptedId, CorrelationId, LeaseId, MessageId, SenderId};
    use crate::message::Message;
    use crate::ports::Receipt;
    use bytes::Bytes;
    use expect_test::{Expect, expect};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn ago(wait: Duration) -> Timestamp {
        NOW.minus(wait)
    }

    fn message() -> Message {
        let (sender_id, message_id) =
            (SenderId::parse("s").unwrap(), MessageId::parse("m").unwrap());
        let target = Target::parse("https://example.com/").unwrap();
        let body = Body::Inline(Bytes::from_static(b"{}"));
        let headers = Headers::default();
        Message {
            id: RelayId::of(&sender_id, &message_id),
            accepted_id: AcceptedId::from_random([1; 16]),
            fingerprint: Fingerprint::of(Method::Post, &target, &headers, body.sha256(), None),
            correlation_id: CorrelationId::parse("c").unwrap(),
            created_at: Timestamp::from_millis(0),
            expires_at: NOW.plus(Duration::from_secs(1)),
            method: Method::Post,
            timestamp: None,
            sender_id,
            message_id,
            target,
            headers,
            body,
        }
    }

    /// The message in its generation 1, in this phase since so long.
    fn found(phase: Phase, since: Duration) -> Found {
        let message = message();
        let life = Life { generation: Generation(1), ..message.first_life() };
        let mut state = State::unwritten(life, ago(since));
        state.phase = phase;
        Found { message, state }
    }

    fn dead(buried: bool) -> Phase {
        Phase::Dead { reason: DeadReason::Gone, buried }
    }

    fn held_until(lease_until: Timestamp) -> Phase {
        Phase::Processing { lease_id: LeaseId::from_random([2; 16]), lease_until }
    }

    fn letter(generation: u32, marked: Option<&str>, moved_by_queue: bool) -> Letter {
        let message = message();
        let life = Life { generation: Generation(generation), ..message.first_life() };
        let mark = marked.map(|mark| (DEAD_LETTER_ATTRIBUTE.to_owned(), mark.to_owned()));
        Letter {
            receipt: Receipt("r".to_owned()),
            text: Envelope::of(&message, life, message.body.clone()).to_json(),
            attributes: mark.into_iter().collect(),
            moved_by_queue,
        }
    }

    #[test]
    fn f20_f22_what_a_record_asks_for_waits_for_whoever_is_about_to_do_it() {
        let millisecond = Duration::from_millis(1);
        let due = |phase, since| format!("{:?}", Due::of(&found(phase, since).state, NOW));
        assert_eq!(due(dead(false), BURIAL_GRACE), "Bury(Gone)");
        assert_eq!(due(dead(false), BURIAL_GRACE - millisecond), "Nothing");
        assert_eq!(due(dead(true), BURIAL_GRACE), "Nothing");
        assert_eq!(due(Phase::Pending, SENDING_GRACE), "Send");
        assert_eq!(due(Phase::Pending, SENDING_GRACE - millisecond), "Nothing");
        let long_ago = Duration::from_secs(900_000);
        for phase in [
            Phase::Queued,
            held_until(ago(long_ago)),
            Phase::Retrying { not_before: ago(long_ago) },
            Phase::Delivered,
            Phase::Cancelled,
        ] {
            assert_eq!(due(phase, long_ago), "Nothing");
        }
        // It may be in the queue with that not noted, or its acceptance was cut off, which whoever sent it
        // finishes. Neither is told apart from here, and both are in no index.
        let mut first = found(Phase::Pending, long_ago).state;
        first.life.generation = Generation(0);
        assert_eq!(Due::of(&first, NOW), Due::Nothing);
    }

    #[test]
    fn a_letter_says_whose_it_is_or_is_left_alone() {
        let read = |letter: &Letter| {
            DeadCopy::of(letter).map(|copy| (copy.life.generation.0, copy.origin))
        };
        assert_eq!(read(&letter(1, Some("1"), false)), Some((1, Origin::Buried)));
        assert_eq!(read(&letter(1, None, true)), Some((1, Origin::MovedByQueue)));
        // The mark counts, whoever moved it.
        assert_eq!(read(&letter(1, Some("0"), true)), Some((0, Origin::Buried)));
        assert_eq!(read(&letter(1, None, false)), None);
        assert_eq!(read(&letter(1, Some("one"), true)), None);
        for text in ["", "{}", "{\"v\":1}", "not an envelope"] {
            let odd = Letter { text: text.to_owned(), ..letter(1, Some("1"), true) };
            assert_eq!(read(&odd), None, "{text}");
        }
        // Enough of an unreadable one may be left to say so.
        let mut torn = letter(1, Some("1"), false);
        torn.text = torn.text.replace("bodyJson", "bodyOfAnotherKind");
        assert_eq!(read(&torn), Some((1, Origin::Buried)));
    }

    fn check(found: Option<&Found>, generation: u32, expected: Expect) {
        let mut told = String::new();
        for (mark, moved) in [(Some(generation.to_string()), false), (None, true)] {
            let copy = DeadCopy::of(&letter(generation, mark.as_deref(), moved)).unwrap();
            told.push_str(&format!("{:?}: {:?}  ", copy.origin, copy.judge(found, NOW)));
        }
        expected.assert_eq(told.trim_end());
    }

    #[test]
    fn f20_f21_every_letter_has_its_verdict() {
        let second = Duration::from_secs(1);
        let of = |phase, since| Some(found(phase, since));
        let check = |found: Option<Found>, expected| check(found.as_ref(), 1, expected);
        check(None, expect!["Buried: Leave  MovedByQueue: Leave"]);
        check(of(dead(true), second), expect!["Buried: Leave  MovedByQueue: Remove"]);
        check(of(dead(false), second), expect!["Buried: NoteBurial  MovedByQueue: Replace(Gone)"]);
        check(of(Phase::Delivered, second), expect!["Buried: Remove  MovedByQueue: Remove"]);
        check(of(Phase::Cancelled, second), expect!["Buried: Remove  MovedByQueue: Remove"]);
        check(of(Phase::Pending, QUIET), expect!["Buried: Leave  MovedByQueue: GiveUp"]);
        check(of(Phase::Queued, QUIET), expect!["Buried: Leave  MovedByQueue: GiveUp"]);
        check(of(Phase::Queued, QUIET - second), expect!["Buried: Leave  MovedByQueue: Leave"]);
        check(of(held_until(ago(QUIET)), QUIET), expect!["Buried: Leave  MovedByQueue: GiveUp"]);
        let live = held_until(NOW.plus(second));
        check(of(live, QUIET), expect!["Buried: Leave  MovedByQueue: Leave"]);
        let just_ended = held_until(ago(second));
        check(of(just_ended, QUIET), expect!["Buried: Leave  MovedByQueue: Leave"]);
        let waiting = |not_before| Phase::Retrying { not_before };
        check(of(waiting(ago(QUIET)), QUIET), expect!["Buried: Leave  MovedByQueue: GiveUp"]);
        let later = waiting(NOW.plus(second));
        check(of(later, QUIET), expect!["Buried: Leave  MovedByQueue: Leave"]);
    }

    #[test]
    fn f22_letters_of_other_lives_follow_the_record() {
        for phase in [Phase::Pending, Phase::Queued, dead(true), dead(false), Phase::Delivered] {
            let found = found(phase, QUIET);
            check(Some(&found), 0, expect!["Buried: Remove  MovedByQueue: Remove"]);
            check(Some(&found), 2, expect!["Buried: Leave  MovedByQueue: Leave"]);
            let mut another = found;
            another.state.life.accepted_id = AcceptedId::from_random([9; 16]);
            check(Some(&another), 0, expect!["Buried: Leave  MovedByQueue: Leave"]);
        }
    }

    #[test]
    fn f43_a_message_is_overdue_since_a_worker_could_have_moved_it_on() {
        let since = |phase| overdue_since(&found(phase, Duration::from_secs(9)).state);
        let (then, updated_at) = (ago(Duration::from_secs(5)), ago(Duration::from_secs(9)));
        assert_eq!(since(Phase::Pending), Some(updated_at));
        assert_eq!(since(Phase::Queued), Some(updated_at));
        assert_eq!(since(held_until(then)), Some(then));
        assert_eq!(since(Phase::Retrying { not_before: then }), Some(then));
        for phase in [Phase::Delivered, dead(true), dead(false), Phase::Cancelled] {
            assert_eq!(since(phase), None);
        }
    }
}
