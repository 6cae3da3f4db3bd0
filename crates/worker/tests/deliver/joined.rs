//! Settlements of one invocation that are written together: when, and what happens to each if something happens to
//! another.

use std::time::Duration;

use relay_core::attempt::SETTLE_TIME;
use relay_core::lifecycle::{Phase, Status};
use relay_testkit::faults::Fate;
use relay_worker::{Rules, Told};
use tokio::time::Instant;

use crate::lean::Lean;
use crate::world::{Answer, rules};

fn takes(millis: u64) -> Answer {
    Answer::Takes(Duration::from_millis(millis))
}

fn written_together(calls: &[&str]) -> usize {
    calls.iter().filter(|call| **call == "settle_all").count()
}

#[tokio::test(start_paused = true)]
async fn settlements_wait_until_all_that_may_come_have_come() {
    let lean = Lean::new();
    lean.accept_all(&["a", "b", "c"]).await;
    lean.world.answers([takes(10), takes(90), takes(40)]);
    let begun = Instant::now();
    assert_eq!(lean.invoke().await, [Told::Acknowledged; 3]);
    assert_eq!(begun.elapsed().as_millis(), 90, "nobody waits once all are there");
    assert_eq!(lean.calls.take(), ["settle_all", "settle", "settle", "settle"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_a_moment_for_a_slow_one() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["a", "b", "slow"]).await;
    lean.world.answers([takes(10), takes(50), takes(5000)]);
    let invocation = lean.invoke();
    tokio::pin!(invocation);
    let until = |millis| Duration::from_millis(millis);
    assert!(tokio::time::timeout(until(109), &mut invocation).await.is_err());
    assert_eq!(lean.calls.take(), [""; 0], "100 ms from the first on");
    assert!(tokio::time::timeout(until(2), &mut invocation).await.is_err());
    assert_eq!(lean.calls.take(), ["settle_all", "settle", "settle"]);
    assert!(lean.is_delivered(&messages[0]).await && lean.is_delivered(&messages[1]).await);
    let begun = Instant::now();
    assert_eq!(invocation.await, [Told::Acknowledged; 3]);
    assert_eq!(begun.elapsed().as_millis(), 5000 - 111, "the last one waits for nobody");
    assert_eq!(lean.calls.take(), ["settle"]);
}

#[tokio::test(start_paused = true)]
async fn those_that_need_no_settlement_are_not_waited_for() {
    let lean = Lean::new();
    lean.accept_all(&["a", "b"]).await;
    // A second copy, and a message that was received before.
    lean.accept("a").await;
    lean.world.answers([takes(10), takes(20)]);
    let begun = Instant::now();
    lean.invoke().await;
    assert_eq!(begun.elapsed().as_millis(), 20);
    assert_eq!(written_together(&lean.calls.take()), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_claimed_keeps_nobody_waiting() {
    let lean = Lean::new();
    let again = lean.accept("again").await;
    lean.world.answers([Answer::Status(503)]);
    lean.invoke().await;
    lean.world.wait_for_next();
    lean.accept_all(&["a", "b"]).await;
    lean.calls.take();
    lean.world.answers([takes(10), takes(10), takes(10)]);
    let begun = Instant::now();
    assert_eq!(lean.invoke().await, [Told::Acknowledged; 3]);
    assert_eq!(begun.elapsed().as_millis(), 10);
    let mut calls = lean.calls.take();
    calls.sort_unstable();
    assert_eq!(calls, ["claim", "settle", "settle", "settle", "settle_all"]);
    assert_eq!(lean.world.state(&again).await.attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_others_takes_no_room_from_them() {
    let lean = Lean::with(Rules { concurrency_per_destination: 1, ..rules() });
    lean.accept_all(&["a", "b", "c", "d"]).await;
    lean.world.answers([takes(10), takes(10), takes(10), takes(10)]);
    let begun = Instant::now();
    assert_eq!(lean.invoke().await, [Told::Acknowledged; 4]);
    assert_eq!(begun.elapsed().as_millis(), 40);
    assert_eq!(written_together(&lean.calls.take()), 1);
    let sent = lean.world.targets.sent.lock().unwrap();
    let times: Vec<u128> = sent.iter().map(|sent| (sent.at - begun).as_millis()).collect();
    assert_eq!(times, [0, 10, 20, 30], "one at a time at the destination");
}

#[tokio::test]
async fn those_that_fail_are_written_again_and_the_others_are_not() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["a", "b", "c"]).await;
    lean.calls.meet("settle", [Fate::Done, Fate::Lost, Fate::Done, Fate::Lost]);
    assert_eq!(lean.invoke().await, [Told::Acknowledged; 3]);
    let calls = lean.calls.take();
    let expected = [
        "settle_all",
        "settle",
        "settle",
        "settle",
        "settle_all",
        "settle",
        "settle_all",
        "settle",
    ];
    assert_eq!(calls, expected);
    for message in &messages {
        assert!(lean.is_delivered(message).await);
    }
}

#[tokio::test(start_paused = true)]
async fn f10_those_that_are_not_written_together_in_time_go_on_by_themselves() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["a", "b", "c"]).await;
    *lean.calls.together_takes.lock().unwrap() = SETTLE_TIME * 5;
    let begun = Instant::now();
    assert_eq!(lean.invoke().await, [Told::Acknowledged; 3]);
    assert_eq!(begun.elapsed(), SETTLE_TIME / 2, "one in trouble keeps the others no longer");
    assert_eq!(lean.calls.take(), ["settle_all", "settle", "settle", "settle"]);
    for message in &messages {
        assert!(lean.is_delivered(message).await);
    }
    assert_eq!(lean.world.sent(), 3);
}

#[tokio::test]
async fn f10_what_cannot_be_written_in_three_tries_is_handed_back_alone() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["a", "b", "c"]).await;
    lean.calls.meet("settle", [Fate::Lost, Fate::Done, Fate::Done, Fate::Lost, Fate::Lost]);
    let told = lean.invoke().await;
    assert_eq!(told.iter().filter(|told| **told == Told::HandedBack).count(), 1);
    let mut delivered = 0;
    for message in &messages {
        delivered += usize::from(lean.is_delivered(message).await);
    }
    assert_eq!((delivered, written_together(&lean.calls.take())), (2, 3));
    // The attempt that nobody knows of is made again, under the same id.
    lean.finish().await;
    assert_eq!(lean.world.sent(), 4);
    for message in &messages {
        assert!(lean.is_delivered(message).await);
    }
}

