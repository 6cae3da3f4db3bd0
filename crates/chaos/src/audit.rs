//! Judges what came of one message, from the answer its client got, the record, and the target.

use std::collections::BTreeSet;

use crate::client::{Posted, Shown, ShownOutcome};
use crate::mix::Message;
use crate::receiver::Arrival;

/// What came of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Its target took it and the record says so.
    Delivered,
    /// It was given up, for this reason.
    Dead(String),
    /// It was accepted, and the relay does not know it or says without ground that it was delivered.
    Lost,
    /// It was accepted, and nothing has become of it.
    Stuck(String),
    /// It was not accepted, so nothing had to come of it.
    NotAccepted,
}

/// A delivery that the record does not tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Which attempt's.
    pub attempt: u32,
    /// What the record says of that attempt; none if nothing that explains it.
    pub explanation: Option<String>,
}

/// All there is to say about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What came of it.
    pub verdict: Verdict,
    /// Deliveries beyond the one that the record tells of: doubles of a delivered message, and all of a
    /// dead one.
    pub extra: Vec<Extra>,
    /// Attempts that began while another one was under way, and nothing in the record explains it.
    pub overlapping: usize,
    /// Calls that did not carry the body that was sent.
    pub wrong_bodies: usize,
}

/// What explains a double where first attempts are made without a claim.
const UNCLAIMED: &str = "unclaimed";

/// Judges one message. In lean status tracking first attempts are made without a claim: any number of them may arrive,
/// beside each other and beside what is claimed. What is lost is lost there as well.
#[must_use]
pub fn judge(
    message: &Message,
    posted: &Posted,
    shown: Option<&Shown>,
    arrivals: &[Arrival],
    lean: bool,
) -> Finding {
    let taken = arrivals.iter().filter(|call| is_success(call.status));
    let mut extra = extra(taken.clone().map(|call| call.attempt), shown);
    for one in extra.iter_mut().filter(|one| lean && one.attempt == 1) {
        one.explanation.get_or_insert_with(|| UNCLAIMED.to_owned());
    }
    let verdict = match (posted, shown) {
        (Posted::Refused(_), _) | (Posted::Unknown, None) => Verdict::NotAccepted,
        (Posted::Accepted, None) => Verdict::Lost,
        (_, Some(shown)) => match (shown.status.as_str(), &shown.reason) {
            ("DELIVERED", _) if taken.count() > 0 => Verdict::Delivered,
            ("DELIVERED", _) => Verdict::Lost,
            ("DEAD", reason) => Verdict::Dead(reason.clone().unwrap_or_default()),
            // Without a definite answer, a message may stay where its acceptance stopped.
            ("PENDING", _) if *posted == Posted::Unknown => Verdict::NotAccepted,
            (status, _) => Verdict::Stuck(status.to_owned()),
        },
    };
    let has_unclaimed = lean && arrivals.iter().any(|call| call.attempt == 1);
    let overlaps = arrivals.iter().filter(|call| call.overlaps && !has_unclaimed);
    Finding {
        overlapping: overlaps.filter(|_| !has_lost_attempt(shown)).count(),
        wrong_bodies: arrivals.iter().filter(|it| it.body_sha256 != message.body_sha256).count(),
        verdict,
        extra,
    }
}

fn is_success(status: Option<u16>) -> bool {
    status.is_some_and(|status| (200..300).contains(&status))
}

/// The outcomes of the last generation: targets say yes in no other, so no other explains a double.
fn last_outcomes(shown: &Shown) -> impl Iterator<Item = &ShownOutcome> {
    shown.outcomes.iter().filter(|outcome| outcome.generation == shown.generation)
}

/// Whether a worker was lost in the middle of an attempt.
fn has_lost_attempt(shown: Option<&Shown>) -> bool {
    shown
        .is_some_and(|shown| shown.outcomes.iter().any(|it| it.error.as_deref() == Some("unknown")))
}

