//! Histories of messages that are cancelled, and of such in lean status tracking.

use super::*;

#[test]
fn f47_what_is_cancelled_stays_so() {
    let cancelled = || Told::queued().written(Phase::Cancelled, 0).withdrawn();
    cancelled().deleted().ends(expect!["holds"]);
    Told::queued().withdrawn().ends(expect!["record first: cancelled, and it is QUEUED"]);
    cancelled().claimed(A, 1, 1, 90_000).ends(expect!["attempts are due: claimed after the end"]);
    cancelled()
        .called(A, 1)
        .ends(expect!["attempts are due: a call for attempt 1 without a claim"]);
    cancelled().buried().ends(expect!["dead is buried: buried while CANCELLED"]);
    cancelled().written(dead(false), 0).ends(expect![
        "states follow the table: CANCELLED (generation 0, attempts 0) becomes DEAD (generation 0, attempts 0) which nothing leads to"
    ]);
    let held = Told::queued().claimed(A, 1, 1, 90_000);
    held.written(Phase::Cancelled, 1).ends(expect![
        "states follow the table: PROCESSING (generation 0, attempts 1) becomes CANCELLED (generation 0, attempts 1) while somebody holds it"
    ]);
}

#[test]
fn a_first_attempt_may_go_unclaimed_where_tracking_is_lean() {
    let called = || Told::lean(1).called(A, 1);
    let taken = || called().returned(A, 1, 200).settled(1, Phase::Delivered, 1, 200);
    taken().deleted().ends(expect!["holds"]);
    called()
        .returned(A, 1, 410)
        .settled(1, dead(false), 1, 410)
        .buried()
        .ends(expect!["dead is buried: a burial that nobody noted"]);
    let wait = Phase::Retrying { not_before: at(10) };
    let failed = || called().returned(A, 1, 503).settled(1, wait.clone(), 1, 503);
    failed().deleted().ends(expect!["nothing is stranded: RETRYING, and no copy of it is left"]);
    let retried = failed().claimed(A, 2, 2, 90_000);
    retried.ends(expect!["attempts are due: claimed 3 ms early"]);
    // A worker died in it: the next attempt is claimed, and is the first that counts.
    called()
        .claimed(B, 2, 1, 90_000)
        .called(B, 1)
        .returned(B, 1, 200)
        .written_by(B, 2, Phase::Delivered, 1)
        .returned(A, 1, 200)
        .deleted()
        .ends(expect!["holds"]);
    called().called(B, 1).ends(expect!["attempts are due: a call for attempt 1 without a claim"]);
    called().called(A, 2).ends(expect!["attempts are due: a call for attempt 2 without a claim"]);
    // Each copy has one, even after the end.
    let late = Told::lean(2).called(A, 1).returned(A, 1, 200).settled(1, Phase::Delivered, 1, 200);
    late.called(B, 1).returned(B, 1, 200).deleted().deleted().ends(expect!["holds"]);
}

#[test]
fn a_settlement_without_a_claim_writes_over_nothing_that_was_begun() {
    let wait = || Phase::Retrying { not_before: at(10) };
    let held = || Told::lean(2).called(A, 1).claimed(B, 2, 1, 90_000).returned(A, 1, 503);
    held().settled(1, wait(), 1, 503).ends(expect![
        "states follow the table: PROCESSING (generation 0, attempts 1) becomes RETRYING (generation 0, attempts 1) by somebody who does not hold it"
    ]);
    let over = || {
        let told = Told::lean(2).called(A, 1).called(B, 1).returned(A, 1, 200);
        told.settled(1, Phase::Delivered, 1, 200).returned(B, 1, 410)
    };
    over().settled(2, dead(false), 1, 410).ends(expect![
        "states follow the table: DELIVERED (generation 0, attempts 1) becomes DEAD (generation 0, attempts 1) which nothing leads to"
    ]);
    let told = Told::lean(1).called(A, 1).returned(A, 1, 503);
    told.settled(1, Phase::Delivered, 1, 503)
        .ends(expect!["delivered was taken: no target said yes"]);
    let exhausted = Phase::Dead { reason: DeadReason::AttemptsExhausted, buried: false };
    let told = Told::lean(1).called(A, 1).returned(A, 1, 503);
    told.settled(1, exhausted, 1, 503).ends(expect!["attempts are bounded: given up after 1 of 2"]);
    // Where every attempt is claimed, nothing settles without one.
    let told = Told::queued().settled(1, wait(), 1, 503);
    told.ends(expect![
        "states follow the table: QUEUED (generation 0, attempts 0) becomes RETRYING (generation 0, attempts 1) with other attempts"
    ]);
}
