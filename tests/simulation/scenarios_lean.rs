//! Worlds in lean status tracking, and worlds that keep no bodies beside the queue, with one thing going wrong on
//! purpose.

use std::time::Duration;

use relay_core::identity::Generation;
use relay_core::lifecycle::{Phase, Status};
use relay_core::outcome::DeadReason;
use relay_testkit::faults::Fate;

use crate::plan::{Behaviour, Plan};
use crate::scenarios::{SEEDS, lived, only, statuses, world};
use crate::world::Outcome;

fn lean(behaviours: impl IntoIterator<Item = Behaviour>) -> Plan {
    world(behaviours).leanly()
}

fn calls(outcome: &Outcome) -> Vec<u32> {
    outcome.messages.iter().flatten().map(|(_, calls)| *calls).collect()
}

#[test]
fn lean_worlds_in_which_nothing_goes_wrong_make_the_calls_of_full_ones() {
    for seed in 0..SEEDS {
        let behaviours = [
            Behaviour::Takes,
            Behaviour::Says(410),
            Behaviour::Says(503),
            Behaviour::Asks(503, "40"),
            Behaviour::Hangs,
        ];
        let outcome = lived(lean(behaviours), seed);
        assert_eq!(calls(&outcome), [1, 1, 3, 2, 3], "seed {seed}");
        let states = outcome.messages.iter().flatten();
        let attempts: Vec<u32> = states.map(|(state, _)| state.attempts).collect();
        assert_eq!(attempts, [1, 1, 3, 2, 3], "seed {seed}");
    }
}

#[test]
fn f02_a_lean_send_that_is_made_twice_may_be_called_twice() {
    for fate in [Fate::Unanswered, Fate::Late(Duration::from_secs(7)), Fate::Twice] {
        let plan = Plan { forced: vec![("send", 1, fate)], ..lean([Behaviour::Takes]) };
        let outcome = lived(plan, 1);
        let (state, calls) = only(&outcome);
        assert_eq!((&state.phase, outcome.accepted), (&Phase::Delivered, 1), "{fate:?}");
        assert!((1..=2).contains(&calls), "{fate:?}: {calls}");
    }
}

#[test]
fn f08_f38_a_lean_item_that_is_handed_out_twice_is_claimed_the_second_time() {
    for seed in 0..SEEDS {
        let behaviours = [Behaviour::Asks(500, "0"), Behaviour::Takes, Behaviour::Says(404)];
        let plan = Plan { source_faults: 300, worker_hosts: 4, batch: 2, ..lean(behaviours) };
        let outcome = lived(plan, seed);
        let [delivered, dead] = [Status::Delivered, Status::Dead];
        assert_eq!(statuses(&outcome), [delivered, delivered, dead], "seed {seed}");
    }
}

#[test]
fn f09_a_worker_that_dies_in_an_unclaimed_attempt_costs_one_attempt_more() {
    let kills = vec![Duration::from_secs(3)];
    let plan = Plan { kills, ..lean([Behaviour::Slow(Duration::from_secs(6))]) };
    let outcome = lived(plan, 1);
    let (state, calls) = only(&outcome);
    // The record never heard of the first.
    assert_eq!((&state.phase, state.attempts, calls), (&Phase::Delivered, 1, 2));
}

#[test]
fn f09_a_message_that_kills_every_worker_is_dead_after_one_attempt_more() {
    let kills = (0..400).map(|number| Duration::from_secs(3 + number * 30)).collect();
    let mut plan = Plan { kills, ..lean([Behaviour::Hangs]) };
    plan.rules.timeout = Duration::from_secs(60);
    plan.rules.lease = Duration::from_secs(90);
    let outcome = lived(plan, 1);
    let (state, calls) = only(&outcome);
    let reason = DeadReason::AttemptsExhausted;
    assert_eq!((&state.phase, state.attempts), (&Phase::Dead { reason, buried: true }, 3));
    assert_eq!(calls, 4);
}

