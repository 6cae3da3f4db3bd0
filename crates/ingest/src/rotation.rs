//! What `POST …/rotate` may say: how long what is replaced stays valid.

use std::time::Duration;

use relay_core::access::{GRACE_DEFAULT, GRACE_MAX};

use crate::mistakes::Mistakes;
use crate::object::read_request;

/// The fields of `POST …/rotate`.
pub(crate) const FIELDS: [&str; 1] = ["gracePeriodSeconds"];

/// How long what is replaced stays valid; a day if nothing is said.
pub(crate) fn grace(bytes: &[u8]) -> Result<Duration, Mistakes> {
    let mut mistakes = Mistakes::default();
    if bytes.trim_ascii().is_empty() {
        return Ok(GRACE_DEFAULT);
    }
    let object = read_request(bytes, &FIELDS, &mut mistakes);
    let grace = object.map(|object| {
        let seconds = object.whole(FIELDS[0], 0..=GRACE_MAX.as_secs(), &mut mistakes);
        seconds.map_or(GRACE_DEFAULT, Duration::from_secs)
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
}
