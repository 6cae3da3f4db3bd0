//! Short histories, each with what comes of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use expect_test::{Expect, expect};

mod later;

use super::*;
use crate::attempt::SETTLE_TIME;
use crate::body::Body;
use crate::destination::{Method, Target};
use crate::fingerprint::Fingerprint;
use crate::headers::Headers;
use crate::identity::{AcceptedId, CorrelationId, LeaseId, MessageId, SenderId};
use crate::lifecycle::Phase;
use crate::outcome::{AttemptRecord, DeadReason};

const A: Host = Host(1);
const B: Host = Host(2);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + millis)
}

fn message() -> Message {
    let sender_id = SenderId::parse("test").unwrap();
    let message_id = MessageId::parse("m").unwrap();
    let target = Target::parse("https://api.example.com/").unwrap();
    let headers = Headers::parse([("x-a", "1")]).unwrap();
    let body = Body::Inline(Bytes::from_static(b"{}"));
    Message {
        id: RelayId::of(&sender_id, &message_id),
        sender_id,
        message_id,
        accepted_id: AcceptedId::from_random([1; 16]),
        fingerprint: Fingerprint::of(Method::Post, &target, &headers, body.sha256(), None),
        target,
        method: Method::Post,
        headers,
        body,
        timestamp: None,
        correlation_id: CorrelationId::parse("c").unwrap(),
        created_at: at(0),
        expires_at: at(100_000_000),
    }
}

/// A history that goes on until something breaks.
struct Told {
    history: History,
    broken: Option<Violation>,
    clock: u64,
}

impl Told {
    fn new(clock_difference: Duration) -> Self {
        Self::bound(clock_difference, false)
    }

    fn bound(clock_difference: Duration, lean: bool) -> Self {
        let bounds = Bounds {
            attempts_max: 2,
            deadline: Duration::from_secs(3600),
            delay_max: Duration::from_secs(900),
            clock_difference,
            reconciled: true,
            lean,
        };
        Self { history: History::new(bounds), broken: None, clock: 0 }
    }

    /// One message, accepted and in the queue.
    fn queued() -> Self {
        Self::new(Duration::ZERO).posted().recorded().copied().written(Phase::Queued, 0).accepted()
    }

    /// The same where first attempts are made without a claim, with so many copies.
    fn lean(copies: u32) -> Self {
        let told = Self::bound(Duration::ZERO, true).posted().recorded();
        (0..copies).fold(told, |told, _| told.copied()).accepted()
    }

    fn see(mut self, seen: &Observed) -> Self {
        self.clock += 1;
        if self.broken.is_none() {
            self.broken = self.history.observe(at(self.clock), seen).err();
        }
        self
    }

    fn posted(self) -> Self {
        let body = message().body.sha256();
        self.see(&Observed::Posted { post: 1, id: message().id, body })
    }

    fn recorded(self) -> Self {
        self.see(&Observed::Recorded(Box::new(message())))
    }

    fn copied(self) -> Self {
        self.see(&Observed::Queued { id: message().id, life: message().first_life(), fresh: true })
    }

    fn deleted(self) -> Self {
        self.see(&Observed::Unqueued { id: message().id, life: message().first_life() })
    }

    fn accepted(self) -> Self {
        self.see(&Observed::Answered { post: 1, id: message().id, answer: Answer::Accepted })
    }

    fn written_by(self, by: Host, lease: u8, phase: Phase, attempts: u32) -> Self {
        let now = at(self.clock);
        let last_lease_id = Some(LeaseId::from_random([lease; 16]));
        let life = message().first_life();
        let state = State { phase, attempts, last_lease_id, ..State::unwritten(life, now) };
        self.see(&Observed::Written { by, id: message().id, state: Box::new(state) })
    }

    fn written(self, phase: Phase, attempts: u32) -> Self {
        self.written_by(A, 1, phase, attempts)
    }

    /// Set going again after its end, with a copy of the new life in the queue.
    fn redriven(self) -> Self {
        let first = message().first_life();
        let life = Life { generation: first.generation.next(), ..first };
        let state = State::unwritten(life.clone(), at(self.clock));
        let id = message().id;
        let told = self.see(&Observed::Written { by: A, id: id.clone(), state: Box::new(state) });
        told.see(&Observed::Queued { id, life, fresh: true })
    }

    fn claimed(self, by: Host, lease: u8, attempts: u32, millis: u64) -> Self {
        let lease_until = at(self.clock + millis);
        let lease_id = LeaseId::from_random([lease; 16]);
        self.written_by(by, 0, Phase::Processing { lease_id, lease_until }, attempts)
    }

    fn called(self, by: Host, attempt: u32) -> Self {
        let body = message().body.sha256();
        self.see(&Observed::Called { by, id: message().id, attempt, body })
    }

    fn returned(self, by: Host, attempt: u32, status: u16) -> Self {
        let result = Some(Ok(status));
        self.see(&Observed::Returned { by, id: message().id, attempt, result })
    }

    fn settled(self, lease: u8, phase: Phase, attempts: u32, status: u16) -> Self {
        let now = at(self.clock);
        let outcome = AttemptRecord {
            attempt: attempts,
            generation: message().first_life().generation,
            at: now,
            status: Some(status),
            error: None,
            millis: 1,
            answer: String::new(),
        };
        let last_lease_id = Some(LeaseId::from_random([lease; 16]));
        let life = message().first_life();
        let outcomes = vec![outcome];
        let state =
            State { phase, attempts, last_lease_id, outcomes, ..State::unwritten(life, now) };
        self.see(&Observed::Written { by: A, id: message().id, state: Box::new(state) })
    }

