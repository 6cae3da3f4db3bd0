//! The rules of an API key as a request gives them: all of them for a new key, some for a change; every mistake told at
//! once. Whether the caller may give them is not judged here.

use std::collections::BTreeSet;

use relay_core::access::{
    AllowedIps, BURST_MAX, KEY_NAME_CHARACTERS_MAX, KeyRules, RATE_PER_SECOND_MAX, RateLimit,
    Scope, Senders, is_key_name,
};
use relay_core::identity::SenderId;
use relay_core::time::Timestamp;

use crate::mistakes::Mistakes;
use crate::object::{Object, read_request};

/// The fields of `POST /v1/api-keys` and of `PATCH /v1/api-keys/{id}`.
pub(crate) const FIELDS: [&str; 7] =
    ["name", "senders", "scopes", "expiresAt", "allowedIps", "rateLimit", "requireSignature"];
/// The fields of `rateLimit`.
pub(crate) const RATE_FIELDS: [&str; 2] = ["perSecond", "burst"];
/// The fields that a new key must have.
const REQUIRED: [&str; 3] = ["name", "senders", "scopes"];
/// Most senders that are listed one by one: the record is remembered by a thousand and read as a whole.
const SENDERS_MAX: usize = 100;
/// Most blocks of addresses: each request is held against all of them.
const ALLOWED_IPS_MAX: usize = 100;
/// What stands for every sender.
pub(crate) const EVERY_SENDER: &str = "*";

/// What a request says of a key. What it does not say stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Change {
    name: Option<String>,
    senders: Option<Senders>,
    scopes: Option<BTreeSet<Scope>>,
    allowed_ips: Option<AllowedIps>,
    expires_at: Option<Option<Timestamp>>,
    rate_limit: Option<Option<RateLimit>>,
    require_signature: Option<bool>,
}

impl Change {
    /// Reads the bytes of a request that changes a key.
    pub(crate) fn parse(bytes: &[u8], now: Timestamp) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let change = read_request(bytes, &FIELDS, &mut mistakes)
            .map(|object| Self::read(&object, now, &mut mistakes));
        mistakes.or(change)
    }

    fn read(object: &Object<'_>, now: Timestamp, mistakes: &mut Mistakes) -> Self {
        Self {
            name: object.parsed("name", name, mistakes),
            senders: senders(object, mistakes),
            scopes: object
                .list("scopes", 1..=Scope::ALL.len(), scope, mistakes)
                .map(BTreeSet::from_iter),
            allowed_ips: allowed_ips(object, mistakes),
            expires_at: nullable(object, "expiresAt", mistakes, |object, mistakes| {
                object.parsed("expiresAt", |text| future(text, now), mistakes)
            }),
            rate_limit: nullable(object, "rateLimit", mistakes, rate_limit),
            require_signature: object.truth("requireSignature", mistakes),
        }
    }

    /// The rules with the change.
    pub(crate) fn applied_to(&self, rules: &KeyRules) -> KeyRules {
        let change = self.clone();
        KeyRules {
            name: change.name.unwrap_or_else(|| rules.name.clone()),
            senders: change.senders.unwrap_or_else(|| rules.senders.clone()),
            scopes: change.scopes.unwrap_or_else(|| rules.scopes.clone()),
            allowed_ips: change.allowed_ips.unwrap_or_else(|| rules.allowed_ips.clone()),
            expires_at: change.expires_at.unwrap_or(rules.expires_at),
            rate_limit: change.rate_limit.unwrap_or(rules.rate_limit),
            require_signature: change.require_signature.unwrap_or(rules.require_signature),
        }
    }
}

/// Reads the bytes of a request for a new key.
pub(crate) fn rules(bytes: &[u8], now: Timestamp) -> Result<KeyRules, Mistakes> {
    let mut mistakes = Mistakes::default();
    let rules = read_request(bytes, &FIELDS, &mut mistakes).and_then(|object| {
        object.require(&REQUIRED, &mut mistakes);
        let change = Change::read(&object, now, &mut mistakes);
        Some(KeyRules {
            name: change.name?,
            senders: change.senders?,
            scopes: change.scopes?,
            allowed_ips: change.allowed_ips.unwrap_or_default(),
            expires_at: change.expires_at.flatten(),
            rate_limit: change.rate_limit.flatten(),
            require_signature: change.require_signature.unwrap_or_default(),
        })
    });
    mistakes.or(rules)
}

