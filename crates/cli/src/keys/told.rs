//! Keys as they are shown: tables for people, JSON with the names of the API for machines. A secret is shown where it was
//! just made, and nowhere else.

use relay_core::access::{ApiKey, KeyRecord, Purpose, Scope, Senders};
use relay_core::ports::StoredKey;
use relay_core::signature::SigningSecret;
use relay_core::time::Timestamp;
use serde_json::{Value, json};

use crate::deployment::Masters;
use crate::terminal::{compact, indented, line, note, printable, table};

/// A key that was just made.
pub(crate) struct Made<'a> {
    /// The key itself.
    pub(crate) key: &'a ApiKey,
    /// What was written; its newest version is the key's.
    pub(crate) record: &'a KeyRecord,
    /// What its signing secret is derived from.
    pub(crate) masters: &'a Masters,
}

impl Made<'_> {
    fn signing_secret(&self) -> Option<SigningSecret> {
        let newest = self.record.versions.last()?;
        let (key, version) = (&self.record.id, newest.number);
        let Masters::Read(masters) = self.masters else { return None };
        masters.derive(newest.master.as_ref()?, Purpose::Requests { key, version })
    }
}

/// Prints the key alone, and tells everything else beside it; or prints all as JSON.
pub(crate) fn tell_made(made: &Made<'_>, what: &str, as_json: bool) {
    let secret = made.signing_secret().map(|secret| secret.reveal());
    let now = made.record.versions.last().map_or(made.record.created_at, |it| it.created_at);
    let stored = StoredKey { record: made.record.clone(), last_used_at: None };
    if as_json {
        let mut shown = document(&stored, now);
        shown["key"] = json!(made.key.reveal());
        shown["signingSecret"] = json!(secret);
        line(&indented(&without_nulls(shown)));
        return;
    }
    line(&made.key.reveal());
    let mut rows = rows_of(&stored, now);
    let told = match (&secret, made.masters) {
        (Some(secret), _) => secret.clone(),
        (None, Masters::Unnamed) => {
            "none: set MASTER_SECRET_ID and rotate the key to get one".to_owned()
        }
        (None, Masters::Unreadable(error)) => {
            format!("none ({error}): rotate the key when it can be read to get one")
        }
        (None, Masters::Read(_)) => "none".to_owned(),
    };
    rows.push(["signing secret".to_owned(), told]);
    note(&format!("key {} {what}; it is shown this once\n{}", made.record.id, table(&rows)));
}

/// Prints all keys.
pub(crate) fn tell_list(keys: &[StoredKey], now: Timestamp, as_json: bool) {
    if as_json {
        keys.iter().for_each(|key| line(&compact(&document(key, now))));
        return;
    }
    let head = ["ID", "NAME", "STATE", "SENDERS", "SCOPES", "EXPIRES", "LAST USED"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(keys.iter().map(|key| {
        let KeyRecord { id, rules, .. } = &key.record;
        let expires = rules.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        let used = key.last_used_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let (senders, scopes) = (senders(&rules.senders).join(","), scopes(key).join(","));
        let state = state(&key.record, now).to_owned();
        [id.to_string(), printable(&rules.name), state, senders, scopes, expires, used]
    }));
    line(&table(&rows));
}

/// Prints one key.
pub(crate) fn tell_one(key: &StoredKey, now: Timestamp, as_json: bool) {
    if as_json {
        line(&indented(&document(key, now)));
        return;
    }
    line(&table(&rows_of(key, now)));
}

fn rows_of(key: &StoredKey, now: Timestamp) -> Vec<[String; 2]> {
    let KeyRecord { id, rules, versions, .. } = &key.record;
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
        row("id", id.to_string()),
        row("name", printable(&rules.name)),
        row("state", state(&key.record, now).to_owned()),
        row("senders", senders(&rules.senders).join(",")),
        row("scopes", scopes(key).join(",")),
    ];
    let blocks = rules.allowed_ips.blocks().iter().map(ToString::to_string).collect::<Vec<_>>();
    let everywhere = || "everywhere".to_owned();
    let from = if blocks.is_empty() { everywhere() } else { blocks.join(",") };
    rows.push(row("allowed from", from));
    if let Some(rate) = rules.rate_limit {
        let told = format!("{} a second, {} at once", rate.per_second, rate.burst);
        rows.push(row("rate limit", told));
    }
    rows.push(row("signed requests", text(rules.require_signature, "required", "optional")));
    for (name, at) in [
        ("made", Some(key.record.created_at)),
        ("expires", rules.expires_at),
        ("revoked", key.record.revoked_at),
        ("last used", key.last_used_at),
    ] {
        rows.extend(at.map(|at| row(name, at.to_string())));
    }
    for version in versions.iter().filter(|version| version.is_live(now)) {
        let ends = version.ends_at.map_or_else(String::new, |end| format!(", ends {end}"));
        let name = format!("version {}", version.number);
        rows.push([name, format!("made {}{ends}", version.created_at)]);
    }
    rows
}

fn text(yes: bool, one: &str, other: &str) -> String {
    (if yes { one } else { other }).to_owned()
}

