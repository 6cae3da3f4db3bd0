//! Points in time, in milliseconds since the Unix epoch. Reads no clock: the present is an argument.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

/// The whole milliseconds of a duration; as many as can be said, if it has more.
pub fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Timestamp {
    /// The point `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This point and `wait` more; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(wait)))
    }

    /// This point and `wait` less; stops at the epoch.
    #[must_use]
    pub fn minus(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(wait)))
    }

    /// How long it is from `earlier` until this point; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.millis_since(earlier))
    }

    /// The same in milliseconds.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether less than `span` has passed from this point until `now`. A point in the future is from a clock that has
    /// been set back since: what it began lasts no longer for that, so the answer is no.
    pub fn is_within(self, span: Duration, now: Self) -> bool {
        self <= now && now.since(self) < span
    }

    /// Reads an RFC 3339 date and time with an offset, such as `2026-11-21T05:00:00Z`.
    ///
    /// # Errors
    /// When the text is not RFC 3339 or lies before 1970.
    pub fn parse_rfc3339(text: &str) -> Result<Self, NotATime> {
        // The parser takes more than RFC 3339 does, notes in brackets of any length among it.
        if !is_rfc3339(text) {
            return Err(NotATime);
        }
        let parsed: jiff::Timestamp = text.parse().map_err(|_| NotATime)?;
        u64::try_from(parsed.as_millisecond()).map(Self).map_err(|_| NotATime)
    }
}

/// Digits of a fraction of a second that are taken: nanoseconds.
const FRACTION_DIGITS_MAX: usize = 9;

/// Whether the text has the form of RFC 3339 section 5.6 (`date-time`).
fn is_rfc3339(text: &str) -> bool {
    let has_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't'),
                other => byte == other,
            })
    };
    let Some((seconds, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if !(1..=FRACTION_DIGITS_MAX).contains(&(fraction.len() - offset.len())) {
                return false;
            }
            offset
        }
    };
    has_form(seconds, "0000-00-00T00:00:00")
        && (matches!(offset, "Z" | "z") || has_form(offset, "+00:00") || has_form(offset, "-00:00"))
}

/// The text is not an RFC 3339 date and time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 date and time since 1970, such as 2026-11-21T05:00:00Z")]
pub struct NotATime;

/// RFC 3339 in UTC, with milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(point) => write!(formatter, "{point:.3}"),
            Err(_) => write!(formatter, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_goes_both_ways() {
        let point = Timestamp::parse_rfc3339("2026-11-21T06:00:00.25+01:00");
        assert_eq!(point.map(|point| point.to_string()), Ok("2026-11-21T05:00:00.250Z".to_owned()));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-11-21T05:00:00",
            "1969-12-31T23:59:59Z",
            "2026-11-21T05:00:00Z[UTC]",
            "2026-11-21T05Z",
            "20261121T050000Z",
            "2026-11-21 05:00:00Z",
            "2026-11-21T05:00:00,5Z",
            "+002026-11-21T05:00:00Z",
            "2026-11-21T05:00:00.Z",
            "2026-11-21T05:00:00.0123456789Z",
            "2026-13-21T05:00:00Z",
            "2026-11-21T05:00:00+1:00",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Err(NotATime), "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(Timestamp::from_millis(5).since(end), Duration::ZERO);
    }
}
