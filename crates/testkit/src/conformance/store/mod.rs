//! What every store must do. Time is an argument of the port, so no case waits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cancelling;
mod claiming;
mod ending;
mod queueing;
mod recording;
mod settling;
mod together;
mod unclaimed;

use std::sync::Arc;

use relay_core::lifecycle::{Life, Phase, State};
use relay_core::message::Message;
use relay_core::ports::{Claim, Lease, Recorded, Settled, Settlement, Store};
use relay_core::time::Timestamp;

use super::{Case, cases};
use crate::sample::{self, START};

/// A store under test.
pub type Subject = Arc<dyn Store>;

/// Every case. They share the one store.
pub fn all() -> Vec<Case<Subject>> {
    let mut all = of_the_hot_path();
    all.extend(of_the_rest());
    all
}

/// The cases of accepting, claiming and settling one message.
fn of_the_hot_path() -> Vec<Case<Subject>> {
    cases![
        recording::{
            what_was_never_recorded_is_not_found,
            a_message_is_found_as_it_was_recorded,
            f01_a_recorded_message_is_pending_until_told_otherwise,
            f03_of_identical_posts_at_once_one_is_new,
            f04_a_reused_id_is_answered_with_the_first_message,
            f27_an_expired_record_counts_as_absent,
            f36_a_repeated_record_recognises_itself,
            f45_an_id_accepted_anew_starts_anew,
        },
        queueing::{
            a_pending_message_becomes_queued,
            f07_queued_never_turns_the_status_back,
            f22_queued_of_an_earlier_generation_changes_nothing,
            f36_marking_twice_is_no_error,
            f45_a_state_of_an_ended_life_does_not_block_queued,
        },
        claiming::{
            a_message_may_be_claimed_while_still_pending,
            a_claim_shows_in_the_record,
            f08_of_claims_at_once_one_wins,
            f09_a_lost_attempt_counts,
            f09_lost_attempts_are_bounded,
            f11_a_final_message_is_not_claimed,
            f22_a_copy_of_an_earlier_generation_is_superseded,
            f22_a_copy_of_a_later_generation_is_ahead,
            f36_a_repeated_claim_recognises_itself,
            f38_a_second_copy_waits_for_the_retry,
            f45_a_state_of_an_ended_life_does_not_block_a_claim,
        },
        settling::{
            every_decision_is_written,
            an_attempt_after_a_retry_keeps_the_outcomes,
            f10_a_lost_attempt_is_marked_unknown,
            f28_outcomes_are_bounded_and_attempts_are_not,
            f36_a_repeated_settlement_recognises_itself,
            f39_a_worker_that_lost_its_hold_changes_nothing,
            f39_a_late_delivery_counts_unless_something_final_was_written,
            f39_a_hold_that_ran_out_unclaimed_still_settles,
            f45_a_settlement_of_another_acceptance_changes_nothing,
        },
    ]
}

