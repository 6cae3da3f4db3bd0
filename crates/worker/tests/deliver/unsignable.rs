//! What becomes of messages while it is not known how to sign them: they wait, are never sent unsigned, and hold nobody else
//! back.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relay_core::access::{MasterId, MasterSecrets};
use relay_core::destination::Target;
use relay_core::identity::{MessageId, RelayId, SenderId};
use relay_core::lifecycle::Phase;
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{PortError, Vault};
use relay_core::time::Timestamp;
use relay_testkit::sample;
use relay_worker::{Ports, Rules, Told, Worker};

use crate::log::Lines;
use crate::signing::{REMEMBERED, deliver, reads, signed_by, signed_world};
use crate::world::{World, rules};

/// Shortest and longest wait of a message of this age, which grows from half a minute on.
fn waits_of(age: Duration) -> RangeInclusive<Duration> {
    let least = (age / 4).clamp(Duration::from_secs(30), Duration::from_secs(450));
    least..=least * 2
}

/// Breaks something, sees that nothing is sent, counted or written, mends it and sees the message signed and delivered.
async fn waits_and_is_delivered(break_it: impl Fn(&World), mend_it: impl Fn(&World)) {
    let (world, record) = signed_world(rules()).await;
    let secrets = world.signing.of(&record).await;
    break_it(&world);
    let message = sample::message("waits", 1);
    world.accept(&message).await;
    let accepted_at = world.clock.now();
    for _ in 0..4 {
        world.invoke().await;
        let state = world.state(&message).await;
        assert_eq!((world.sent(), state.attempts), (0, 0));
        assert_eq!(state.phase, Phase::Queued, "nothing is written");
        let expected = waits_of(world.clock.now().since(accepted_at));
        let wait = world.wait_for_next();
        assert!(expected.contains(&wait), "{wait:?}");
    }
    mend_it(&world);
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(signed_by(&world, &secrets), [0]);
    let state = world.state(&message).await;
    assert_eq!((state.phase, state.attempts), (Phase::Delivered, 1));
}

/// Trouble that passes does not take the last tries of an old message.
#[tokio::test]
async fn a_message_near_its_deadline_comes_back_before_it() {
    let (world, record) = signed_world(rules()).await;
    let secrets = world.signing.of(&record).await;
    let message = sample::message("old", 1);
    world.accept(&message).await;
    let left = Duration::from_secs(600);
    world.clock.advance(rules().deadline - left);
    world.signing.records_fail.begin();
    world.invoke().await;
    let wait = world.wait_for_next();
    assert!((left / 4..=left / 2).contains(&wait), "{wait:?}");
    world.signing.records_fail.end();
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(signed_by(&world, &secrets), [0]);
}

#[tokio::test]
async fn a_message_waits_while_the_record_cannot_be_read() {
    let (begin, end) = (
        |world: &World| world.signing.records_fail.begin(),
        |world: &World| world.signing.records_fail.end(),
    );
    waits_and_is_delivered(begin, end).await;
}

#[tokio::test]
async fn a_message_waits_while_the_vault_does_not_answer() {
    let (begin, end) = (
        |world: &World| world.signing.vault_fails.begin(),
        |world: &World| world.signing.vault_fails.end(),
    );
    waits_and_is_delivered(begin, end).await;
}