#[test]
fn f10_a_lean_answer_that_nobody_could_note_is_asked_for_again() {
    for seed in 0..SEEDS {
        let forced = vec![("settle_all", 5, Fate::Lost), ("settle", 5, Fate::Lost)];
        let plan = Plan { forced, ..lean([Behaviour::Takes]) };
        let outcome = lived(plan, seed);
        let (state, calls) = only(&outcome);
        assert_eq!(state.phase, Phase::Delivered, "seed {seed}");
        assert!((2..=4).contains(&calls), "seed {seed}: {calls}");
    }
}

#[test]
fn f36_a_lean_settlement_that_meets_itself_counts_once() {
    for seed in 0..SEEDS {
        let twice = ["settle_all", "settle", "record", "claim"];
        let forced = twice.map(|call| (call, usize::MAX, Fate::Twice)).to_vec();
        let behaviours = [Behaviour::Asks(503, "1"), Behaviour::Says(410), Behaviour::Takes];
        let outcome = lived(Plan { forced, ..lean(behaviours) }, seed);
        assert_eq!(calls(&outcome), [2, 1, 1], "seed {seed}");
    }
}

#[test]
fn f39_a_lean_settlement_that_comes_late_overwrites_nothing() {
    let slow = Behaviour::Slow(Duration::from_secs(9));
    for seed in 0..SEEDS {
        for fate in [Fate::Late(Duration::from_secs(20)), Fate::Echoed(Duration::from_secs(20))] {
            let forced = ["settle_all", "settle"].map(|call| (call, 6, fate)).to_vec();
            let behaviours = [slow.clone(), Behaviour::Says(503), Behaviour::Says(410)];
            let plan = Plan { forced, wishes: 300, worker_hosts: 3, ..lean(behaviours) };
            let outcome = lived(plan, seed);
            let [delivered, dead] = [Status::Delivered, Status::Dead];
            assert_eq!(statuses(&outcome), [delivered, dead, dead], "seed {seed}");
        }
    }
}

#[test]
fn f15_f32_lean_and_full_workers_side_by_side() {
    for seed in 0..SEEDS {
        let behaviours = [Behaviour::Takes, Behaviour::Asks(503, "1"), Behaviour::Says(503)];
        let plan = Plan { full_workers: 500, worker_hosts: 4, ..lean(behaviours) };
        let outcome = lived(plan, seed);
        let [delivered, dead] = [Status::Delivered, Status::Dead];
        assert_eq!(statuses(&outcome), [delivered, delivered, dead], "seed {seed}");
        assert_eq!(calls(&outcome), [1, 2, 3], "seed {seed}");
    }
}

#[test]
fn f20_f22_what_dies_without_a_kept_body_is_redriven_with_the_right_bytes() {
    let mut generations = 0;
    for seed in 0..SEEDS {
        let behaviours = [Behaviour::Says(410), Behaviour::Flaky, Behaviour::Says(503)];
        let mut plan = world(behaviours).unretained();
        for (planned, body_bytes) in plan.messages.iter_mut().zip([20, 600, 1500]) {
            planned.body_bytes = body_bytes;
        }
        let forced = vec![
            ("put", 2, Fate::Lost),
            ("put", 1, Fate::Unanswered),
            ("bury", 2, Fate::Unanswered),
        ];
        let outcome = lived(Plan { wishes: 900, deaths: 200, forced, ..plan }, seed);
        let states = outcome.messages.iter().flatten();
        generations += states.map(|(state, _)| state.life.generation.0).sum::<u32>();
    }
    assert!(generations > 100, "{generations}");
}

#[test]
fn f21_what_the_queue_gives_up_leaves_its_body_though_none_was_kept() {
    let mut redriven = 0;
    for seed in 0..SEEDS {
        let plan = world((0..4).map(|_| Behaviour::Takes)).unretained();
        let forced = vec![("claim", 11, Fate::Lost)];
        let outcome = lived(Plan { receipts_max: 3, wishes: 300, forced, ..plan }, seed);
        let states = outcome.messages.iter().flatten();
        redriven += states.filter(|(state, _)| state.life.generation > Generation(0)).count();
    }
    assert!(redriven > 0, "none that the queue gave up was redriven");
}
