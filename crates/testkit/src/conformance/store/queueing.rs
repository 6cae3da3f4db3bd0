//! PENDING becomes QUEUED, and nothing else does.

use relay_core::decide::Decision;
use relay_core::lifecycle::{Again, Phase, State};
use relay_core::outcome::DeadReason;
use relay_core::ports::Begun;

use super::{Subject, claimed, died, recorded, settled, settlement, state};
use crate::sample::{self, START, TTL, at};

pub(super) async fn a_pending_message_becomes_queued(store: Subject) {
    let message = recorded(&store, "becomes-queued").await;
    store.mark_queued(&message.id, &message.first_life(), at(7)).await.unwrap();
    let mut expected = State::unwritten(message.first_life(), at(7));
    expected.phase = Phase::Queued;
    assert_eq!(state(&store, &message, at(8)).await, expected);
}

pub(super) async fn f07_queued_never_turns_the_status_back(store: Subject) {
    let ends = [
        ("f07-held", None),
        ("f07-delivered", Some(Decision::Delivered)),
        ("f07-retrying", Some(Decision::Retry { not_before: at(50) })),
        ("f07-dead", Some(Decision::GiveUp(DeadReason::Gone))),
    ];
    for (name, decision) in ends {
        let message = recorded(&store, name).await;
        let lease = claimed(&store, &message, 1, at(1)).await;
        if let Some(decision) = decision {
            settled(&store, &settlement(&message, &lease, 500, decision, at(2))).await;
        }
        let before = state(&store, &message, at(3)).await;
        store.mark_queued(&message.id, &message.first_life(), at(3)).await.unwrap();
        assert_eq!(state(&store, &message, at(3)).await, before, "{name}");
    }
}

pub(super) async fn f22_queued_of_an_earlier_generation_changes_nothing(store: Subject) {
    let message = recorded(&store, "f22-queued").await;
    let first = message.first_life();
    died(&store, &message, at(1)).await;
    let Ok(Begun::Pending(second)) =
        store.begin_again(&message.id, &first, Again::Redrive, at(2)).await
    else {
        panic!("not redriven")
    };
    let before = state(&store, &message, at(2)).await;
    store.mark_queued(&message.id, &first, at(3)).await.unwrap();
    assert_eq!(state(&store, &message, at(3)).await, before);
    store.mark_queued(&message.id, &second, at(4)).await.unwrap();
    assert_eq!(state(&store, &message, at(4)).await.phase, Phase::Queued);
}

pub(super) async fn f36_marking_twice_is_no_error(store: Subject) {
    let message = recorded(&store, "f36-queued").await;
    for now in [at(1), at(2)] {
        store.mark_queued(&message.id, &message.first_life(), now).await.unwrap();
    }
    let state = state(&store, &message, at(3)).await;
    assert_eq!((state.phase, state.updated_at), (Phase::Queued, at(1)));
}

pub(super) async fn f45_a_state_of_an_ended_life_does_not_block_queued(store: Subject) {
    let first = recorded(&store, "f45-queued").await;
    died(&store, &first, START).await;
    let end = START.plus(TTL);
    let mut second = sample::message("f45-queued", 2);
    (second.created_at, second.expires_at) = (end, end.plus(TTL));
    store.record(&second, end).await.unwrap();
    store.mark_queued(&second.id, &second.first_life(), end).await.unwrap();
    let state = state(&store, &second, end).await;
    assert_eq!((state.phase, state.attempts, state.life), (Phase::Queued, 0, second.first_life()));
}
