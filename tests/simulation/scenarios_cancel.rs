//! Worlds in which messages are cancelled while they are queued, attempted and retried. That nothing follows what was
//! said to be cancelled is an invariant, and checked in them as in any other world.

use std::time::Duration;

use relay_core::lifecycle::Status;
use relay_testkit::faults::Fate;

use crate::plan::{Behaviour, Plan};
use crate::scenarios::{SEEDS, lived, statuses, world};
use crate::world::Outcome;

/// Messages that are about for a while, cancelled at every turn.
fn cancelled() -> Plan {
    let down = Behaviour::Down(Duration::from_secs(400));
    let slow = Behaviour::Slow(Duration::from_secs(8));
    let behaviours = [Behaviour::Says(503), down, Behaviour::Flaky, slow, Behaviour::Takes];
    let mut plan = world(behaviours);
    for (number, planned) in (0..).zip(&mut plan.messages) {
        planned.posters[0].0 = Duration::from_secs(number * 7);
    }
    plan.rules.retry.attempts_max = 5;
    Plan { withdrawals: 1000, worker_hosts: 2, ..plan }
}

/// How many were cancelled; all have come to an end.
fn ended(outcome: &Outcome, seed: u64) -> usize {
    let statuses = statuses(outcome);
    assert!(statuses.len() == 5 && statuses.iter().all(|status| status.is_final()), "seed {seed}");
    statuses.iter().filter(|status| **status == Status::Cancelled).count()
}

#[test]
fn f47_a_cancellation_and_a_claim_have_one_winner() {
    let mut cancellations = 0;
    for seed in 0..SEEDS {
        let outcome = lived(Plan { slow: 1000, source_faults: 200, ..cancelled() }, seed);
        cancellations += ended(&outcome, seed);
    }
    assert!(cancellations > 20, "{cancellations}");
}

#[test]
fn f47_a_cancellation_whose_answer_is_lost_or_late_is_repeated() {
    let fates = [
        Fate::Unanswered,
        Fate::Twice,
        Fate::Late(Duration::from_secs(9)),
        Fate::Echoed(Duration::from_secs(20)),
    ];
    let mut cancellations = 0;
    for seed in 0..SEEDS / 4 {
        for fate in fates {
            let forced = vec![("cancel", 6, fate), ("claim", 3, fate)];
            let outcome = lived(Plan { forced, deaths: 200, ..cancelled() }, seed);
            cancellations += ended(&outcome, seed);
        }
    }
    assert!(cancellations > 20, "{cancellations}");
}

#[test]
fn f47_what_is_cancelled_in_lean_tracking_was_tried_before() {
    let mut cancellations = 0;
    for seed in 0..SEEDS {
        let outcome = lived(Plan { slow: 300, ..cancelled().leanly() }, seed);
        cancellations += ended(&outcome, seed);
        for (state, calls) in outcome.messages.iter().flatten() {
            let was_tried = state.phase.status() != Status::Cancelled || *calls > 0;
            assert!(was_tried, "seed {seed}: cancelled before its first outcome");
        }
    }
    assert!(cancellations > 10, "{cancellations}");
}

#[test]
fn f47_a_redriven_message_can_be_cancelled_and_leaves_no_letter() {
    let mut later = 0;
    for seed in 0..SEEDS {
        let plan = world((0..4).map(|_| Behaviour::Says(503)));
        let outcome = lived(Plan { withdrawals: 300, wishes: 900, ..plan }, seed);
        let cancelled = outcome.messages.iter().flatten();
        later += cancelled
            .filter(|(state, _)| {
                state.phase.status() == Status::Cancelled && state.life.generation.0 > 0
            })
            .count();
    }
    assert!(later > 0, "none was cancelled after a redrive");
}
