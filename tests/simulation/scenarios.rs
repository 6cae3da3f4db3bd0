//! Worlds with one thing going wrong on purpose, each named after the rows of the failure table that it shows.
//! Whatever they are about, all invariants are checked in them as in any other world.

use std::time::Duration;

use relay_core::identity::Generation;
use relay_core::lifecycle::{Phase, State, Status};
use relay_core::outcome::{DeadReason, ErrorKind};
use relay_testkit::faults::Fate;

use crate::dice::Dice;
use crate::plan::{Behaviour, Content, Plan, Planned};
use crate::world::{Outcome, run};

/// Seeds tried of a scenario in which chance has a part.
pub(crate) const SEEDS: u64 = 20;

pub(crate) fn lived(plan: Plan, seed: u64) -> Outcome {
    run(plan, Dice::new(seed)).unwrap_or_else(|failure| {
        panic!("seed {seed}: {}\n{}", failure.violation, failure.trace.join("\n"))
    })
}

pub(crate) fn world(behaviours: impl IntoIterator<Item = Behaviour>) -> Plan {
    Plan { messages: behaviours.into_iter().map(Planned::to).collect(), ..Plan::quiet() }
}

/// The state of the only message and how often it was called.
pub(crate) fn only(outcome: &Outcome) -> (&State, u32) {
    let (state, calls) = outcome.messages[0].as_ref().expect("it was recorded");
    (state, *calls)
}

pub(crate) fn statuses(outcome: &Outcome) -> Vec<Status> {
    let states = outcome.messages.iter().flatten();
    states.map(|(state, _)| state.phase.status()).collect()
}

#[test]
fn f02_a_send_without_an_answer_is_sent_again_and_called_once() {
    for fate in [Fate::Unanswered, Fate::Late(Duration::from_secs(7)), Fate::Twice] {
        let plan = Plan { forced: vec![("send", 1, fate)], ..world([Behaviour::Takes]) };
        let outcome = lived(plan, 1);
        let (state, calls) = only(&outcome);
        assert_eq!((&state.phase, calls, outcome.accepted), (&Phase::Delivered, 1, 1), "{fate:?}");
    }
}

#[test]
fn f07_queued_is_written_long_after_the_end() {
    let late = Fate::Late(Duration::from_secs(30));
    let plan = Plan { forced: vec![("mark_queued", 1, late)], ..world([Behaviour::Takes]) };
    let outcome = lived(plan, 1);
    assert_eq!(only(&outcome).0.phase, Phase::Delivered);
}

#[test]
fn f09_a_worker_that_dies_in_an_attempt_costs_that_attempt() {
    let kills = vec![Duration::from_secs(3)];
    let plan = Plan { kills, ..world([Behaviour::Slow(Duration::from_secs(6))]) };
    let outcome = lived(plan, 1);
    let (state, calls) = only(&outcome);
    assert_eq!((&state.phase, state.attempts, calls), (&Phase::Delivered, 2, 2));
    let errors: Vec<_> = state.outcomes.iter().map(|kept| kept.error).collect();
    assert_eq!(errors, [Some(ErrorKind::Unknown), None]);
}

#[test]
fn f10_an_answer_that_nobody_could_note_is_asked_for_again() {
    let plan = Plan { forced: vec![("settle", 3, Fate::Lost)], ..world([Behaviour::Takes]) };
    let outcome = lived(plan, 1);
    let (state, calls) = only(&outcome);
    assert_eq!((&state.phase, state.attempts, calls), (&Phase::Delivered, 2, 2));
    assert_eq!(state.outcomes[0].error, Some(ErrorKind::Unknown));
}

#[test]
fn f11_f20_lost_deletes_and_cut_burials_change_nothing() {
    let behaviours = [Behaviour::Takes, Behaviour::Says(410), Behaviour::Says(503)];
    for seed in 0..SEEDS {
        let plan = Plan {
            source_faults: 600,
            deaths: 300,
            forced: vec![("bury", 2, Fate::Unanswered), ("mark_buried", 2, Fate::Lost)],
            ..world(behaviours.clone())
        };
        let outcome = lived(plan, seed);
        let [delivered, dead] = [Status::Delivered, Status::Dead];
        // A message whose workers all died may end before its target ever answered.
        assert!(statuses(&outcome).iter().all(|status| [delivered, dead].contains(status)));
        assert_eq!(statuses(&outcome)[1..], [dead, dead], "seed {seed}");
    }
}

