//! What Lambda does with an asynchronous invocation that failed: when it is tried again, when it is
//! dropped. Decides only; the waiting is done by [`super::running`].

use std::time::Duration;

use crate::lambda::InvokeError;
use crate::template::description::AsynchronousInvocation;

/// How long Lambda waits before each next try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    /// After the first failure of the function, and after every later one.
    pub(super) after_failure: [Duration; 2],
    /// While there is no room for the invocation: at first, doubled each time.
    pub(super) without_room: Duration,
    /// The longest of these.
    pub(super) without_room_max: Duration,
}

/// The pauses that Lambda documents.
pub(super) const LAMBDA: Pauses = Pauses {
    after_failure: [Duration::from_secs(60), Duration::from_secs(120)],
    without_room: Duration::from_secs(1),
    without_room_max: Duration::from_secs(300),
};

/// The tries of one invocation.
#[derive(Debug)]
pub(super) struct Tries {
    rules: AsynchronousInvocation,
    pauses: Pauses,
    failures: u32,
    next_without_room: Duration,
}

impl Tries {
    pub(super) fn new(rules: AsynchronousInvocation, pauses: Pauses) -> Self {
        Self { rules, pauses, failures: 0, next_without_room: pauses.without_room }
    }

    /// How long to wait before the next try of an event that is `age` old, or nothing if there is none.
    pub(super) fn pause_after(&mut self, error: &InvokeError, age: Duration) -> Option<Duration> {
        let pause = match error {
            InvokeError::Function { .. }
            | InvokeError::Crashed { .. }
            | InvokeError::TimedOut { .. }
            | InvokeError::ResponseTooLarge
            | InvokeError::ColdStart(_) => {
                let [first, later] = self.pauses.after_failure;
                let pause = if self.failures == 0 { first } else { later };
                self.failures += 1;
                (self.failures <= self.rules.retries_max).then_some(pause)?
            }
            InvokeError::Throttled { .. } => {
                let pause = self.next_without_room;
                self.next_without_room = (pause * 2).min(self.pauses.without_room_max);
                pause
            }
            InvokeError::EventTooLarge { .. } | InvokeError::Stopping => return None,
        };
        (age + pause <= self.rules.event_age_max).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: AsynchronousInvocation = AsynchronousInvocation::LAMBDA_DEFAULT;

    fn crashed() -> InvokeError {
        InvokeError::Crashed { how: "signal 9".to_owned() }
    }

    fn throttled() -> InvokeError {
        InvokeError::Throttled { environments: 1, waited: Duration::from_secs(10) }
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn a_failed_run_is_tried_twice_more_after_one_and_two_minutes() {
        let mut tries = Tries::new(DEFAULT, LAMBDA);
        assert_eq!(tries.pause_after(&crashed(), Duration::ZERO), seconds(60));
        assert_eq!(tries.pause_after(&crashed(), Duration::from_secs(60)), seconds(120));
        assert_eq!(tries.pause_after(&crashed(), Duration::from_secs(180)), None);
    }

    #[test]
    fn the_template_may_ask_for_fewer_tries() {
        let mut tries = Tries::new(AsynchronousInvocation { retries_max: 0, ..DEFAULT }, LAMBDA);
        assert_eq!(tries.pause_after(&crashed(), Duration::ZERO), None);
    }

    #[test]
    fn a_run_without_room_uses_up_no_try_and_waits_ever_longer() {
        let mut tries = Tries::new(AsynchronousInvocation { retries_max: 1, ..DEFAULT }, LAMBDA);
        let pauses: Vec<_> =
            (0..10).map(|_| tries.pause_after(&throttled(), Duration::ZERO)).collect();
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map(seconds);
        assert_eq!(pauses, expected);
        assert_eq!(tries.pause_after(&crashed(), Duration::ZERO), seconds(60));
    }

    #[test]
    fn an_event_that_would_be_too_old_is_dropped() {
        let rules = AsynchronousInvocation { event_age_max: Duration::from_secs(100), ..DEFAULT };
        let after = |error: &InvokeError, age_seconds| {
            Tries::new(rules, LAMBDA).pause_after(error, Duration::from_secs(age_seconds))
        };
        assert_eq!(after(&crashed(), 40), seconds(60));
        assert_eq!(after(&crashed(), 41), None);
        assert_eq!(after(&throttled(), 99), seconds(1));
        assert_eq!(after(&throttled(), 100), None);
    }

    #[test]
    fn nothing_is_tried_again_that_cannot_work() {
        for error in [InvokeError::Stopping, InvokeError::EventTooLarge { bytes: 7_000_000 }] {
            assert_eq!(Tries::new(DEFAULT, LAMBDA).pause_after(&error, Duration::ZERO), None);
        }
    }
}
