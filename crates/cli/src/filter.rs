//! Which messages are meant: flags to a filter, and times and spans as people write them.

use std::collections::HashSet;
use std::fmt::Display;
use std::time::Duration;

use clap::Args;
use relay_core::access::ApiKey;
use relay_core::destination::Target;
use relay_core::identity::{MessageId, RelayId, SenderId};
use relay_core::outcome::DeadReason;
use relay_core::time::Timestamp;
use relay_operate::DeadFilter;

use crate::Failure;

/// Most messages a second that can be asked for: more than eight at a time get through.
const RATE_MAX: u32 = 1000;
/// How much of a wrong name is repeated, in characters: a little more than an id has.
const REPEATED_MAX: usize = 40;

const RELAYS_OWN: &str = "is the relay's own id, which has no sender: leave --sender-id out";

/// Which dead letters are meant.
#[derive(Args, Default)]
pub(crate) struct FilterArguments {
    /// Why they died, as `reason` has it.
    #[arg(long, value_parser = reason)]
    reason: Option<DeadReason>,
    /// Where they go: scheme, host and port, such as `https://api.example.com` (a path is left out).
    #[arg(long, value_name = "URL", value_parser = destination)]
    destination: Option<String>,
    /// Whose they are.
    #[arg(long)]
    pub(crate) sender_id: Option<String>,
    /// That died at this time or later (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// That died before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// That died within so long until now: 90s, 15m, 2h or 3d.
    #[arg(long, value_name = "SPAN", value_parser = span, conflicts_with = "from")]
    since: Option<Duration>,
}

impl FilterArguments {
    /// Whether anything but the sender is given.
    pub(crate) fn is_more_than_a_sender(&self) -> bool {
        let times = self.from.is_some() || self.until.is_some() || self.since.is_some();
        times || self.reason.is_some() || self.destination.is_some()
    }

    /// The filter at `now`.
    pub(crate) fn filter(&self, now: Timestamp) -> Result<DeadFilter, Failure> {
        let sender_id = self.sender_id.as_deref().map(sender).transpose()?;
        let from = self.from.or_else(|| self.since.map(|since| now.minus(since)));
        if from.zip(self.until).is_some_and(|(from, until)| from >= until) {
            let text = "--until must be later than --from, or than --since goes back";
            return Err(Failure::Usage(text.to_owned()));
        }
        Ok(DeadFilter {
            reason: self.reason,
            destination: self.destination.clone(),
            sender_id,
            from,
            until: self.until,
        })
    }
}

/// Says which of many names is wrong, and how.
fn usage(name: &str, error: impl Display) -> Failure {
    Failure::Usage(format!("{} {error}", repeated(name)))
}

