//! Waiting for something to become true, for so long and no longer.

use std::time::Duration;
use tokio::time::Instant;

/// Long enough for anything that happens without waiting for a clock, on a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Asks until there is an answer.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {within:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
