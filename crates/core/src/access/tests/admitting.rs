//! Who is let in: each refusal, in the order in which they are told, and what a grant says.

use std::net::IpAddr;
use std::time::Duration;

use super::{at, key, only, rules};
use crate::access::*;
use crate::identity::SenderId;

const HOUR: Duration = Duration::from_hours(1);

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn ips(blocks: &[&str]) -> AllowedIps {
    AllowedIps::new(blocks.iter().map(|block| AllowedIps::parse_block(block).unwrap()))
}

fn record() -> KeyRecord {
    KeyRecord::new(&key(1), rules(), None, at(0), "1".to_owned())
}

fn with(change: impl FnOnce(&mut KeyRules)) -> KeyRecord {
    let mut record = record();
    change(&mut record.rules);
    record
}

/// What becomes of key number `secret` at second `now` from 192.0.2.1.
fn admitted(record: &KeyRecord, secret: u8, now: u64) -> Result<Grant, Refusal> {
    admit(Some(record), &key(secret), ip("192.0.2.1"), at(now))
}

#[test]
fn every_refusal_has_its_reason() {
    assert_eq!(admit(None, &key(1), ip("192.0.2.1"), at(0)), Err(Refusal::Unknown));
    let revoked = record().revoked(at(5), "2".to_owned());
    let expiring = with(|rules| rules.expires_at = Some(at(10)));
    let elsewhere = with(|rules| rules.allowed_ips = ips(&["198.51.100.0/24"]));
    let rotated = record().rotated(&key(2), None, HOUR, at(0), "2".to_owned()).unwrap();
    for (record, secret, now, refusal) in [
        (&record(), 1, 0, None),
        (&record(), 2, 0, Some(Refusal::WrongSecret)),
        (&revoked, 1, 5, Some(Refusal::Revoked)),
        // A clock that is behind the one that revoked does not let it in again.
        (&revoked, 1, 4, Some(Refusal::Revoked)),
        (&expiring, 1, 9, None),
        (&expiring, 1, 10, Some(Refusal::Expired)),
        (&rotated, 1, 3599, None),
        (&rotated, 1, 3600, Some(Refusal::VersionEnded)),
        (&rotated, 2, 3600, None),
        (&rotated, 3, 0, Some(Refusal::WrongSecret)),
        (&elsewhere, 1, 0, Some(Refusal::AddressNotAllowed)),
    ] {
        assert_eq!(admitted(record, secret, now).err(), refusal, "secret {secret} at {now}");
    }
}

#[test]
fn who_does_not_know_the_secret_learns_nothing_else() {
    let worst = with(|rules| {
        rules.expires_at = Some(at(1));
        rules.allowed_ips = ips(&["198.51.100.1"]);
    });
    let worst = worst.rotated(&key(2), None, Duration::ZERO, at(0), "2".to_owned()).unwrap();
    let worst = worst.revoked(at(1), "3".to_owned());
    for secret in [1, 3, 255] {
        assert_eq!(admitted(&worst, secret, 9), Err(Refusal::WrongSecret), "{secret}");
    }
    // Its holder is told one thing after the other.
    assert_eq!(admitted(&worst, 2, 9), Err(Refusal::Revoked));
    let found = KeyRecord { revoked_at: None, ..worst };
    assert_eq!(admitted(&found, 2, 9), Err(Refusal::Expired));
    assert_eq!(admitted(&found, 2, 0), Err(Refusal::AddressNotAllowed));
}

#[test]
fn a_grant_says_what_the_rules_say() {
    let rate = RateLimit { per_second: 1, burst: 2 };
    let record = with(|rules| {
        rules.senders = only(&["a", "b"]);
        rules.scopes = [Scope::Read, Scope::Operate].into();
        rules.rate_limit = Some(rate);
        rules.require_signature = true;
    });
    let grant = admitted(&record, 1, 0).unwrap();
    assert_eq!(grant.key, Some((key(1).id().clone(), 1)));
    assert_eq!((grant.rate_limit, grant.require_signature), (Some(rate), true));
    assert_eq!((grant.master.as_ref(), grant.superseded), (None, None));
    let covers = ["a", "b", "c"].map(|sender| grant.covers(&SenderId::parse(sender).unwrap()));
    assert_eq!(covers, [true, true, false]);
    assert_eq!(Scope::ALL.map(|scope| grant.has(scope)), [false, true, true, false]);
}

