//! What a key may do, as the flags say it.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use relay_core::access::{
    AllowedIps, BURST_MAX, KEY_NAME_CHARACTERS_MAX, KeyRules, RATE_PER_SECOND_MAX, RateLimit,
    Scope, Senders, is_key_name,
};
use relay_core::identity::SenderId;
use relay_core::time::Timestamp;

use crate::Failure;

/// What a key is called that nobody gave a name.
const NAME_DEFAULT: &str = "created by relay keys";
/// Most senders, and most blocks, that are listed one by one: what the API takes.
const LISTED_MAX: usize = 100;
/// Most days until a key expires: ten years.
const EXPIRES_IN_DAYS_MAX: u64 = 3650;
const DAY: Duration = Duration::from_hours(24);
/// A burst that is not given is so many seconds' worth of the rate, as in the relay's default.
const BURST_SECONDS: u32 = 2;
/// What names every sender.
const ALL: &str = "*";

/// What a new key may do.
#[derive(Args)]
pub(crate) struct RuleArguments {
    /// What people call the key.
    #[arg(long, default_value = NAME_DEFAULT)]
    name: String,
    /// A sender whose messages it is for, or * for all of them. May be repeated. Has to be said, except for a key whose
    /// only scope is admin: it is for all of them if nothing else is said.
    #[arg(long = "sender", value_name = "ID")]
    senders: Vec<String>,
    /// What it may be used for: send, read, operate or admin. May be repeated; none implies another.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<String>,
    /// An address or a CIDR block that it may be used from. May be repeated; from everywhere if absent.
    #[arg(long = "allow-ip", value_name = "BLOCK")]
    allowed_ips: Vec<String>,
    /// It stops to be valid after so many days, 1 to 3650; never if absent.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=EXPIRES_IN_DAYS_MAX))]
    expires_in_days: Option<u64>,
    /// Requests a second that it may make in the long run; the relay's default if absent.
    #[arg(long, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_PER_SECOND_MAX)))]
    rate_limit: Option<u32>,
    /// Requests that it may make at once after a pause; twice the rate limit if absent.
    #[arg(long, value_name = "NUMBER", requires = "rate_limit",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(BURST_MAX)))]
    burst: Option<u32>,
    /// Refuse its requests unless they are signed.
    #[arg(long)]
    require_signature: bool,
}

impl RuleArguments {
    /// The rules of a key that is made at `now`.
    pub(crate) fn rules(&self, now: Timestamp) -> Result<KeyRules, Failure> {
        if !is_key_name(&self.name) {
            let text = format!(
                "--name must be 1 to {KEY_NAME_CHARACTERS_MAX} visible characters, a letter or digit among them"
            );
            return Err(Failure::Usage(text));
        }
        if self.senders.len() > LISTED_MAX || self.allowed_ips.len() > LISTED_MAX {
            let text = format!("at most {LISTED_MAX} of --sender and of --allow-ip can be given");
            return Err(Failure::Usage(text));
        }
        let scopes = scopes(&self.scopes)?;
        let days = |days| now.plus(DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX)));
        Ok(KeyRules {
            name: self.name.clone(),
            senders: senders(&self.senders, &scopes)?,
            scopes,
            allowed_ips: allowed_ips(&self.allowed_ips)?,
            expires_at: self.expires_in_days.map(days),
            rate_limit: self.rate_limit.map(|per_second| RateLimit {
                per_second,
                burst: self.burst.unwrap_or(per_second * BURST_SECONDS).min(BURST_MAX),
            }),
            require_signature: self.require_signature,
        })
    }
}

/// Whose messages the key is for. Whoever manages all keys could give themselves every sender anyway; with any other
/// scope the widest key there is has to be asked for.
fn senders(texts: &[String], scopes: &BTreeSet<Scope>) -> Result<Senders, Failure> {
    match texts {
        [] if *scopes == [Scope::Admin].into() => return Ok(Senders::All),
        [] => {
            let text = "--sender has to be said: an id, or '*' for all senders";
            return Err(Failure::Usage(text.to_owned()));
        }
        [only] if only == ALL => return Ok(Senders::All),
        _ => {}
    }
    if texts.iter().any(|text| text == ALL) {
        return Err(Failure::Usage("--sender '*' means all senders and stands alone".to_owned()));
    }
    let parse = |text: &String| {
        SenderId::parse(text).map_err(|error| Failure::Usage(format!("--sender {text}: {error}")))
    };
    Ok(Senders::Only(texts.iter().map(parse).collect::<Result<_, _>>()?))
}

fn scopes(texts: &[String]) -> Result<BTreeSet<Scope>, Failure> {
    let parse = |text: &String| {
        let expected = || Scope::ALL.map(Scope::as_str).join(", ");
        let wrong = || Failure::Usage(format!("--scope {text}: must be one of {}", expected()));
        Scope::parse(text).ok_or_else(wrong)
    };
    texts.iter().map(parse).collect()
}