/// The cases of lean tracking, of many messages at once, and of ends.
fn of_the_rest() -> Vec<Case<Subject>> {
    cases![
        unclaimed::{
            an_unclaimed_attempt_settles_what_has_no_state_or_is_queued,
            f07_an_attempt_that_was_settled_is_not_marked_as_queued,
            f36_a_repeated_unclaimed_settlement_recognises_itself_later,
            f08_of_unclaimed_attempts_at_once_one_settles,
            f39_an_unclaimed_delivery_counts_unless_something_final_was_written,
            f22_an_unclaimed_attempt_of_an_earlier_generation_changes_nothing,
            f45_a_state_of_an_ended_life_does_not_block_an_unclaimed_attempt,
        },
        together::{
            any_number_of_messages_is_recorded_at_once,
            large_bodies_are_recorded_together,
            f03_each_of_many_records_is_answered_for_itself,
            f03_of_the_same_messages_at_once_each_is_new_once,
            f36_many_records_repeated_recognise_themselves,
            any_number_of_messages_becomes_queued_at_once,
            f07_queued_together_turns_no_status_back,
            f22_later_generations_are_marked_among_first_ones,
            any_number_of_attempts_is_settled_at_once,
            f39_settling_together_answers_each_for_itself,
        },
        cancelling::{
            what_nobody_holds_is_cancelled_once,
            what_is_held_or_ended_is_not_cancelled,
            f22_only_the_present_generation_is_cancelled,
            f45_a_state_of_an_ended_life_does_not_block_cancelling,
            f47_of_a_claim_and_a_cancel_at_once_one_wins,
        },
        ending::{
            a_message_that_nobody_holds_is_given_up,
            f09_a_lost_last_attempt_is_given_up_as_unknown,
            a_message_that_is_held_or_final_is_not_given_up,
            f21_the_queue_gives_up_only_what_is_due,
            f36_giving_up_twice_is_done_once,
            f45_a_state_of_an_ended_life_does_not_block_giving_up,
            f20_a_burial_is_noted_once,
            f20_a_burial_of_another_life_changes_nothing,
            f22_a_dead_letter_goes_again_in_the_next_generation,
            f22_redriving_twice_answers_the_same,
            f22_of_redrives_at_once_all_answer_the_same,
            what_is_not_dead_is_not_redriven,
            what_was_delivered_is_resent_but_not_redriven,
            f27_an_expired_dead_letter_is_not_redriven,
            the_store_says_that_it_is_ready,
        },
    ]
}

/// Runs every case.
///
/// # Panics
/// When a case fails; the text names each.
pub async fn run_all(store: Subject) {
    super::run(all(), |_| std::future::ready(Arc::clone(&store))).await;
}

/// Records a sample called `name`.
async fn recorded(store: &Subject, name: &str) -> Message {
    let message = sample::message(name, 1);
    assert_eq!(store.record(&message, START).await, Ok(Recorded::New));
    message
}

/// The state as readers see it.
async fn state(store: &Subject, message: &Message, now: Timestamp) -> State {
    let found = store.find(&message.id, now).await.unwrap().unwrap();
    assert_eq!(found.message, *message);
    found.state
}

/// Claims with hold number `lease`, which must succeed.
async fn claimed(store: &Subject, message: &Message, lease: u8, now: Timestamp) -> Lease {
    claimed_in(store, message, &message.first_life(), lease, now).await
}

async fn claimed_in(
    store: &Subject,
    message: &Message,
    life: &Life,
    lease: u8,
    now: Timestamp,
) -> Lease {
    match store.claim(&message.id, &sample::claim(life, lease, now)).await {
        Ok(Claim::Ours(lease)) => lease,
        other => panic!("not claimed: {other:?}"),
    }
}

/// A hold that no record shows, for a first attempt.
fn unclaimed(lease: u8, now: Timestamp) -> Lease {
    Lease {
        lease_id: sample::lease_id(lease),
        until: now.plus(sample::LEASE),
        attempt: 1,
        outcomes: Vec::new(),
        claimed: false,
    }
}

/// A settlement of `lease` in the message's first life.
fn settlement(
    message: &Message,
    lease: &Lease,
    status: u16,
    decision: relay_core::decide::Decision,
    now: Timestamp,
) -> Settlement {
    Settlement {
        id: message.id.clone(),
        life: message.first_life(),
        lease: lease.clone(),
        attempt: sample::attempt(lease.attempt, status),
        decision,
        now,
    }
}

/// Settles, which must be done, and answers with the state.
async fn settled(store: &Subject, settlement: &Settlement) -> State {
    match store.settle(settlement).await {
        Ok(Settled::Done(state)) => *state,
        other => panic!("not settled: {other:?}"),
    }
}

/// Claims and gives up the message as dead in its first life.
async fn died(store: &Subject, message: &Message, now: Timestamp) -> State {
    let lease = claimed(store, message, 1, now).await;
    let decision = relay_core::decide::Decision::GiveUp(relay_core::outcome::DeadReason::Gone);
    let state = settled(store, &settlement(message, &lease, 410, decision, now)).await;
    assert!(matches!(state.phase, Phase::Dead { .. }));
    state
}