#[test]
fn without_keys_everybody_may_do_everything() {
    let grant = Grant::everything();
    assert_eq!(Scope::ALL.map(|scope| grant.has(scope)), [true; 4]);
    assert!(grant.covers(&SenderId::parse("anybody").unwrap()));
    assert!(!grant.require_signature && grant.key.is_none() && grant.rate_limit.is_none());
}

#[test]
fn f33_a_replaced_version_says_since_when_and_until_when() {
    let first = record();
    let second = first.rotated(&key(2), None, HOUR, at(100), "2".to_owned()).unwrap();
    let third = second.rotated(&key(3), None, HOUR, at(200), "3".to_owned()).unwrap();
    for (secret, version, superseded) in
        [(1, 1, Some((100, 3700))), (2, 2, Some((200, 3800))), (3, 3, None)]
    {
        let grant = admitted(&third, secret, 300).unwrap();
        assert_eq!(grant.key.unwrap().1, version);
        let superseded =
            superseded.map(|(since, until)| Superseded { since: at(since), until: at(until) });
        assert_eq!(grant.superseded, superseded, "secret {secret}");
    }
}

#[test]
fn addresses_are_judged_as_what_they_are() {
    for (blocks, source, allowed) in [
        (&[][..], "192.0.2.1", true),
        (&[], "2001:db8::1", true),
        (&["192.0.2.1"], "192.0.2.1", true),
        (&["192.0.2.1"], "192.0.2.2", false),
        (&["192.0.2.1/24"], "192.0.2.255", true),
        (&["192.0.2.0/24"], "192.0.3.0", false),
        // IPv4-mapped IPv6 addresses are IPv4 addresses, in lists and in requests.
        (&["192.0.2.0/24"], "::ffff:192.0.2.7", true),
        (&["192.0.2.0/24"], "::ffff:192.0.3.7", false),
        (&["::ffff:192.0.2.0/120"], "192.0.2.7", true),
        (&["::ffff:192.0.2.0/120"], "::ffff:c000:207", true),
        (&["::ffff:192.0.2.0/120"], "192.0.3.7", false),
        (&["::ffff:192.0.2.9"], "192.0.2.9", true),
        (&["::ffff:0:0/96"], "203.0.113.5", true),
        (&["::ffff:0:0/96"], "2001:db8::1", false),
        // Each family has a block of its own that holds all of it.
        (&["0.0.0.0/0"], "203.0.113.5", true),
        (&["0.0.0.0/0"], "::ffff:203.0.113.5", true),
        (&["0.0.0.0/0"], "2001:db8::1", false),
        (&["::/0"], "2001:db8::1", true),
        (&["::/0"], "203.0.113.5", false),
        (&["2001:db8::5/64"], "2001:db8::ffff:1", true),
        (&["2001:db8::/64"], "2001:db8:0:1::1", false),
        (&["2001:db8::1"], "2001:db8::1", true),
        (&["2001:db8::1"], "2001:db8::2", false),
        // An address that only looks like an IPv4 one.
        (&["192.0.2.7"], "::192.0.2.7", false),
        (&["192.0.2.7", "2001:db8::/32"], "2001:db8:5::", true),
    ] {
        assert_eq!(ips(blocks).allow(ip(source)), allowed, "{source} in {blocks:?}");
    }
    assert!(ips(&[]).allow(None), "without a list an unknown address is as good as another");
    assert!(!ips(&["0.0.0.0/0", "::/0"]).allow(None), "an unknown address is in no block");
}

#[test]
fn what_is_no_block_is_refused() {
    for text in [
        "",
        "*",
        "10.0.0.0/33",
        "10.0.0/8",
        "010.0.0.1",
        "::/129",
        "fe80::1%eth0",
        "a.example",
        " 10.0.0.1",
        "10.0.0.1:80",
        "1",
        "[::1]",
    ] {
        assert_eq!(AllowedIps::parse_block(text), None, "{text}");
    }
}