#[test]
fn f17_the_visibility_can_never_be_changed() {
    let never = [Fate::Lost, Fate::Late(Duration::from_secs(5))];
    for fate in never {
        let asks = Behaviour::Asks(503, "40");
        let plan = Plan { forced: vec![("postpone", usize::MAX, fate)], ..world([asks]) };
        let outcome = lived(plan, 1);
        let (state, calls) = only(&outcome);
        assert_eq!((&state.phase, calls), (&Phase::Delivered, 2));
        let waited = state.outcomes[1].at.since(state.outcomes[0].at);
        assert!(waited >= Duration::from_secs(40), "waited {waited:?}");
    }
}

#[test]
fn f21_what_the_queue_gives_up_on_its_own_comes_to_an_end() {
    for seed in 0..SEEDS {
        let takes = world((0..4).map(|_| Behaviour::Takes));
        let plan = Plan { receipts_max: 3, forced: vec![("claim", 11, Fate::Lost)], ..takes };
        let outcome = lived(plan, seed);
        let given_up = outcome.messages.iter().flatten().filter(|(state, _)| {
            let reason = DeadReason::ReceiveCountExceeded;
            state.phase == Phase::Dead { reason, buried: true }
        });
        let given_up = given_up.count();
        assert!((1..=3).contains(&given_up), "seed {seed}: {given_up} given up");
        assert_eq!(statuses(&outcome).len(), 4, "seed {seed}");
    }
}

#[test]
fn f21_a_claim_lands_while_the_reconciler_gives_the_message_up() {
    for seed in 0..SEEDS {
        let mut takes = world((0..16).map(|_| Behaviour::Takes));
        for (number, planned) in (0..).zip(&mut takes.messages) {
            planned.posters[0].0 = Duration::from_secs(number * 19);
        }
        let late = Fate::Late(Duration::from_secs(80));
        let plan = Plan { receipts_max: 2, slow: 1000, forced: vec![("claim", 40, late)], ..takes };
        assert_eq!(statuses(&lived(plan, seed)).len(), 16, "seed {seed}");
    }
}

#[test]
fn f22_a_redrive_that_stops_half_way_goes_on() {
    let mut generations = Vec::new();
    for seed in 0..SEEDS {
        let plan = Plan {
            wishes: 900,
            forced: vec![("begin_again", 1, Fate::Unanswered), ("send", 0, Fate::Lost)],
            deaths: 300,
            ..world([Behaviour::Says(410), Behaviour::Takes])
        };
        let outcome = lived(plan, seed);
        assert_eq!(statuses(&outcome).len(), 2, "seed {seed}");
        let states = outcome.messages.iter().flatten();
        generations.extend(states.map(|(state, _)| state.life.generation));
    }
    assert!(generations.iter().any(|generation| *generation > Generation(3)), "{generations:?}");
}

#[test]
fn f22_f39_a_late_write_of_an_earlier_generation_changes_nothing() {
    // The next generation is under way when the writes of the one before come again.
    let slow = Behaviour::Slow(Duration::from_secs(9));
    let mut generations = 0;
    for seed in 0..SEEDS {
        let echoed = Fate::Echoed(Duration::from_secs(20));
        let plan = Plan {
            wishes: 900,
            forced: ["settle", "mark_queued", "give_up", "mark_buried", "claim"]
                .map(|call| (call, usize::MAX, echoed))
                .to_vec(),
            ..world([slow.clone(), Behaviour::Says(410), Behaviour::Says(503)])
        };
        let outcome = lived(plan, seed);
        let [delivered, dead] = [Status::Delivered, Status::Dead];
        assert_eq!(statuses(&outcome), [delivered, dead, dead], "seed {seed}");
        let states = outcome.messages.iter().flatten();
        generations += states.map(|(state, _)| state.life.generation.0).sum::<u32>();
    }
    assert!(generations > 100, "{generations}");
}

#[test]
fn f23_f24_a_target_that_recovers_gets_everything_that_waited() {
    let down = Behaviour::Down(Duration::from_secs(900));
    for seed in 0..SEEDS {
        let quiet = world((0..12).map(|_| down.clone()));
        let mut rules = quiet.rules.clone();
        rules.breaker.failures_max = 2;
        rules.retry.attempts_max = 20;
        let plan = Plan { rules, worker_hosts: 3, batch: 3, ..quiet };
        let outcome = lived(plan, seed);
        assert_eq!(statuses(&outcome), [Status::Delivered; 12], "seed {seed}");
    }
}

#[test]
fn f29_clocks_that_differ_by_minutes_double_calls_at_most() {
    let behaviours = [Behaviour::Takes, Behaviour::Flaky, Behaviour::Says(503), Behaviour::Flaky];
    for seed in 0..SEEDS {
        let quiet = world(behaviours.clone());
        let plan = Plan { skew_millis: 300_000, worker_hosts: 4, source_faults: 300, ..quiet };
        let outcome = lived(plan, seed);
        assert!(statuses(&outcome).iter().all(|status| status.is_final()), "seed {seed}");
        assert_eq!(statuses(&outcome)[0], Status::Delivered, "seed {seed}");
    }
}

