//! Ctrl-C during work on many messages: the first lets what is at hand be finished and begins nothing
//! more, the second ends at once. Either is safe: what was left half-done is finished by whoever meets it.

use relay_operate::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Failure;
use crate::terminal::note;

/// Does the work until it is done or was interrupted twice, in which case nothing comes back. The first
/// interruption asks for the stop.
pub(crate) async fn until_interrupted<T>(
    stop: &Stop,
    work: impl Future<Output = T>,
) -> Result<Option<T>, Failure> {
    let what = || "signals".to_owned();
    let listen = |kind| signal(kind).map_err(|reason| Failure::Input { what: what(), reason });
    let mut interrupts = listen(SignalKind::interrupt())?;
    let mut terminations = listen(SignalKind::terminate())?;
    let told_twice = async {
        next(&mut interrupts, &mut terminations).await;
        stop.ask();
        note("finishing what is at hand (Ctrl-C again ends at once)");
        next(&mut interrupts, &mut terminations).await;
    };
    tokio::select! {
        biased;
        done = work => Ok(Some(done)),
        () = told_twice => Ok(None),
    }
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) {
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::process::Command;

    use super::*;

    /// Presses Ctrl-C on this very process, which from then on hears of it only by its own handler.
    fn press() {
        let itself = std::process::id().to_string();
        assert!(Command::new("kill").args(["-INT", &itself]).status().unwrap().success());
    }

    #[tokio::test]
    async fn the_first_ctrl_c_asks_for_a_stop_and_the_second_ends_at_once() {
        let stop = Stop::default();
        let work = async {
            press();
            while !stop.was_asked() {
                tokio::task::yield_now().await;
            }
            press();
            std::future::pending::<()>().await;
        };
        assert_eq!(until_interrupted(&stop, work).await.unwrap(), None);
        assert_eq!(until_interrupted(&Stop::default(), async { 1 }).await.unwrap(), Some(1));
    }
}