/// How a key stands, in a word.
fn state(record: &KeyRecord, now: Timestamp) -> &'static str {
    if record.revoked_at.is_some() {
        "revoked"
    } else if record.rules.expires_at.is_some_and(|end| end <= now) {
        "expired"
    } else {
        "active"
    }
}

fn senders(senders: &Senders) -> Vec<String> {
    match senders {
        Senders::All => vec!["*".to_owned()],
        Senders::Only(senders) => senders.iter().map(ToString::to_string).collect(),
    }
}

fn scopes(key: &StoredKey) -> Vec<&'static str> {
    key.record.rules.scopes.iter().copied().map(Scope::as_str).collect()
}

fn document(key: &StoredKey, now: Timestamp) -> Value {
    let KeyRecord { id, rules, versions, .. } = &key.record;
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let live = versions.iter().filter(|version| version.is_live(now));
    let versions = live.map(|version| {
        without_nulls(json!({
            "version": version.number,
            "createdAt": version.created_at.to_string(),
            "endsAt": at(version.ends_at),
        }))
    });
    let rate_limit =
        rules.rate_limit.map(|it| json!({"perSecond": it.per_second, "burst": it.burst}));
    without_nulls(json!({
        "id": id.as_str(),
        "name": rules.name,
        "state": state(&key.record, now),
        "senders": senders(&rules.senders),
        "scopes": scopes(key),
        "allowedIps": rules.allowed_ips.blocks().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "expiresAt": at(rules.expires_at),
        "rateLimit": rate_limit,
        "requireSignature": rules.require_signature,
        "versions": versions.collect::<Vec<_>>(),
        "createdAt": key.record.created_at.to_string(),
        "revokedAt": at(key.record.revoked_at),
        "lastUsedAt": at(key.last_used_at),
    }))
}

/// What is not there is absent, as in the API.
fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use expect_test::expect;
    use relay_core::access::{AllowedIps, KeyRules, RateLimit};

    use super::*;

    fn key() -> StoredKey {
        let rules = KeyRules {
            name: "ci".to_owned(),
            senders: Senders::Only(
                ["billing", "shop"]
                    .map(|id| relay_core::identity::SenderId::parse(id).unwrap())
                    .into(),
            ),
            scopes: [Scope::Send, Scope::Read].into(),
            allowed_ips: AllowedIps::new(AllowedIps::parse_block("192.0.2.0/24")),
            expires_at: Some(Timestamp::from_millis(86_400_000)),
            rate_limit: Some(RateLimit { per_second: 5, burst: 10 }),
            require_signature: true,
        };
        let key = |secret| ApiKey::draw([1; 16], [[secret; 16], [3; 16]]);
        let begin = Timestamp::from_millis(0);
        let record = KeyRecord::new(&key(2), rules, None, begin, "w".to_owned());
        let hour = Duration::from_secs(3600);
        let record = record.rotated(&key(4), None, hour, begin, "w".to_owned()).unwrap();
        StoredKey { record, last_used_at: Some(begin) }
    }

    #[test]
    fn a_key_is_told_by_what_it_may_do() {
        expect![[r#"
            id               aeaqcaibaeaqcaib
            name             ci
            state            active
            senders          billing,shop
            scopes           send,read
            allowed from     192.0.2.0/24
            rate limit       5 a second, 10 at once
            signed requests  required
            made             1970-01-01T00:00:00.000Z
            expires          1970-01-02T00:00:00.000Z
            last used        1970-01-01T00:00:00.000Z
            version 1        made 1970-01-01T00:00:00.000Z, ends 1970-01-01T01:00:00.000Z
            version 2        made 1970-01-01T00:00:00.000Z"#]]
        .assert_eq(&table(&rows_of(&key(), Timestamp::from_millis(1))));
    }

    #[test]
    fn a_key_has_the_names_of_the_api() {
        expect![[r#"{"allowedIps":["192.0.2.0/24"],"createdAt":"1970-01-01T00:00:00.000Z","expiresAt":"1970-01-02T00:00:00.000Z","id":"aeaqcaibaeaqcaib","lastUsedAt":"1970-01-01T00:00:00.000Z","name":"ci","rateLimit":{"burst":10,"perSecond":5},"requireSignature":true,"scopes":["send","read"],"senders":["billing","shop"],"state":"active","versions":[{"createdAt":"1970-01-01T00:00:00.000Z","endsAt":"1970-01-01T01:00:00.000Z","version":1},{"createdAt":"1970-01-01T00:00:00.000Z","version":2}]}"#]].assert_eq(&compact(&document(&key(), Timestamp::from_millis(1))));
    }

    #[test]
    fn a_key_is_active_until_it_expires_or_is_revoked() {
        let record = key().record;
        let end = record.rules.expires_at.unwrap();
        assert_eq!(state(&record, end.minus(Duration::from_millis(1))), "active");
        assert_eq!(state(&record, end), "expired");
        assert_eq!(state(&record.revoked(end, "w".to_owned()), end), "revoked");
    }
}
