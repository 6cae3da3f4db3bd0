//! Access as tables: who is let in, what a rotation leaves, which addresses are allowed, what is derived from what.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod admitting;
mod limits;
mod masters;
mod rotating;

use std::collections::BTreeSet;

use super::*;
use crate::identity::SenderId;
use crate::time::Timestamp;

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + seconds * 1000)
}

/// The same key with secret `number`.
pub(super) fn key(number: u8) -> ApiKey {
    ApiKey::draw([1; 16], [[number; 16], [2; 16]])
}

pub(super) fn rules() -> KeyRules {
    KeyRules {
        name: "a key".to_owned(),
        senders: only(&["billing"]),
        scopes: [Scope::Send].into(),
        allowed_ips: AllowedIps::default(),
        expires_at: None,
        rate_limit: None,
        require_signature: false,
    }
}

pub(super) fn only(senders: &[&str]) -> Senders {
    let senders = senders.iter().map(|sender| SenderId::parse(sender).unwrap());
    Senders::Only(senders.collect::<BTreeSet<_>>())
}

#[test]
fn senders_cover_those_that_they_include_and_no_others() {
    let (none, one, two) = (only(&[]), only(&["a"]), only(&["a", "b"]));
    for (senders, others, covers) in [
        (&Senders::All, &Senders::All, true),
        (&Senders::All, &two, true),
        (&Senders::All, &none, true),
        (&two, &Senders::All, false),
        (&two, &two, true),
        (&two, &one, true),
        (&two, &none, true),
        (&one, &two, false),
        (&one, &only(&["b"]), false),
        (&one, &only(&["A"]), false),
        (&none, &one, false),
        (&none, &none, true),
    ] {
        assert_eq!(senders.cover(others), covers, "{senders:?} {others:?}");
    }
    let sender = SenderId::parse("a").unwrap();
    assert!(Senders::All.include(&sender) && one.include(&sender) && !none.include(&sender));
}

#[test]
fn scopes_are_read_by_their_exact_names() {
    for scope in Scope::ALL {
        assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        assert_eq!(serde_json::to_string(&scope).unwrap(), format!("\"{scope}\""));
    }
    for text in ["", "Send", "send ", "*", "all", "write"] {
        assert_eq!(Scope::parse(text), None, "{text}");
    }
}

#[test]
fn a_stored_record_reads_back_and_holds_no_secret() {
    let record = KeyRecord::new(&key(7), rules(), None, at(0), "w".to_owned());
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<KeyRecord>(&text).unwrap(), record);
    let revealed = key(7).reveal();
    let secret = revealed.rsplit('_').next().unwrap();
    assert!(!text.contains(&secret[..16]), "{text}");
    expect_test::expect![[r#"{"id":"aeaqcaibaeaqcaib","rules":{"name":"a key","senders":{"only":["billing"]},"scopes":["send"],"allowed_ips":[],"expires_at":null,"rate_limit":null,"require_signature":false},"versions":[{"number":1,"hash":"","master":null,"created_at":1000000000,"ends_at":null}],"created_at":1000000000,"revoked_at":null,"revision":1,"write_id":"w"}"#]]
        .assert_eq(&text.replace(&String::from(key(7).hash()), ""));
}