/// The deliveries beyond the one that the record tells of. `taken` are the attempts that the target
/// said yes to, in their order.
fn extra(taken: impl Iterator<Item = u32>, shown: Option<&Shown>) -> Vec<Extra> {
    let outcomes: Vec<&ShownOutcome> = shown.into_iter().flat_map(last_outcomes).collect();
    let told = |attempt| {
        outcomes.iter().any(|outcome| outcome.attempt == attempt && is_success(outcome.status))
    };
    let mut has_told = false;
    let mut seen = BTreeSet::new();
    let mut extra = Vec::new();
    for attempt in taken {
        let is_first_call = seen.insert(attempt);
        if !has_told && told(attempt) {
            has_told = true;
            continue;
        }
        let lost = outcomes.iter().filter(|outcome| outcome.attempt == attempt);
        let lost = lost.filter_map(|outcome| outcome.error.clone()).next();
        // An attempt calls once; a second call of the same one is explained by nothing.
        extra.push(Extra { attempt, explanation: lost.filter(|_| is_first_call) });
    }
    extra
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::Kind;

    fn outcome(attempt: u32, status: Option<u16>, error: Option<&str>) -> ShownOutcome {
        ShownOutcome { generation: 0, attempt, status, error: error.map(str::to_owned) }
    }

    fn shown(status: &str, outcomes: Vec<ShownOutcome>) -> Shown {
        let reason = (status == "DEAD").then(|| "attempts_exhausted".to_owned());
        Shown { status: status.to_owned(), reason, generation: 0, outcomes }
    }

    fn call(attempt: u32, status: u16) -> Arrival {
        Arrival {
            attempt,
            body_sha256: "b".to_owned(),
            status: Some(status),
            overlaps: false,
            ended_at: None,
        }
    }

    fn judged(posted: Posted, shown: Option<Shown>, arrivals: &[Arrival]) -> Finding {
        judged_as(posted, shown, arrivals, false)
    }

    fn judged_as(
        posted: Posted,
        shown: Option<Shown>,
        arrivals: &[Arrival],
        lean: bool,
    ) -> Finding {
        let message = Message {
            id: "msg_1".to_owned(),
            kind: Kind::Ok,
            request: String::new(),
            body_sha256: "b".to_owned(),
        };
        judge(&message, &posted, shown.as_ref(), arrivals, lean)
    }

    #[test]
    fn one_delivery_that_the_record_tells_of_is_all_that_is_wanted() {
        let record =
            shown("DELIVERED", vec![outcome(1, Some(503), None), outcome(2, Some(200), None)]);
        let found = judged(Posted::Accepted, Some(record), &[call(1, 503), call(2, 200)]);
        assert_eq!((found.verdict, found.extra), (Verdict::Delivered, vec![]));
    }

    #[test]
    fn what_was_accepted_and_is_nowhere_is_lost() {
        assert_eq!(judged(Posted::Accepted, None, &[]).verdict, Verdict::Lost);
        let told = shown("DELIVERED", vec![outcome(1, Some(200), None)]);
        assert_eq!(judged(Posted::Accepted, Some(told), &[call(1, 503)]).verdict, Verdict::Lost);
        let waiting = Verdict::Stuck("QUEUED".to_owned());
        assert_eq!(judged(Posted::Accepted, Some(shown("QUEUED", vec![])), &[]).verdict, waiting);
        assert_eq!(judged(Posted::Unknown, None, &[]).verdict, Verdict::NotAccepted);
    }

    #[test]
    fn a_second_delivery_is_explained_by_the_record_of_the_first_or_not_at_all() {
        let lost = || outcome(1, None, Some("unknown"));
        let record = shown("DELIVERED", vec![lost(), outcome(2, Some(200), None)]);
        let found = judged(Posted::Accepted, Some(record.clone()), &[call(1, 200), call(2, 200)]);
        let explained = Extra { attempt: 1, explanation: Some("unknown".to_owned()) };
        assert_eq!(found.extra, std::slice::from_ref(&explained));

        let twice = [call(1, 200), call(1, 200), call(2, 200)];
        let found = judged(Posted::Accepted, Some(record), &twice);
        let unexplained = |attempt| Extra { attempt, explanation: None };
        assert_eq!(found.extra, [explained, unexplained(1)]);

        let record = shown("DELIVERED", vec![outcome(1, Some(200), None)]);
        let found = judged(Posted::Accepted, Some(record), &[call(1, 200), call(2, 200)]);
        assert_eq!(found.extra, [unexplained(2)]);
    }

    #[test]
    fn where_tracking_is_lean_first_attempts_may_double_and_nothing_may_be_lost() {
        let lean = |shown, arrivals: &[Arrival]| judged_as(Posted::Accepted, shown, arrivals, true);
        let record = || Some(shown("DELIVERED", vec![outcome(1, Some(200), None)]));
        let mut beside = call(1, 200);
        beside.overlaps = true;
        let found = lean(record(), &[call(1, 200), beside]);
        let explained = Extra { attempt: 1, explanation: Some(UNCLAIMED.to_owned()) };
        assert_eq!((found.extra, found.overlapping), (vec![explained], 0));
        // Later attempts are claimed in lean tracking as well.
        let found = lean(record(), &[call(1, 200), call(2, 200)]);
        assert_eq!(found.extra, [Extra { attempt: 2, explanation: None }]);
        assert_eq!(lean(record(), &[call(1, 503)]).verdict, Verdict::Lost);
        assert_eq!(lean(None, &[]).verdict, Verdict::Lost);
    }

    #[test]
    fn a_target_that_took_a_dead_message_and_a_changed_body_are_noticed() {
        let record = shown("DEAD", vec![outcome(1, None, Some("unknown"))]);
        let mut changed = call(1, 200);
        changed.body_sha256 = "c".to_owned();
        let found = judged(Posted::Accepted, Some(record), &[changed]);
        assert_eq!(found.extra.len(), 1);
        assert_eq!(found.wrong_bodies, 1);
        assert_eq!(found.verdict, Verdict::Dead("attempts_exhausted".to_owned()));
    }
}
