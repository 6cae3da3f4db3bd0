//! How often the parts of a batch are tried again that a service put off. Calls that fail as a whole are the SDK's
//! business, and are not tried again here.

use std::time::Duration;

use relay_core::ports::Ambient;
use tokio::time::Instant;

use crate::SystemAmbient;

/// Tries of one part, as many as the SDK makes of a call: what lasts longer is for the client's own retry, or the
/// queue's.
const TRIES_MAX: u32 = 3;
/// The wait before the second try, at most; doubled for the third.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// How long after the first try another one may begin. A service that throttles says so within milliseconds. One that
/// takes longer has used up the time that its callers reckon with for one call.
const TRIES_WITHIN: Duration = Duration::from_secs(1);

/// The tries of the parts of one call.
pub(crate) struct Tries {
    begun: Instant,
    made: u32,
}

impl Tries {
    /// With the first try.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), made: 1 }
    }

    /// Waits for the next try. False if there is none.
    pub(crate) async fn another(&mut self) -> bool {
        if self.made >= TRIES_MAX || self.begun.elapsed() >= TRIES_WITHIN {
            return false;
        }
        // In half to whole of the wait, so that callers that were put off together do not come back together.
        let share = 0.5 + SystemAmbient.unit() / 2.0;
        tokio::time::sleep((BACKOFF_FIRST * self.made).mul_f64(share)).await;
        self.made += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_are_bounded_in_number_and_in_time() {
        let mut tries = Tries::begin();
        let begun = Instant::now();
        assert_eq!((tries.another().await, tries.another().await), (true, true));
        assert!(begun.elapsed() >= BACKOFF_FIRST * 3 / 2, "{:?}", begun.elapsed());
        assert!(!tries.another().await);
        let mut slow = Tries::begin();
        tokio::time::advance(TRIES_WITHIN).await;
        assert!(!slow.another().await);
    }
}
