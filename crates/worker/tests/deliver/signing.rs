//! Signed deliveries: what is read for them and how often, and how a rotation shows.

use std::time::Duration;

use relay_core::access::SigningRecord;
use relay_core::lifecycle::Status;
use relay_core::ports::Vault;
use relay_core::signature::{Claimed, SigningSecret};
use relay_testkit::sample;
use relay_worker::{Rules, Told, Worker};

use crate::world::{Answer, World, rules};

/// How long a record that was read counts.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(60);

/// A world whose sender `test` has a secret, and its record.
pub(crate) async fn signed_world(rules: Rules) -> (World, SigningRecord) {
    let world = World::with(rules);
    let record = world.signing.first_of("test").await;
    world.signing.records.put(record.clone());
    (world, record)
}

/// Rotates with this grace.
async fn rotate(world: &World, record: SigningRecord, grace: Duration) -> SigningRecord {
    let master = world.signing.vault.masters(None).await.unwrap().current().clone();
    let nonce = format!("nonce-{}", record.revision + 1);
    let now = world.clock.now();
    let rotated = record.rotated(master, nonce, grace, now, "rotated".to_owned()).unwrap();
    world.signing.records.put(rotated.clone());
    rotated
}

/// How often the table was asked for a record, and the vault for its secrets.
pub(crate) fn reads(world: &World) -> usize {
    world.signing.records.calls().0
}