/// The name as far as it is repeated. What was meant to be none may be anything, such as a line of a file with a key.
fn repeated(name: &str) -> String {
    if name.contains(ApiKey::PREFIX) {
        return "what may be an API key, and is not repeated,".to_owned();
    }
    match name.char_indices().nth(REPEATED_MAX) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

fn sender(name: &str) -> Result<SenderId, Failure> {
    SenderId::parse(name).map_err(|error| usage(name, error))
}

/// The relay's id that a person means: the relay's own, or the sender's together with the sender.
pub(crate) fn relay_id(id: &str, sender_id: Option<&str>) -> Result<RelayId, Failure> {
    let wrong = |error| usage(id, error);
    match sender_id {
        None => RelayId::parse(id).map_err(wrong),
        Some(name) => Ok(RelayId::of(&sender(name)?, &MessageId::parse(id).map_err(wrong)?)),
    }
}

/// The ids that a person means, each once: nothing is sent twice because it was named twice. One of the relay's that is
/// given with a sender is refused: taken for the sender's it names no message, or a whole list of them none.
pub(crate) fn relay_ids(ids: &[String], sender_id: Option<&str>) -> Result<Vec<RelayId>, Failure> {
    let (mut distinct, mut seen) = (Vec::with_capacity(ids.len()), HashSet::new());
    for named in ids {
        if sender_id.is_some() && RelayId::parse(named).is_ok() {
            return Err(usage(named, RELAYS_OWN));
        }
        let id = relay_id(named, sender_id)?;
        if seen.insert(id.clone()) {
            distinct.push(id);
        }
    }
    Ok(distinct)
}

fn reason(text: &str) -> Result<DeadReason, String> {
    let known = || DeadReason::ALL.map(DeadReason::as_str).join(", ");
    DeadReason::parse(text).ok_or_else(|| format!("must be one of {}", known()))
}

fn destination(text: &str) -> Result<String, String> {
    Target::parse(text).map(|target| target.destination()).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let expected = "must be RFC 3339, such as 2026-11-21T05:00:00Z";
    Timestamp::parse_rfc3339(text).map_err(|_| expected.to_owned())
}

/// How many messages a second: beyond the limit there is no point in one.
pub(crate) fn rate(text: &str) -> Result<u32, String> {
    let rate = text.parse().ok().filter(|rate| (1..=RATE_MAX).contains(rate));
    rate.ok_or_else(|| format!("must be a whole number from 1 to {RATE_MAX}"))
}

/// A number of seconds, minutes, hours or days.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let expected = || "must be a whole number with s, m, h or d, such as 90s or 2h".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn spans_are_whole_numbers_with_a_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "2", "h", "2w", "-1h", "1.5h", "2 h", "9999999999s", "2ä"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filter_holds_what_was_given() {
        let now = Timestamp::from_millis(10_000_000);
        let arguments = FilterArguments {
            reason: reason("gone").ok(),
            destination: destination("https://API.example.com:443/hooks?a").ok(),
            sender_id: Some("billing".to_owned()),
            since: span("2h").ok(),
            ..FilterArguments::default()
        };
        let filter = arguments.filter(now).unwrap();
        assert_eq!(filter.destination.as_deref(), Some("https://api.example.com"));
        assert_eq!(filter.from, Some(Timestamp::from_millis(2_800_000)));
        assert_eq!((filter.reason, filter.until), (Some(DeadReason::Gone), None));
        assert!(arguments.is_more_than_a_sender());
        let wrong = FilterArguments { sender_id: Some("a b".to_owned()), ..arguments };
        assert!(matches!(wrong.filter(now), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_span_of_time_ends_after_it_begins() {
        let now = Timestamp::from_millis(10_000_000);
        let at = |millis| Some(Timestamp::from_millis(millis));
        for (from, since, until, is_one) in [
            (at(5), None, at(6), true),
            (at(5), None, at(5), false),
            (at(6), None, at(5), false),
            (None, span("2h").ok(), at(2_800_001), true),
            (None, span("2h").ok(), at(2_800_000), false),
            (None, None, at(1), true),
        ] {
            let arguments = FilterArguments { from, since, until, ..FilterArguments::default() };
            assert_eq!(arguments.filter(now).is_ok(), is_one, "{from:?} {since:?} {until:?}");
        }
    }

    #[test]
    fn an_unknown_reason_is_told_the_known_ones() {
        let error = reason("failed").err().unwrap();
        assert!(error.contains("attempts_exhausted, deadline_passed"), "{error}");
    }

    #[test]
    fn an_id_is_the_relays_or_the_senders_and_counts_once() {
        let own = relay_id("order-1042", Some("billing")).unwrap();
        assert_eq!(relay_id(own.as_str(), None).unwrap(), own);
        let wrong = relay_id("order-1042", None).err().unwrap().to_string();
        assert_eq!(wrong, r#""order-1042" must be msg_ and 32 characters of a-z 2-7"#);
        let twice = ["order-1042".to_owned(), "order-1042".to_owned()];
        assert_eq!(relay_ids(&twice, Some("billing")).unwrap(), [own]);
    }

    #[test]
    fn an_id_of_the_relays_among_the_senders_is_refused() {
        let id = "msg_2warzholesewdmt5f4njnwmcf6y5imtt".to_owned();
        let ids = ["order-1042".to_owned(), id.clone()];
        let failure = relay_ids(&ids, Some("billing")).err().unwrap();
        assert!(matches!(failure, Failure::Usage(_)), "{failure}");
        assert_eq!(failure.to_string(), format!("{id:?} {RELAYS_OWN}"));
        // What only begins so may be the sender's.
        assert!(relay_ids(&["msg_1042".to_owned()], Some("billing")).is_ok());
        assert!(relay_ids(&[id], None).is_ok());
    }

    #[test]
    fn a_wrong_name_is_repeated_in_part_and_a_key_not_at_all() {
        let told = |name: &str| relay_id(name, None).err().unwrap().to_string();
        let whole = "ä".repeat(REPEATED_MAX);
        assert!(told(&whole).starts_with(&format!("{whole:?} must be")), "{}", told(&whole));
        let longer = format!("{whole}ö\u{1b}");
        assert!(told(&longer).starts_with(&format!("{whole:?}… must be")), "{}", told(&longer));
        assert!(told("\u{1b}[2J").starts_with(r#""\u{1b}[2J" must be"#));
        let key = ApiKey::draw([1; 16], [[1; 16]; 2]).reveal();
        for line in [key.clone(), format!("RELAY_API_KEY={key}"), format!("{}rk_a", "a".repeat(50))]
        {
            let told = told(&line);
            assert!(told.starts_with("what may be an API key"), "{told}");
            assert!(!told.contains("rk_") && !told.contains("aa"), "{told}");
        }
    }
}