fn allowed_ips(texts: &[String]) -> Result<AllowedIps, Failure> {
    let parse = |text: &String| {
        let wrong =
            || Failure::Usage(format!("--allow-ip {text}: must be an address or a CIDR block"));
        AllowedIps::parse_block(text).ok_or_else(wrong)
    };
    Ok(AllowedIps::new(texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        rules: RuleArguments,
    }

    /// The rules that these flags ask for at second 0, or what is wrong with them.
    fn rules(flags: &[&str]) -> Result<KeyRules, String> {
        let all = [&["keys"], flags].concat();
        let line = Line::try_parse_from(all).map_err(|error| format!("{:?}", error.kind()))?;
        line.rules.rules(Timestamp::from_millis(0)).map_err(|failure| failure.to_string())
    }

    const LEAST: [&str; 6] = ["--name", "ci", "--sender", "billing", "--scope", "send"];

    #[test]
    fn flags_say_what_a_key_may_do() {
        let plain = rules(&LEAST).unwrap();
        assert_eq!(plain.senders, Senders::Only([SenderId::parse("billing").unwrap()].into()));
        assert_eq!(
            (plain.scopes, plain.rate_limit, plain.expires_at),
            ([Scope::Send].into(), None, None)
        );
        assert!(plain.allowed_ips.blocks().is_empty() && !plain.require_signature);

        let more = [
            "--scope",
            "read",
            "--allow-ip",
            "192.0.2.1",
            "--allow-ip",
            "2001:db8::/32",
            "--expires-in-days",
            "2",
            "--rate-limit",
            "5",
            "--require-signature",
        ];
        let full = rules(&[&LEAST[..], &more].concat()).unwrap();
        assert_eq!(full.scopes, [Scope::Send, Scope::Read].into());
        let blocks = full.allowed_ips.blocks().iter().map(ToString::to_string);
        assert_eq!(blocks.collect::<Vec<_>>(), ["192.0.2.1/32", "2001:db8::/32"]);
        assert_eq!(full.expires_at.unwrap().as_seconds(), 2 * 86_400);
        assert_eq!(full.rate_limit, Some(RateLimit { per_second: 5, burst: 10 }));
        assert!(full.require_signature);
    }

    #[test]
    fn what_a_key_is_for_has_to_be_said() {
        for (at, expected) in [(2, "--sender has to be said"), (4, "MissingRequiredArgument")] {
            let mut flags = LEAST.to_vec();
            flags.drain(at..at + 2);
            let told = rules(&flags).unwrap_err();
            assert!(told.contains(expected), "{flags:?}: {told}");
        }
        let unnamed = rules(&LEAST[2..]).unwrap();
        assert_eq!(unnamed.name, NAME_DEFAULT);
        let all = ["--sender", "*", "--scope", "send"];
        assert_eq!(rules(&all).unwrap().senders, Senders::All);
    }

    #[test]
    fn an_administrators_key_alone_is_for_all_senders_unless_it_is_said() {
        let admin = rules(&["--scope", "admin", "--scope", "admin"]).unwrap();
        assert_eq!((admin.senders, admin.scopes), (Senders::All, [Scope::Admin].into()));
        let only = rules(&["--scope", "admin", "--sender", "billing"]).unwrap();
        assert_eq!(only.senders, Senders::Only([SenderId::parse("billing").unwrap()].into()));
        for other in ["send", "read", "operate"] {
            let told = rules(&["--scope", "admin", "--scope", other]).unwrap_err();
            assert!(told.contains("--sender has to be said"), "{other}: {told}");
        }
    }

    #[test]
    fn wrong_flags_are_told() {
        for (flags, expected) in [
            (["--sender", "*"], "stands alone"),
            (["--sender", "a b"], "--sender a b"),
            (["--scope", "write"], "must be one of send, read, operate, admin"),
            (["--allow-ip", "10.0.0.0/33"], "must be an address or a CIDR block"),
            (["--burst", "5"], "MissingRequiredArgument"),
            (["--rate-limit", "0"], "ValueValidation"),
            (["--expires-in-days", "0"], "ValueValidation"),
        ] {
            let told = rules(&[&LEAST[..], &flags].concat()).unwrap_err();
            assert!(told.contains(expected), "{flags:?}: {told}");
        }
        for name in ["", " ci", "c\u{200b}i", "c\ni", "-", &"n".repeat(65)] {
            let told = rules(&["--name", name, "--sender", "a", "--scope", "send"]).unwrap_err();
            assert!(told.contains("--name must be"), "{name:?}: {told}");
        }
        let twice = rules(&["--sender", "*", "--sender", "*", "--scope", "send"]).unwrap_err();
        assert!(twice.contains("stands alone"), "{twice}");
    }
}