#[test]
fn f15_f32_workers_of_two_versions_side_by_side() {
    for seed in 0..SEEDS {
        let plan =
            Plan { next_version: 500, worker_hosts: 3, ..world((0..6).map(|_| Behaviour::Takes)) };
        let outcome = lived(plan, seed);
        assert_eq!(statuses(&outcome), [Status::Delivered; 6], "seed {seed}");
        assert_eq!(outcome.counts.calls, 6, "seed {seed}");
    }
}

#[test]
fn f08_f38_every_item_is_handed_out_twice() {
    for seed in 0..SEEDS {
        let quiet = world([Behaviour::Asks(500, "0"), Behaviour::Takes, Behaviour::Says(404)]);
        let forced = vec![("send", 3, Fate::Twice)];
        let plan = Plan { source_faults: 200, worker_hosts: 4, batch: 2, forced, ..quiet };
        let outcome = lived(plan, seed);
        let calls: Vec<u32> = outcome.messages.iter().flatten().map(|(_, calls)| *calls).collect();
        assert_eq!(calls, [2, 1, 1], "seed {seed}");
        assert_eq!(
            statuses(&outcome),
            [Status::Delivered, Status::Delivered, Status::Dead],
            "seed {seed}"
        );
    }
}

#[test]
fn f36_writes_that_meet_themselves_count_once() {
    let twice =
        ["record", "claim", "settle", "mark_queued", "give_up", "mark_buried", "begin_again"];
    let forced: Vec<_> = twice.iter().map(|call| (*call, usize::MAX, Fate::Twice)).collect();
    let plan = Plan { forced, ..world([Behaviour::Asks(503, "1"), Behaviour::Says(410)]) };
    let outcome = lived(plan, 1);
    let calls: Vec<u32> = outcome.messages.iter().flatten().map(|(_, calls)| *calls).collect();
    assert_eq!(calls, [2, 1]);
    assert_eq!(statuses(&outcome), [Status::Delivered, Status::Dead]);
    assert_eq!((outcome.accepted, outcome.unknown), (2, 0));
}

#[test]
fn f04_one_id_with_two_contents_is_one_message() {
    for seed in 0..SEEDS {
        let mut plan = world([Behaviour::Takes]);
        plan.messages[0].posters =
            vec![(Duration::ZERO, Content::Usual), (Duration::ZERO, Content::Other)];
        let outcome = lived(plan, seed);
        assert_eq!((outcome.accepted, outcome.refused), (1, 1), "seed {seed}");
        assert_eq!(only(&outcome).1, 1, "seed {seed}");
    }
}

#[test]
fn f41_long_waits_go_on_as_fresh_copies() {
    let quiet = world([Behaviour::Asks(503, "600")]);
    let mut rules = quiet.rules.clone();
    rules.visibility_max = Duration::from_secs(60);
    let forced = vec![("postpone", usize::MAX, Fate::Lost)];
    let outcome = lived(Plan { rules, forced, ..quiet }, 1);
    let (state, calls) = only(&outcome);
    assert_eq!((&state.phase, calls), (&Phase::Delivered, 2));
    // The item itself would have come back after the queue's own timeout only.
    let waited = state.outcomes[1].at.since(state.outcomes[0].at);
    assert!(waited < Duration::from_secs(615), "waited {waited:?}");
}

#[test]
fn f45_an_id_is_used_anew_while_letters_of_its_first_life_come_back() {
    for seed in 0..SEEDS {
        let behaviours = [Behaviour::Says(410), Behaviour::Takes, Behaviour::Says(503)];
        let skew_millis = if seed % 2 == 0 { 3000 } else { 60_000 };
        let forced = vec![("send", usize::MAX, Fate::Echoed(Duration::from_secs(20)))];
        let world = world(behaviours);
        let plan = Plan { second_life: true, skew_millis, worker_hosts: 3, forced, ..world };
        let outcome = lived(plan, seed);
        // What is redriven in the last minute of its record may expire unfinished, and nothing else.
        let ends = statuses(&outcome);
        assert_eq!((ends.len(), ends[1]), (3, Status::Delivered), "seed {seed}");
    }
}

#[test]
fn f14_f45_a_malformed_letter_comes_back_when_its_id_is_used_anew() {
    for seed in 0..2 * SEEDS {
        let says = world((0..4).map(|_| Behaviour::Says(503)));
        let plan = Plan { second_life: true, garbled: 500, skew_millis: 3000, ..says };
        assert_eq!(statuses(&lived(plan, seed)), [Status::Dead; 4], "seed {seed}");
    }
}