#[tokio::test]
async fn f10_a_store_that_does_not_answer_at_all_loses_nothing() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["a", "b"]).await;
    lean.calls.meet("settle_all", [Fate::Lost; 3]);
    assert_eq!(lean.invoke().await, [Told::HandedBack; 2]);
    lean.finish().await;
    assert_eq!(lean.world.sent(), 4);
    for message in &messages {
        let state = lean.world.state(message).await;
        assert_eq!((state.phase, state.attempts), (Phase::Delivered, 1));
    }
}

#[tokio::test]
async fn f14_a_panic_loses_no_settlement_of_others() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["a", "b", "c"]).await;
    lean.world.answers([Answer::Status(200), Answer::Panics, Answer::Status(200)]);
    let told = lean.invoke().await;
    assert_eq!(told, [Told::Acknowledged, Told::HandedBack, Told::Acknowledged]);
    assert_eq!(written_together(&lean.calls.take()), 1);
    let mut delivered = 0;
    for message in &messages {
        delivered += usize::from(lean.is_delivered(message).await);
    }
    assert_eq!(delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn f40_what_waits_is_written_before_the_invocation_is_cut_off() {
    let lean = Lean::new();
    let messages = lean.accept_all(&["late", "stuck"]).await;
    let invocation = Duration::from_secs(120);
    lean.world.answers([
        // As late as an attempt may end.
        Answer::Takes(invocation - Duration::from_secs(8)),
        Answer::Takes(invocation * 2),
    ]);
    let begun = Instant::now();
    assert_eq!(lean.invoke().await, [Told::Acknowledged, Told::HandedBack]);
    assert!(begun.elapsed() < invocation);
    assert!(lean.is_delivered(&messages[0]).await);
    assert_eq!(lean.world.state(&messages[1]).await.phase.status(), Status::Pending);
}