    fn withdrawn(self) -> Self {
        self.see(&Observed::Withdrawn { id: message().id })
    }

    fn buried(self) -> Self {
        self.see(&Observed::Buried { id: message().id, life: message().first_life() })
    }

    fn ends(self, expected: Expect) {
        let at_rest = self.history.at_rest(at(self.clock));
        let broken = self.broken.or(at_rest.err());
        expected.assert_eq(&broken.map_or("holds".to_owned(), |broken| broken.to_string()));
    }
}

fn dead(buried: bool) -> Phase {
    Phase::Dead { reason: DeadReason::Gone, buried }
}

#[test]
fn a_delivery_holds() {
    let told = Told::queued().claimed(A, 1, 1, 90_000).called(A, 1).returned(A, 1, 200);
    told.written(Phase::Delivered, 1).deleted().ends(expect!["holds"]);
}

#[test]
fn acceptances_are_held_to_what_they_say() {
    let fresh = || Told::new(Duration::ZERO).posted();
    fresh().ends(expect!["answers add up: a request has no answer"]);
    fresh().accepted().ends(expect!["record first: accepted without a record"]);
    fresh()
        .recorded()
        .accepted()
        .ends(expect!["nothing is stranded: PENDING, and no copy of it is left"]);
    fresh().recorded().copied().accepted().ends(expect!["accepted is durable: it ends as PENDING"]);
    Told::new(Duration::ZERO).recorded().ends(expect!["bytes are intact: the body of no request"]);
    fresh().copied().ends(expect!["record first: it has no record"]);
    Told::queued().accepted().ends(expect!["answers add up: a request was answered twice"]);
    Told::queued().recorded().ends(expect!["accepted is durable: recorded over a live record"]);
}

#[test]
fn attempts_are_held_to_their_claims() {
    Told::queued()
        .called(A, 1)
        .ends(expect!["attempts are due: a call for attempt 1 without a claim"]);
    let claimed = || Told::queued().claimed(A, 1, 1, 90_000);
    claimed().called(B, 1).ends(expect!["attempts are due: a call for attempt 1 without a claim"]);
    claimed()
        .called(A, 1)
        .called(A, 1)
        .ends(expect!["attempts are due: a call for attempt 1 without a claim"]);
    claimed()
        .called(A, 1)
        .deleted()
        .ends(expect!["nothing is stranded: PROCESSING, and no copy of it is left"]);
    claimed()
        .called(A, 1)
        .returned(A, 1, 500)
        .written(Phase::Delivered, 1)
        .ends(expect!["delivered was taken: no target said yes"]);
    claimed()
        .written(dead(false), 1)
        .called(A, 1)
        .ends(expect!["attempts are due: attempt 1 begins while the record is DEAD"]);
}

#[test]
fn a_second_call_needs_a_clock_that_is_far_ahead() {
    let overlapping = |clock_difference| {
        let told = Told::new(clock_difference).posted().recorded().copied().accepted();
        told.claimed(A, 1, 1, 1).called(A, 1).claimed(B, 2, 2, 90_000).called(B, 2)
    };
    overlapping(Duration::from_secs(1)).ends(expect!["one call at once: attempts 1 and 2"]);
    let told = overlapping(SETTLE_TIME).returned(A, 1, 200).returned(B, 2, 200);
    told.written_by(B, 2, Phase::Delivered, 2).deleted().ends(expect!["holds"]);
}

#[test]
fn a_late_yes_may_come_between_a_claim_and_its_call() {
    let told = Told::queued().claimed(A, 1, 1, 1).called(A, 1).returned(A, 1, 200);
    let told = told.claimed(B, 2, 2, 90_000).written_by(A, 1, Phase::Delivered, 2);
    told.called(B, 2).returned(B, 2, 200).deleted().ends(expect!["holds"]);
}

#[test]
fn a_claim_outlives_the_life_it_was_made_in_only_beside_a_clock_that_is_far_ahead() {
    let redriven = |clock_difference| {
        let told = Told::new(clock_difference).posted().recorded().copied().accepted();
        let told = told.claimed(A, 1, 1, 1).called(A, 1).returned(A, 1, 500);
        let told = told.claimed(B, 2, 2, 1).written(dead(false), 2).buried();
        told.written(dead(true), 2).redriven().called(B, 2)
    };
    redriven(Duration::from_secs(1))
        .ends(expect!["attempts are due: attempt 2 begins while the record is PENDING"]);
    let told = redriven(SETTLE_TIME).returned(B, 2, 200);
    told.ends(expect!["accepted is durable: it ends as PENDING"]);
}

#[test]
fn dead_letters_are_held_to_their_records() {
    let dying = || Told::queued().claimed(A, 1, 1, 90_000).called(A, 1).returned(A, 1, 410);
    dying().buried().ends(expect!["dead is buried: buried while PROCESSING"]);
    let died = || dying().written(dead(false), 1);
    died().deleted().ends(expect!["nothing is stranded: DEAD, and no copy of it is left"]);
    died().written(dead(true), 1).ends(expect!["dead is buried: noted as buried before it was"]);
    died().buried().ends(expect!["dead is buried: a burial that nobody noted"]);
    died().buried().deleted().ends(expect!["nothing is stranded: DEAD, and no copy of it is left"]);
    died().buried().written(dead(true), 1).deleted().ends(expect!["holds"]);
}