#[tokio::test]
async fn a_message_waits_while_a_master_secret_is_gone() {
    let text = "another-master-secret-another-master-secret-another";
    let other = MasterSecrets::parse(&format!(r#"{{"current":"2","2":"{text}"}}"#)).unwrap();
    let before = relay_testkit::MemoryVault::new().masters(None).await.unwrap();
    let gone = |world: &World| world.signing.vault.set(other.clone());
    let back = |world: &World| world.signing.vault.set(before.clone());
    waits_and_is_delivered(gone, back).await;
}

#[tokio::test]
async fn a_secret_that_is_known_outlasts_an_outage_for_its_minute_and_no_longer() {
    let (world, record) = signed_world(rules()).await;
    let secrets = world.signing.of(&record).await;
    assert_eq!(deliver(&world, "before", &secrets).await, [0]);
    world.signing.records_fail.begin();
    world.signing.vault_fails.begin();
    world.clock.advance(REMEMBERED - Duration::from_millis(1));
    assert_eq!(deliver(&world, "in-time", &secrets).await, [0]);
    world.clock.advance(Duration::from_millis(1));
    world.accept(&sample::message("too-late", 1)).await;
    world.invoke().await;
    assert_eq!((world.sent(), world.queue.inner.depth()), (2, 1));
}

#[tokio::test]
async fn the_deadline_ends_a_message_that_cannot_be_signed() {
    let (world, _) = signed_world(rules()).await;
    world.signing.vault_fails.begin();
    let message = sample::message("never-signed", 1);
    world.accept(&message).await;
    let begun = world.clock.now();
    let mut waits = 0;
    while world.queue.inner.depth() > 0 {
        world.wait_for_next();
        world.invoke().await;
        waits += 1;
    }
    assert!(waits <= 20, "{waits} queue requests for a wait of half an hour");
    let state = world.state(&message).await;
    let dead = Phase::Dead { reason: DeadReason::DeadlinePassed, buried: true };
    assert_eq!((state.phase, state.attempts, world.sent()), (dead, 0, 0));
    assert_eq!(world.clock.now().since(begun), rules().deadline);
}

#[tokio::test]
async fn a_message_that_cannot_be_signed_waits_longer_the_older_it_is() {
    let world = signed_world(Rules { deadline: Duration::from_hours(24), ..rules() }).await.0;
    world.signing.vault_fails.begin();
    let expires_at = sample::START.plus(Duration::from_hours(48));
    world.accept(&Message { expires_at, ..sample::message("grows-old", 1) }).await;
    let begun = world.clock.now();
    let (mut waits, mut shortest_of_old) = (0, Duration::MAX);
    while world.clock.now().since(begun) < Duration::from_hours(6) {
        let age = world.clock.now().since(begun);
        world.invoke().await;
        let wait = world.wait_for_next();
        assert!(waits_of(age).contains(&wait), "{age:?}: {wait:?}");
        if age > Duration::from_hours(1) {
            shortest_of_old = shortest_of_old.min(wait);
        }
        waits += 1;
    }
    assert!(shortest_of_old >= Duration::from_secs(450), "{shortest_of_old:?}");
    assert!(waits <= 70, "{waits} queue requests in six hours");
}

/// The same message of another sender, to a target of its own.
fn of_sender(sender: &str, name: &str) -> Message {
    let (sender_id, message_id) =
        (SenderId::parse(sender).unwrap(), MessageId::parse(name).unwrap());
    Message {
        id: RelayId::of(&sender_id, &message_id),
        sender_id,
        message_id,
        ..sample::message(name, 1)
    }
}

#[tokio::test]
async fn one_sender_that_cannot_be_signed_for_holds_no_other_back() {
    let (world, _) = signed_world(rules()).await;
    world.signing.vault_fails.begin();
    for number in 0..5 {
        world.accept(&sample::message(&format!("waits-{number}"), 1)).await;
        world.accept(&of_sender("other", &format!("goes-{number}"))).await;
    }
    world.invoke().await;
    assert_eq!(world.sent(), 5);
    for number in 0..5 {
        let state = world.state(&of_sender("other", &format!("goes-{number}"))).await;
        assert_eq!(state.phase, Phase::Delivered);
    }
    assert_eq!(reads(&world), 2, "one for each sender, trouble or not");
}

#[tokio::test]
async fn what_is_logged_of_a_wait_names_the_sender_and_no_secret() {
    let (lines, _guard) = Lines::kept();
    let (world, record) = signed_world(rules()).await;
    let secrets = world.signing.of(&record).await;
    deliver(&world, "goes", &secrets).await;
    world.signing.vault_fails.begin();
    world.clock.advance(REMEMBERED);
    world.accept(&sample::message("waits", 1)).await;
    world.invoke().await;
    let text = lines.text();
    let warnings = lines.saying("deferred: how to sign is not known");
    assert!(warnings.len() == 1 && warnings[0]["sender_id"] == "test", "{text}");
    let revealed = secrets[0].reveal();
    let nonce = &record.versions[0].nonce;
    for secret in [&revealed, revealed.trim_start_matches("whsec_"), "in-memory-master", nonce] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

/// A vault that never answers.
struct Silent;

#[async_trait]
impl Vault for Silent {
    async fn masters(&self, _wanted: Option<&MasterId>) -> Result<MasterSecrets, PortError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_hangs_costs_a_batch_seconds_and_takes_no_room_from_others() {
    let (world, _) = signed_world(rules()).await;
    let ports = Ports { vault: Arc::new(Silent), ..world.ports.clone() };
    let worker = Worker::new(ports, Rules { concurrency: 1, ..rules() });
    for number in 0..9 {
        world.accept(&sample::message(&format!("waits-{number}"), 1)).await;
    }
    let mut goes = of_sender("other", "goes");
    goes.target = Target::parse("https://elsewhere.example.com/hooks").unwrap();
    world.accept(&goes).await;
    let begun = tokio::time::Instant::now();
    world.invoke_on(&worker).await;
    let took = begun.elapsed();
    assert!(took <= Duration::from_secs(7), "{took:?}");
    let sent_at = world.targets.sent.lock().unwrap()[0].at;
    assert_eq!(sent_at, begun, "the other one did not wait");
    assert_eq!((world.sent(), world.state(&goes).await.phase), (1, Phase::Delivered));
}

#[tokio::test]
async fn a_record_without_a_newest_version_is_never_taken_for_unsigned() {
    let (world, mut record) = signed_world(rules()).await;
    record.versions[0].ends_at = Some(Timestamp::from_millis(1));
    world.signing.records.put(record.clone());
    world.accept(&sample::message("odd", 1)).await;
    world.invoke().await;
    world.wait_for_next();
    record.versions.clear();
    world.signing.records.put(record);
    world.invoke().await;
    assert_eq!((world.sent(), world.queue.inner.depth()), (0, 1));
}
