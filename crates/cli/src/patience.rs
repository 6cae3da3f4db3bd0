//! When the same request may be sent once more, and after how long: what the API says of it, for whoever asks.

use std::time::Duration;

use crate::Failure;
use crate::api::Answer;

/// The answer to whoever has asked too often.
pub(crate) const TOO_MANY_REQUESTS: u16 = 429;
/// The answer when something behind the relay does not answer.
pub(crate) const UNAVAILABLE: u16 = 503;

/// How long to wait before another try if the answer does not say, or there is none.
const WAIT_DEFAULT: Duration = Duration::from_millis(500);

/// How long to wait before another try; nothing if another would come to the same.
pub(crate) fn wait_after(answer: Result<&Answer, &Failure>) -> Option<Duration> {
    match answer {
        Ok(answer) if matches!(answer.status, TOO_MANY_REQUESTS | UNAVAILABLE) => {
            Some(wait_asked_by(answer))
        }
        // No answer for longer than the gateway waits is a finding, and not to be waited for again.
        Err(Failure::Unreachable { reason, .. }) if !reason.is_timeout() => Some(WAIT_DEFAULT),
        Ok(_) | Err(_) => None,
    }
}

/// How long an answer asks to be left alone.
pub(crate) fn wait_asked_by(answer: &Answer) -> Duration {
    answer.retry_after_seconds.map_or(WAIT_DEFAULT, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_busy_is_asked_again_after_what_it_says() {
        for (status, retry_after_seconds, expected) in [
            (TOO_MANY_REQUESTS, Some(7), Some(Duration::from_secs(7))),
            (UNAVAILABLE, Some(0), Some(Duration::ZERO)),
            (UNAVAILABLE, None, Some(WAIT_DEFAULT)),
            (207, Some(5), None),
            (400, None, None),
            (500, None, None),
        ] {
            let answer = Answer { status, text: String::new(), retry_after_seconds };
            assert_eq!(wait_after(Ok(&answer)), expected, "{status} {retry_after_seconds:?}");
        }
        let failure = Failure::Usage("wrong".to_owned());
        assert_eq!(wait_after(Err(&failure)), None);
    }
}
