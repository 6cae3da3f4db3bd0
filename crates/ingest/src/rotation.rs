//! What `POST …/rotate` may say: how long what is replaced stays valid.

use std::time::Duration;

use relay_core::access::{GRACE_DEFAULT, GRACE_MAX};

use crate::mistakes::Mistakes;
use crate::object::read_request;

/// The fields of `POST …/rotate`.
pub(crate) const FIELDS: [&str; 1] = ["gracePeriodSeconds"];

/// Shortest grace period of a secret that signs deliveries, unless it is none: workers sign with what they have read for
/// so long, and receivers that have dropped a secret must not meet it.
const DELIVERIES_GRACE_MIN: Duration = Duration::from_secs(60);

/// How long what is replaced stays valid; a day if nothing is said.
pub(crate) fn grace(bytes: &[u8]) -> Result<Duration, Mistakes> {
    read(bytes, Duration::ZERO)
}

/// The same for the secrets of deliveries.
pub(crate) fn grace_of_deliveries(bytes: &[u8]) -> Result<Duration, Mistakes> {
    read(bytes, DELIVERIES_GRACE_MIN)
}

/// A grace period of zero, or of `least` or more.
fn read(bytes: &[u8], least: Duration) -> Result<Duration, Mistakes> {
    let mut mistakes = Mistakes::default();
    if bytes.trim_ascii().is_empty() {
        return Ok(GRACE_DEFAULT);
    }
    let object = read_request(bytes, &FIELDS, &mut mistakes);
    let grace = object.map(|object| {
        let seconds = object.whole(FIELDS[0], 0..=GRACE_MAX.as_secs(), &mut mistakes);
        let grace = seconds.map_or(GRACE_DEFAULT, Duration::from_secs);
        if !grace.is_zero() && grace < least {
            let detail = format!(
                "must be 0 or at least {}: workers know of a new secret after so many seconds",
                least.as_secs()
            );
            mistakes.add(format!("/{}", FIELDS[0]), detail);
        }
        grace
    });
    mistakes.or(grace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_period_is_whole_seconds_up_to_a_week() {
        let seconds = |text: &str| grace(text.as_bytes()).map(|grace| grace.as_secs()).ok();
        for (text, expected) in [
            ("", Some(86_400)),
            (" {} ", Some(86_400)),
            (r#"{"gracePeriodSeconds":0}"#, Some(0)),
            (r#"{"gracePeriodSeconds":604800}"#, Some(604_800)),
            (r#"{"gracePeriodSeconds":604801}"#, None),
            (r#"{"gracePeriodSeconds":-1}"#, None),
            (r#"{"gracePeriodSeconds":1.5}"#, None),
            (r#"{"gracePeriodSeconds":"1"}"#, None),
            (r#"{"gracePeriodSeconds":null}"#, None),
            (r#"{"grace":1}"#, None),
            ("[]", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_grace_period_of_deliveries_is_none_or_a_minute_at_least() {
        let seconds = |seconds: u64| {
            let text = format!(r#"{{"gracePeriodSeconds":{seconds}}}"#);
            grace_of_deliveries(text.as_bytes()).map(|grace| grace.as_secs()).ok()
        };
        for (given, is_good) in [(0, true), (1, false), (59, false), (60, true), (604_800, true)] {
            assert_eq!(seconds(given), is_good.then_some(given), "{given}");
        }
        assert!(seconds(604_801).is_none());
        assert_eq!(grace_of_deliveries(b"").map(|grace| grace.as_secs()), Ok(86_400));
    }
}
