//! Has tests that read what is logged read all of it, whichever test's thread comes to a line first.

use std::sync::LazyLock;

use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

/// Two that nothing uses. As long as there is but one subscriber, a line that is come to for the first time is judged on
/// the thread that comes to it: by what another test's thread listens to, which may be nothing, and then for good.
static TWO: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [Dispatch::new(NoSubscriber::new()), Dispatch::new(NoSubscriber::new())]);

/// To be called before the first line that a test may log, by every test of a program in which one reads what is logged.
pub fn judge_for_all_threads() {
    LazyLock::force(&TWO);
}
