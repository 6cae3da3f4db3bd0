//! Master secrets: what can be read, what is never shown, and what is derived from them.

use super::key;
use crate::access::*;
use crate::identity::SenderId;
use crate::signature::SigningSecret;

const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZab";

pub(super) fn masters() -> MasterSecrets {
    MasterSecrets::parse(&format!(r#"{{"current":"1","1":"{SECRET}"}}"#)).unwrap()
}

fn deliveries<'a>(sender: &'a SenderId, nonce: &'a str) -> Purpose<'a> {
    Purpose::Deliveries { sender, nonce }
}

#[test]
fn only_master_secrets_that_are_any_good_are_read() {
    let (good, short) = ("x".repeat(44), "x".repeat(43));
    let (long, longer) = ("n".repeat(32), "n".repeat(33));
    for (json, expected) in [
        (format!(r#"{{"current":"1","1":"{good}"}}"#), Ok("1")),
        (format!(r#"{{"2":"{good}","current":"2","1":"{good}"}}"#), Ok("2")),
        (format!(r#"{{"current":"{long}","{long}":"{good}"}}"#), Ok(long.as_str())),
        (format!(r#"{{"current":"{longer}","{longer}":"{good}"}}"#), Err(MalformedMasters::Weak)),
        (format!(r#"{{"current":"","":"{good}"}}"#), Err(MalformedMasters::Weak)),
        (format!(r#"{{"current":"1","1":"{short}"}}"#), Err(MalformedMasters::Weak)),
        // A weak one counts although it is not the current one: something may be derived from it.
        (format!(r#"{{"current":"1","1":"{good}","2":"{short}"}}"#), Err(MalformedMasters::Weak)),
        (format!(r#"{{"current":"2","1":"{good}"}}"#), Err(MalformedMasters::NoCurrent)),
        (format!(r#"{{"1":"{good}"}}"#), Err(MalformedMasters::NoCurrent)),
        (r#"{"current":"current"}"#.to_owned(), Err(MalformedMasters::NoCurrent)),
        ("{}".to_owned(), Err(MalformedMasters::NoCurrent)),
        (String::new(), Err(MalformedMasters::NotAnObject)),
        (good.clone(), Err(MalformedMasters::NotAnObject)),
        (format!(r#"["{good}"]"#), Err(MalformedMasters::NotAnObject)),
        (r#"{"current":1,"1":2}"#.to_owned(), Err(MalformedMasters::NotAnObject)),
    ] {
        let read = MasterSecrets::parse(&json);
        let current = read.as_ref().map(|masters| masters.current().as_str());
        assert_eq!(current.map_err(Clone::clone), expected, "{json}");
    }
}

#[test]
fn nothing_of_a_master_secret_is_shown() {
    assert_eq!(
        format!("{:?}", masters()),
        r#"MasterSecrets([MasterId("1")], current: MasterId("1"))"#
    );
    for json in [format!(r#"{{"current":"2","1":"{SECRET}"}}"#), format!(r#"{{"1":["{SECRET}"]}}"#)]
    {
        let error = MasterSecrets::parse(&json).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&SECRET[..8]), "{error:?}");
    }
}

/// The values were computed by another program: RFC 5869 in Python's `hmac`.
#[test]
fn derived_secrets_are_those_of_hkdf() {
    let sender = SenderId::parse("billing").unwrap();
    for (purpose, expected) in [
        (deliveries(&sender, "n1"), "whsec_HREFKQveyr7la+nAtoWKkn5xNMoFf6JTUVOqRb+BRbU="),
        (
            Purpose::Requests { key: key(1).id(), version: 2 },
            "whsec_EhMqQSN2F2Y/sAEh87jN3ZJndlEX53C+r9/QClferx0=",
        ),
    ] {
        let derived = masters().derive(masters().current(), purpose).unwrap();
        assert_eq!(derived.reveal(), expected);
        assert_eq!(SigningSecret::parse(expected), Some(derived));
    }
}

#[test]
fn no_two_purposes_and_no_two_master_secrets_meet() {
    let senders = ["a", "ab", "requests"].map(|sender| SenderId::parse(sender).unwrap());
    let key = key(1);
    let purposes = [
        deliveries(&senders[0], "bc"),
        deliveries(&senders[0], "b"),
        deliveries(&senders[1], "c"),
        deliveries(&senders[2], "1"),
        Purpose::Requests { key: key.id(), version: 1 },
        Purpose::Requests { key: key.id(), version: 11 },
    ];
    let other = SECRET.replace('0', "1");
    let both = format!(r#"{{"current":"2","1":"{SECRET}","2":"{other}"}}"#);
    let both = MasterSecrets::parse(&both).unwrap();
    let old = masters().current().clone();
    let mut secrets = Vec::new();
    for purpose in purposes {
        for master in [&old, both.current()] {
            secrets.push(both.derive(master, purpose).unwrap().reveal());
        }
        // What was derived from the old one stays the same when a new one becomes current.
        assert_eq!(both.derive(&old, purpose), masters().derive(&old, purpose));
    }
    let count = secrets.len();
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), count);
}

#[test]
fn a_master_secret_that_is_gone_derives_nothing() {
    let new = MasterSecrets::parse(&format!(r#"{{"current":"2","2":"{SECRET}"}}"#)).unwrap();
    let gone = masters().current().clone();
    let sender = SenderId::parse("a").unwrap();
    assert!(!new.has(&gone) && new.has(new.current()));
    assert_eq!(new.derive(&gone, deliveries(&sender, "n")), None);
}