/// A member that may be null, which takes away what was there.
fn nullable<T>(
    object: &Object<'_>,
    name: &str,
    mistakes: &mut Mistakes,
    read: impl FnOnce(&Object<'_>, &mut Mistakes) -> Option<T>,
) -> Option<Option<T>> {
    if object.is_null(name) { Some(None) } else { read(object, mistakes).map(Some) }
}

fn name(text: &str) -> Result<String, String> {
    let expected = || {
        format!(
            "must be 1 to {KEY_NAME_CHARACTERS_MAX} visible characters, a letter or digit among them, with spaces between them"
        )
    };
    is_key_name(text).then(|| text.to_owned()).ok_or_else(expected)
}

fn senders(object: &Object<'_>, mistakes: &mut Mistakes) -> Option<Senders> {
    let parse = |text: &str| match text {
        EVERY_SENDER => Ok(None),
        _ => SenderId::parse(text).map(Some).map_err(|error| error.to_string()),
    };
    let listed = object.list("senders", 1..=SENDERS_MAX, parse, mistakes)?;
    let every = listed.iter().any(Option::is_none);
    if every && listed.len() > 1 {
        mistakes.add(object.pointer("senders"), "must be [\"*\"] alone, or ids of senders");
        return None;
    }
    Some(if every { Senders::All } else { Senders::Only(listed.into_iter().flatten().collect()) })
}

fn scope(text: &str) -> Result<Scope, String> {
    let all = Scope::ALL.map(Scope::as_str).join(", ");
    Scope::parse(text).ok_or_else(|| format!("must be one of {all}"))
}

fn allowed_ips(object: &Object<'_>, mistakes: &mut Mistakes) -> Option<AllowedIps> {
    let block = |text: &str| {
        let expected = "must be an IPv4 or IPv6 address or CIDR block, such as 192.0.2.0/24";
        AllowedIps::parse_block(text).ok_or_else(|| expected.to_owned())
    };
    object.list("allowedIps", 0..=ALLOWED_IPS_MAX, block, mistakes).map(AllowedIps::new)
}

fn future(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    match Timestamp::parse_rfc3339(text) {
        Ok(time) if time > now => Ok(time),
        Ok(_) => Err("must be in the future; to end a key now, revoke it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn rate_limit(object: &Object<'_>, mistakes: &mut Mistakes) -> Option<RateLimit> {
    let object = object.object("rateLimit", &RATE_FIELDS, mistakes)?;
    object.require(&RATE_FIELDS, mistakes);
    let mut number = |name, most: u32| {
        object.whole(name, 1..=u64::from(most), mistakes).and_then(|number| number.try_into().ok())
    };
    let per_second = number("perSecond", RATE_PER_SECOND_MAX);
    let burst = number("burst", BURST_MAX);
    Some(RateLimit { per_second: per_second?, burst: burst? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use expect_test::{Expect, expect};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn check(text: &str, expected: Expect) {
        let mut told = String::new();
        match rules(text.as_bytes(), NOW) {
            Ok(rules) => told.push_str(&format!("{rules:?}\n")),
            Err(mistakes) => {
                for mistake in mistakes.listed() {
                    told.push_str(&format!("{}: {}\n", mistake.pointer, mistake.detail));
                }
            }
        }
        expected.assert_eq(&told);
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        check(
            r#"{"nam":"x","senders":[],"scopes":["send","all"],"allowedIps":["10.0.0.0/33",1],
            "expiresAt":"2020-01-01T00:00:00Z","rateLimit":{"perSecond":0,"per":1},"requireSignature":"yes"}"#,
            expect![[r#"
                /nam: is not a known field; known are name, senders, scopes, expiresAt, allowedIps, rateLimit, requireSignature
                /name: is required
                /senders: must be a list of 1 to 100 strings
                /scopes/1: must be one of send, read, operate, admin
                /allowedIps/0: must be an IPv4 or IPv6 address or CIDR block, such as 192.0.2.0/24
                /allowedIps/1: must be a string
                /expiresAt: must be in the future; to end a key now, revoke it
                /rateLimit/per: is not a known field; known are perSecond, burst
                /rateLimit/burst: is required
                /rateLimit/perSecond: must be a whole number from 1 to 1000000
                /requireSignature: must be true or false
            "#]],
        );
    }

    #[test]
    fn a_good_one_is_read() {
        check(
            r#"{"name":"shop é","senders":["b","a","a"],"scopes":["send","send"],"expiresAt":null,
            "allowedIps":["192.0.2.7","::ffff:10.1.0.0/112"],"rateLimit":{"perSecond":5,"burst":9},"requireSignature":true}"#,
            expect![[r#"
                KeyRules { name: "shop é", senders: Only({SenderId("a"), SenderId("b")}), scopes: {Send}, allowed_ips: AllowedIps([192.0.2.7/32, 10.1.0.0/16]), expires_at: None, rate_limit: Some(RateLimit { per_second: 5, burst: 9 }), require_signature: true }
            "#]],
        );
    }

    #[test]
    fn a_name_is_what_it_seems_to_be() {
        for (text, is_good) in
            [("a", true), ("Größe 7", true), ("", false), ("a\u{ad}b", false), ("-", false)]
        {
            assert_eq!(name(text).is_ok(), is_good, "{text:?}");
        }
    }

    #[test]
    fn senders_are_all_or_listed() {
        let read = |senders: &str| {
            rules(
                format!(r#"{{"name":"a","senders":{senders},"scopes":["send"]}}"#).as_bytes(),
                NOW,
            )
        };
        assert_eq!(read(r#"["*"]"#).unwrap().senders, Senders::All);
        for bad in
            [r#"["*","a"]"#, r#"["*","*"]"#, r#"["a b"]"#, r#""*""#, "null", "[null]", r#"[["a"]]"#]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        let many = |count: usize| serde_json::to_string(&vec!["a"; count]).unwrap();
        assert!(read(&many(SENDERS_MAX)).is_ok() && read(&many(SENDERS_MAX + 1)).is_err());
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name_and_takes_away_by_null() {
        let all = r#"{"name":"a","senders":["a"],"scopes":["send"],"expiresAt":"2100-01-01T00:00:00Z",
            "allowedIps":["192.0.2.7"],"rateLimit":{"perSecond":5,"burst":9},"requireSignature":true}"#;
        let before = rules(all.as_bytes(), NOW).unwrap();
        let after = |text: &str| Change::parse(text.as_bytes(), NOW).unwrap().applied_to(&before);
        assert_eq!(after("{}"), before);
        let less = after(
            r#"{"expiresAt":null,"rateLimit":null,"allowedIps":[],"requireSignature":false}"#,
        );
        assert_eq!(
            less,
            KeyRules {
                expires_at: None,
                rate_limit: None,
                allowed_ips: AllowedIps::default(),
                require_signature: false,
                ..before.clone()
            }
        );
        assert_eq!(after(r#"{"name":"b"}"#).name, "b");
    }
}
