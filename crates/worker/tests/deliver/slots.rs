//! Room in an invocation: a slow destination keeps to its share of it.

use std::time::Duration;

use relay_core::destination::Target;
use relay_core::lifecycle::{Phase, Status};
use relay_core::message::Message;
use relay_testkit::sample;
use relay_worker::{Rules, Told};

use crate::breaker::keep_open;
use crate::world::{Answer, World, rules};

const SLOW: &str = "slow.example.com";
const QUICK: &str = "quick.example.com";

fn message_to(host: &str, name: &str) -> Message {
    let target = Target::parse(&format!("https://{host}/hooks")).unwrap();
    Message { target, ..sample::message(name, 1) }
}

/// A world in which each call to one host takes so long.
fn with_slow_host(rules: Rules, seconds: u64) -> World {
    let world = World::with(rules);
    let takes = Answer::Takes(Duration::from_secs(seconds));
    world.targets.hosts.lock().unwrap().insert(SLOW.to_owned(), takes);
    world
}

#[tokio::test(start_paused = true)]
async fn f23_a_slow_destination_leaves_room_for_the_others() {
    let rules = Rules { concurrency: 4, concurrency_per_destination: 2, ..rules() };
    let world = with_slow_host(rules, 9);
    for number in 0..5 {
        world.accept(&message_to(SLOW, &format!("slow-{number}"))).await;
    }
    for number in 0..5 {
        world.accept(&message_to(QUICK, &format!("quick-{number}"))).await;
    }
    let begun = tokio::time::Instant::now();
    assert_eq!(world.invoke().await, [Told::Acknowledged; 10]);
    let seconds = |host: &str| -> Vec<u64> {
        let sent = world.targets.sent.lock().unwrap();
        let of_host = sent.iter().filter(|sent| sent.host == host);
        of_host.map(|sent| sent.at.duration_since(begun).as_secs()).collect()
    };
    // The slow ones came first, and not one of the others had to wait for them.
    assert_eq!(seconds(QUICK), [0; 5]);
    assert_eq!(seconds(SLOW), [0, 0, 9, 9, 18]);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_at_a_time_than_the_invocation_has_room_for() {
    let rules = Rules { concurrency: 2, ..rules() };
    let world = with_slow_host(rules, 3);
    for number in 0..6 {
        world.accept(&message_to(SLOW, &format!("slow-{number}"))).await;
    }
    let begun = tokio::time::Instant::now();
    assert_eq!(world.invoke().await, [Told::Acknowledged; 6]);
    assert_eq!(begun.elapsed().as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn f13_an_item_that_finds_no_slot_in_time_is_handed_back_unstarted() {
    let rules = Rules { concurrency_per_destination: 1, ..rules() };
    let world = with_slow_host(rules, 60);
    let messages = ["one", "two", "three"].map(|name| message_to(SLOW, name));
    for message in &messages {
        world.accept(message).await;
    }
    let begun = tokio::time::Instant::now();
    let told = world.invoke().await;
    // The second one is under way when the invocation ends; the third one was not begun.
    assert_eq!(told, [Told::Acknowledged, Told::HandedBack, Told::HandedBack]);
    assert!(begun.elapsed() < Duration::from_secs(120));
    assert_eq!(world.sent(), 2);
    assert_eq!(world.state(&messages[0]).await.phase, Phase::Delivered);
    let third = world.state(&messages[2]).await;
    assert_eq!((third.phase.status(), third.attempts), (Status::Queued, 0));
    assert!(world.wait_for_next() <= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn f23_what_a_breaker_holds_back_waits_for_no_room() {
    let world = with_slow_host(Rules { concurrency: 1, ..rules() }, 9);
    keep_open(&world, world.clock.now().plus(Duration::from_secs(30))).await;
    world.accept(&message_to(SLOW, "slow")).await;
    world.accept(&sample::message("held-back", 1)).await;
    let cut_off = tokio::time::timeout(Duration::from_secs(1), world.invoke()).await;
    assert!(cut_off.is_err(), "the slow one has all the room");
    assert_eq!((world.sent(), world.queue.inner.depth()), (1, 3), "a copy is on its way already");
}
