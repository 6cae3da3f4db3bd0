//! What is lost, what came twice, and since when time is counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const MOMENT: Duration = Duration::from_millis(5);

fn message(number: u64, lane: Lane) -> Message {
    Message { number, lane, bytes: 100 }
}

fn answer(tally: &Tally, number: u64, lane: Lane, verdict: Verdict) {
    tally.sends(1, Duration::ZERO);
    tally.answered([(message(number, lane), verdict)].into_iter(), MOMENT, MOMENT);
}

#[test]
fn lost_is_what_was_accepted_and_did_not_arrive() {
    let tally = Tally::of(10).unwrap();
    for number in 0..4 {
        answer(&tally, number, Lane::Sound, Verdict::Accepted);
    }
    answer(&tally, 4, Lane::Sound, Verdict::Refused(503));
    answer(&tally, 5, Lane::Sound, Verdict::Failed(Failure::Timeout));
    answer(&tally, 6, Lane::Dead, Verdict::Accepted);
    for number in [0, 1, 1, 1, 5] {
        tally.arrived(message(number, Lane::Sound), MOMENT, MOMENT);
    }
    tally.arrived(message(6, Lane::Dead), MOMENT, MOMENT);
    assert_eq!(tally.missing(), 2, "2 and 3");
    let counts = tally.counts(8, true);
    assert_eq!((counts.offered, counts.sent, counts.never_sent), (8, 7, 1));
    assert_eq!((counts.accepted, counts.accepted_ids), (5, 5));
    assert_eq!(counts.refused, BTreeMap::from([(503, 1)]));
    assert_eq!(counts.failed, BTreeMap::from([("timeout", 1)]));
    let expected = Delivery {
        expected_ids: 4,
        delivered_ids: 3,
        delivered_once: 2,
        delivered_more_than_once: 1,
        delivered_again: 2,
        lost: 2,
        delivered_unconfirmed: 1,
        wrong_bodies: 0,
        foreign: 0,
        dead_target_calls: 1,
    };
    assert_eq!(counts.delivery, Some(expected));
    assert_eq!(tally.counts(8, false).delivery, None);
}

#[test]
fn a_repeated_id_is_expected_once() {
    let tally = Tally::of(10).unwrap();
    answer(&tally, 3, Lane::Sound, Verdict::Accepted);
    answer(&tally, 3, Lane::Sound, Verdict::Duplicate);
    // Its first answer was lost, but the second says that the relay has it.
    answer(&tally, 4, Lane::Sound, Verdict::Failed(Failure::Broken));
    answer(&tally, 4, Lane::Sound, Verdict::Duplicate);
    tally.arrived(message(3, Lane::Sound), MOMENT, MOMENT);
    let counts = tally.counts(4, true);
    assert_eq!((counts.accepted, counts.duplicates, counts.accepted_ids), (1, 2, 2));
    let delivery = counts.delivery.unwrap();
    assert_eq!((delivery.delivered_ids, delivery.delivered_again, delivery.lost), (1, 0, 1));
}

#[test]
fn an_arrival_before_the_answer_is_no_loss() {
    let tally = Tally::of(10).unwrap();
    tally.arrived(message(0, Lane::Slow), MOMENT, MOMENT);
    assert_eq!(tally.counts(1, true).delivery.unwrap().delivered_unconfirmed, 1);
    answer(&tally, 0, Lane::Slow, Verdict::Accepted);
    let delivery = tally.counts(1, true).delivery.unwrap();
    assert_eq!((delivery.delivered_unconfirmed, delivery.lost), (0, 0));
    assert_eq!((tally.end_to_end.summary().count, tally.end_to_end_slow.summary().count), (0, 1));
}

#[test]
fn strange_bodies_are_apart() {
    let tally = Tally::of(1).unwrap();
    tally.strange(true);
    tally.strange(false);
    let delivery = tally.counts(0, true).delivery.unwrap();
    assert_eq!((delivery.foreign, delivery.wrong_bodies), (1, 1));
}
