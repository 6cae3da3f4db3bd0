//! What a rotation leaves: which versions are valid, until when, and how many at most.

use std::time::Duration;

use super::masters::masters;
use super::{at, key, rules};
use crate::access::*;
use crate::identity::SenderId;

const NONE: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_hours(1);

fn rotations(steps: &[(u64, Duration)]) -> Result<KeyRecord, TooManyVersions> {
    let first = KeyRecord::new(&key(1), rules(), None, at(0), "1".to_owned());
    (2..).zip(steps).try_fold(first, |record, (number, (now, grace))| {
        record.rotated(&key(number), None, *grace, at(*now), number.to_string())
    })
}

/// The versions with the second at which each ends.
fn ends(record: &KeyRecord) -> Vec<(u32, Option<u64>)> {
    let seconds = |end: crate::time::Timestamp| end.since(at(0)).as_secs();
    record.versions.iter().map(|version| (version.number, version.ends_at.map(seconds))).collect()
}

#[test]
fn f33_rotations_overlap_for_their_grace_and_no_longer() {
    let tell = |steps: &[(u64, Duration)]| match rotations(steps) {
        Ok(record) => format!("{:?}", ends(&record)),
        Err(refused) => refused.to_string(),
    };
    let too_many = TooManyVersions.to_string();
    for (what, steps, expected) in [
        ("never rotated", &[][..], "[(1, None)]"),
        ("at once", &[(9, NONE)], "[(2, None)]"),
        ("with an overlap", &[(9, HOUR)], "[(1, Some(3609)), (2, None)]"),
        (
            "the first has not ended",
            &[(0, HOUR), (10, HOUR)],
            "[(1, Some(3600)), (2, Some(3610)), (3, None)]",
        ),
        ("a fourth would be one too many", &[(0, HOUR), (1, HOUR), (2, HOUR)], &too_many),
        (
            "until the first ended",
            &[(0, HOUR), (1, HOUR), (3600, HOUR)],
            "[(2, Some(3601)), (3, Some(7200)), (4, None)]",
        ),
        ("in an emergency all others end", &[(0, HOUR), (1, HOUR), (2, NONE)], "[(4, None)]"),
        (
            "no rotation makes an end later",
            &[(0, HOUR), (1, HOUR * 9)],
            "[(1, Some(3600)), (2, Some(32401)), (3, None)]",
        ),
        (
            "but it can make it earlier",
            &[(0, HOUR), (1, HOUR / 2)],
            "[(1, Some(1801)), (2, Some(1801)), (3, None)]",
        ),
        ("what ended is forgotten", &[(0, HOUR), (4000, HOUR)], "[(2, Some(7600)), (3, None)]"),
    ] {
        assert_eq!(tell(steps), expected, "{what}");
    }
}

#[test]
fn every_change_is_the_next_revision_and_keeps_the_rest() {
    let first = rotations(&[]).unwrap();
    let second = rotations(&[(1, HOUR)]).unwrap();
    assert_eq!((first.revision, second.revision), (1, 2));
    assert_eq!((&second.rules, second.created_at), (&first.rules, first.created_at));
    assert_eq!(second.write_id, "2");
    let revoked = second.clone().revoked(at(2), "3".to_owned());
    assert_eq!((revoked.revision, revoked.revoked_at), (3, Some(at(2))));
    // Revoking again does not move the time.
    let again = revoked.revoked(at(9), "4".to_owned());
    assert_eq!((again.revision, again.revoked_at), (4, Some(at(2))));
    assert_eq!(ends(&again), ends(&second));
}

#[test]
fn f33_signing_secrets_rotate_as_keys_do_and_the_newest_signs_first() {
    let sender = SenderId::parse("billing").unwrap();
    let master = masters().current().clone();
    let rotate = |record: SigningRecord, number: u64, grace| {
        let nonce = format!("nonce-{number}");
        record.rotated(master.clone(), nonce, grace, at(number), number.to_string())
    };
    let live = |record: &SigningRecord, now: u64| {
        record.live(at(now)).map(|version| version.number).collect::<Vec<_>>()
    };
    let first = SigningRecord::new(
        sender.clone(),
        master.clone(),
        "nonce-0".to_owned(),
        at(0),
        "0".to_owned(),
    );
    assert_eq!(live(&first, 0), [1]);
    let second = rotate(first.clone(), 1, HOUR).unwrap();
    assert_eq!(
        (live(&second, 1), live(&second, 3600), live(&second, 3601)),
        (vec![2, 1], vec![2, 1], vec![2])
    );
    let third = rotate(second, 2, HOUR).unwrap();
    assert_eq!(live(&third, 3), [3, 2, 1]);
    assert_eq!(rotate(third.clone(), 3, HOUR), Err(TooManyVersions));
    assert_eq!(live(&rotate(third.clone(), 3, NONE).unwrap(), 3), [4]);
    assert_eq!(third.revision, 3);
    // Each version has a secret of its own, and another sender has others.
    let other = SenderId::parse("orders").unwrap();
    let mut secrets: Vec<_> = [&sender, &other]
        .iter()
        .flat_map(|sender| {
            third.live(at(3)).map(|version| version.secret(sender, &masters()).unwrap().reveal())
        })
        .collect();
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), 6);
}
