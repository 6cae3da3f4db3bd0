//! How long work is asked to come to an end before its time.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks work on many messages to begin nothing more; what is at hand is finished. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// Asks for it. It cannot be taken back.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was asked for.
    pub fn was_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Comes back once it is asked for.
    pub async fn asked(&self) {
        // It fails only if there is nobody left to ask.
        let _ = self.0.subscribe().wait_for(|was_asked| *was_asked).await;
    }
}

/// How work on many messages came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All of it was done; a stop that was asked for meanwhile came too late to leave anything.
    Whole,
    /// A stop was asked for and something may be left.
    Interrupted,
}
