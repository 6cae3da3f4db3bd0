//! Worlds in which messages are posted in bulk, with one thing going wrong on purpose: each message of a request is
//! promised the same as one that is posted alone.

use std::time::Duration;

use relay_core::identity::Generation;
use relay_core::lifecycle::Status;
use relay_testkit::faults::Fate;

use crate::plan::{Behaviour, Bulk, Content, Entry, Plan};
use crate::scenarios::{SEEDS, lived, only, statuses, world};
use crate::world::Outcome;

/// How many messages the request of a scenario has.
const COUNT: usize = 6;

fn usual(numbers: impl IntoIterator<Item = usize>) -> Vec<Entry> {
    numbers.into_iter().map(|number| Entry::Message(number, Content::Usual)).collect()
}

/// Messages to these targets, posted by these requests alone.
fn posted(behaviours: impl IntoIterator<Item = Behaviour>, requests: Vec<Vec<Entry>>) -> Plan {
    let mut plan = world(behaviours);
    for planned in &mut plan.messages {
        planned.posters.clear();
    }
    plan.bulks = requests
        .into_iter()
        .map(|entries| Bulk { begins: Duration::ZERO, entries, repeats: 40, repeats_all: false })
        .collect();
    plan
}

/// One request of a few messages that their target takes.
fn taken() -> Plan {
    posted((0..COUNT).map(|_| Behaviour::Takes), vec![usual(0..COUNT)])
}

fn calls(outcome: &Outcome) -> Vec<u32> {
    outcome.messages.iter().flatten().map(|(_, calls)| *calls).collect()
}

#[test]
fn f01_a_bulk_that_stops_half_way_is_finished_by_its_client() {
    let mut deaths = 0;
    for seed in 0..SEEDS {
        for repeats_all in [false, true] {
            let mut plan = Plan { deaths: 700, storm: Duration::from_secs(90), ..taken() };
            plan.bulks[0].repeats_all = repeats_all;
            let outcome = lived(plan, seed);
            assert_eq!(outcome.messages.iter().flatten().count(), COUNT, "seed {seed}");
            assert!(statuses(&outcome).iter().all(|status| status.is_final()), "seed {seed}");
            deaths += outcome.counts.deaths;
        }
    }
    assert!(deaths > SEEDS, "{deaths}");
}

#[test]
fn f02_a_bulk_send_without_an_answer_is_sent_again_and_called_once() {
    for fate in [Fate::Unanswered, Fate::Late(Duration::from_secs(7)), Fate::Twice] {
        let outcome = lived(Plan { forced: vec![("send_all", 1, fate)], ..taken() }, 1);
        assert_eq!((calls(&outcome), outcome.accepted), (vec![1; COUNT], COUNT), "{fate:?}");
    }
}

#[test]
fn f02_of_a_bulk_that_is_sent_in_part_the_client_repeats_the_rest() {
    for seed in 0..SEEDS {
        let forced = vec![("send", 3, Fate::Lost), ("record", 2, Fate::Unanswered)];
        let outcome = lived(Plan { forced, ..taken() }, seed);
        assert_eq!((calls(&outcome), outcome.accepted), (vec![1; COUNT], COUNT), "seed {seed}");
    }
}

#[test]
fn f03_the_same_bulk_twice_at_once_and_the_same_id_twice_in_it() {
    for seed in 0..SEEDS {
        let twice = usual([0, 1, 0, 2, 1, 0]);
        let plan = posted((0..3).map(|_| Behaviour::Takes), vec![twice.clone(), twice]);
        let outcome = lived(Plan { ingest_hosts: 2, ..plan }, seed);
        assert_eq!((calls(&outcome), outcome.accepted), (vec![1; 3], 12), "seed {seed}");
    }
}

#[test]
fn f04_one_id_with_two_contents_in_a_bulk_is_one_message() {
    for seed in 0..SEEDS {
        let (one, other) = (Entry::Message(0, Content::Usual), Entry::Message(0, Content::Other));
        let plan = posted([Behaviour::Takes], vec![vec![one, Entry::Wrong, other, one]]);
        let outcome = lived(plan, seed);
        assert_eq!((outcome.accepted, outcome.refused), (2, 1), "seed {seed}");
        assert_eq!(only(&outcome).1, 1, "seed {seed}");
        // In two requests at once either may be the first.
        let outcome = lived(posted([Behaviour::Takes], vec![vec![one], vec![other]]), seed);
        assert_eq!((outcome.accepted, outcome.refused), (1, 1), "seed {seed}");
    }
}

#[test]
fn f05_bodies_of_a_bulk_that_could_not_be_stored_are_stored_at_the_next_try() {
    for seed in 0..SEEDS {
        let mut plan = taken();
        for (planned, body_bytes) in plan.messages.iter_mut().zip([20, 200, 600, 1500, 1500, 20]) {
            planned.body_bytes = body_bytes;
        }
        // What is resent shows that its body is there.
        let forced = vec![("put", 5, Fate::Lost), ("put", 2, Fate::Unanswered)];
        let outcome = lived(Plan { forced, wishes: 500, ..plan }, seed);
        assert_eq!(statuses(&outcome), [Status::Delivered; COUNT], "seed {seed}");
    }
}

#[test]
fn f06_a_table_that_fails_leaves_no_bulk_half_accepted() {
    for fate in [Fate::Lost, Fate::Unanswered, Fate::Late(Duration::from_secs(5))] {
        for call in ["record_all", "record"] {
            for seed in 0..SEEDS / 4 {
                let outcome = lived(Plan { forced: vec![(call, 4, fate)], ..taken() }, seed);
                let expected = (vec![1; COUNT], COUNT);
                assert_eq!((calls(&outcome), outcome.accepted), expected, "{fate:?}, seed {seed}");
            }
        }
    }
}

#[test]
fn f07_a_bulk_is_noted_as_queued_long_after_the_end() {
    let late = Fate::Late(Duration::from_secs(30));
    for call in ["mark_queued_all", "mark_queued"] {
        let outcome = lived(Plan { forced: vec![(call, COUNT, late)], ..taken() }, 1);
        assert_eq!(statuses(&outcome), [Status::Delivered; COUNT], "{call}");
        assert_eq!(calls(&outcome), [1; COUNT], "{call}");
    }
}

#[test]
fn f36_a_bulk_whose_calls_are_all_made_twice_counts_once() {
    for seed in 0..SEEDS {
        let twice = ["record_all", "record", "mark_queued_all", "mark_queued", "settle_all"];
        let forced = twice.map(|call| (call, usize::MAX, Fate::Twice)).to_vec();
        let outcome = lived(Plan { forced, ..taken() }, seed);
        let found = (calls(&outcome), outcome.accepted, outcome.unknown);
        assert_eq!(found, (vec![1; COUNT], COUNT, 0), "seed {seed}");
    }
}

#[test]
fn f22_a_bulk_redrive_that_stops_half_way_goes_on() {
    let mut generations = 0;
    for seed in 0..SEEDS {
        let forced = vec![("begin_again", 2, Fate::Unanswered), ("send", 0, Fate::Lost)];
        let plan = posted((0..COUNT).map(|_| Behaviour::Says(410)), vec![usual(0..COUNT)]);
        let outcome = lived(Plan { wishes: 900, deaths: 300, forced, ..plan }, seed);
        assert_eq!(statuses(&outcome), [Status::Dead; COUNT], "seed {seed}");
        let states = outcome.messages.iter().flatten();
        generations += states.filter(|(state, _)| state.life.generation > Generation(1)).count();
    }
    assert!(generations > COUNT, "{generations}");
}