/// The signatures of the last delivery, each of which fits exactly one of the secrets; which ones, in order.
pub(crate) fn signed_by(world: &World, secrets: &[SigningSecret]) -> Vec<usize> {
    let sent = world.targets.sent.lock().unwrap();
    let last = sent.last().unwrap();
    let header = |name: &str| {
        let found = last.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let (id, timestamp) = (header("webhook-id").unwrap(), header("webhook-timestamp").unwrap());
    let signatures = header("webhook-signature").into_iter().flat_map(|value| value.split(' '));
    let which = |signatures| {
        let claimed = Claimed { id, timestamp, signatures };
        let now = world.clock.now();
        let fits = |secret| claimed.verify(secret, &last.body, now).is_ok();
        secrets.iter().position(fits).expect("a signature by none of the secrets")
    };
    signatures.map(which).collect()
}

/// Delivers a new message and says which of the secrets signed it.
pub(crate) async fn deliver(world: &World, name: &str, secrets: &[SigningSecret]) -> Vec<usize> {
    world.accept(&sample::message(name, 1)).await;
    assert_eq!(world.invoke().await, [Told::Acknowledged], "{name}");
    signed_by(world, secrets)
}

#[tokio::test]
async fn a_burst_reads_its_record_once_and_a_warm_environment_nothing() {
    let (world, record) = signed_world(rules()).await;
    let secrets = world.signing.of(&record).await;
    let vault_before = world.signing.vault.calls();
    for batch in 0..5 {
        for number in 0..10 {
            world.accept(&sample::message(&format!("m-{batch}-{number}"), 1)).await;
        }
        assert_eq!(world.invoke().await, [Told::Acknowledged; 10]);
        assert_eq!(signed_by(&world, &secrets), [0]);
    }
    assert_eq!((world.sent(), reads(&world)), (50, 1));
    assert_eq!(world.signing.vault.calls() - vault_before, 1);
    let other = Worker::new(world.ports.clone(), rules());
    world.accept(&sample::message("elsewhere", 1)).await;
    assert_eq!(world.invoke_on(&other).await, [Told::Acknowledged]);
    assert_eq!(reads(&world), 2, "every environment reads for itself");
}

#[tokio::test]
async fn a_sender_without_secrets_is_sent_for_unsigned_and_asked_for_once_a_minute() {
    let world = World::new();
    for number in 0..10 {
        assert_eq!(deliver(&world, &format!("m-{number}"), &[]).await, [0; 0]);
    }
    assert_eq!(reads(&world), 1);
    let record = world.signing.first_of("test").await;
    let secrets = world.signing.of(&record).await;
    world.signing.records.put(record);
    world.clock.advance(REMEMBERED);
    assert_eq!(deliver(&world, "now-signed", &secrets).await, [0]);
    assert_eq!(reads(&world), 2);
}

#[tokio::test]
async fn f33_a_rotation_shows_within_a_minute_and_overlaps_both_ways() {
    let (world, record) = signed_world(rules()).await;
    let old = world.signing.of(&record).await;
    assert_eq!(deliver(&world, "before", &old).await, [0]);
    let rotated = rotate(&world, record, Duration::from_secs(300)).await;
    let secrets = world.signing.of(&rotated).await;
    world.clock.advance(REMEMBERED - Duration::from_millis(1));
    assert_eq!(deliver(&world, "still-the-old-one", &secrets).await, [0]);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(deliver(&world, "both", &secrets).await, [1, 0], "the newest first");
    // The old version ends 300 s after the rotation, 240 s from here.
    world.clock.advance(Duration::from_millis(239_999));
    assert_eq!(deliver(&world, "the-last-of-both", &secrets).await, [1, 0]);
    let before = reads(&world);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(deliver(&world, "the-new-one-alone", &secrets).await, [1]);
    assert_eq!(reads(&world), before, "an end is judged when the attempt is made");
}

#[tokio::test]
async fn f33_a_rotation_without_grace_leaves_the_new_secret_alone() {
    let (world, record) = signed_world(rules()).await;
    let rotated = rotate(&world, record, Duration::ZERO).await;
    let secrets = world.signing.of(&rotated).await;
    assert_eq!(deliver(&world, "new-environment", &secrets[secrets.len() - 1..]).await, [0]);
    assert_eq!(signed_by(&world, &secrets).len(), 1);
}

#[tokio::test]
async fn three_versions_sign_a_stored_body_in_the_pass_that_verifies_it() {
    let (world, record) = signed_world(rules()).await;
    let hour = Duration::from_secs(3600);
    let record = rotate(&world, record, hour).await;
    let record = rotate(&world, record, hour).await;
    let secrets = world.signing.of(&record).await;
    let (message, _) = world.accept_stored(b"a body from the bucket").await;
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(world.state(&message).await.phase.status(), Status::Delivered);
    assert_eq!(signed_by(&world, &secrets), [2, 1, 0]);
}

#[tokio::test]
async fn f33_a_retry_is_signed_with_what_is_valid_then() {
    let (world, record) = signed_world(rules()).await;
    let rotated = rotate(&world, record, Duration::from_secs(3)).await;
    let secrets = world.signing.of(&rotated).await;
    world.accept(&sample::message("again", 1)).await;
    world.answers([Answer::Status(503)]);
    assert_eq!(world.invoke().await, [Told::HandedBack]);
    assert_eq!(signed_by(&world, &secrets), [1, 0]);
    assert!(world.wait_for_next() >= Duration::from_secs(3));
    assert_eq!(world.invoke().await, [Told::Acknowledged]);
    assert_eq!(signed_by(&world, &secrets), [1]);
}

/// Two messages to a slow destination that has room for one at a time; `meanwhile` happens while the second waits for
/// it. Which secrets sign the second.
async fn second_of_two(
    meanwhile: impl AsyncFnOnce(&World, SigningRecord) -> Vec<SigningSecret>,
) -> (World, Vec<usize>) {
    let (world, record) = signed_world(Rules { concurrency_per_destination: 1, ..rules() }).await;
    for name in ["first", "second"] {
        let message = sample::message(name, 1);
        let host = message.target.host().to_string();
        let takes = Answer::Takes(Duration::from_secs(5));
        world.targets.hosts.lock().unwrap().insert(host, takes);
        world.accept(&message).await;
    }
    let while_it_waits = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        meanwhile(&world, record).await
    };
    let (told, secrets) = futures::join!(world.invoke(), while_it_waits);
    assert_eq!(told, [Told::Acknowledged; 2]);
    let signed = signed_by(&world, &secrets);
    (world, signed)
}

#[tokio::test(start_paused = true)]
async fn secrets_that_were_learned_before_a_wait_for_room_are_used_after_it() {
    let (world, signed) = second_of_two(async |world, record| {
        let secrets = world.signing.of(&record).await;
        world.signing.records_fail.begin();
        world.clock.advance(REMEMBERED - Duration::from_millis(1));
        secrets
    })
    .await;
    assert_eq!((signed, reads(&world)), (vec![0], 1));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_room_does_not_keep_a_rotation_from_being_in_use_within_a_minute() {
    let (world, signed) = second_of_two(async |world, record| {
        let before = world.signing.of(&record).await;
        let rotated = rotate(world, record, Duration::ZERO).await;
        world.clock.advance(REMEMBERED);
        [world.signing.of(&rotated).await, before].concat()
    })
    .await;
    assert_eq!((signed, reads(&world)), (vec![0], 2));
}
