//! How long the work for many messages may take, and how much of it is done at the same time. Knows nothing of what
//! the work is.

use std::time::Duration;

use futures::StreamExt;
use relay_core::ports::PortError;
use tokio::time::{Instant, timeout_at};

/// Bodies written and records looked up at the same time for one request: a hundred take a dozen round trips, and no
/// connection pool or throttle is overrun.
const AT_ONCE: usize = 8;

/// What is not done by then is answered as failed, and what is done as done: a service that does not answer about one
/// message costs no other its answer. A request as a whole is given up after 25 s.
const ALL_WITHIN: Duration = Duration::from_secs(20);
/// How much longer it may take to note what is in the queue, so that it can be noted of what was sent at the last moment.
const MARKING_TIME: Duration = Duration::from_secs(2);

/// Until when work may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until(Instant);

impl Until {
    /// The time that a request has, beginning now.
    pub(super) fn from_now() -> Self {
        Self(Instant::now() + ALL_WITHIN)
    }

    /// The same and a little more.
    pub(super) fn for_marking(self) -> Self {
        Self(self.0 + MARKING_TIME)
    }

    /// What the work comes to, or that it took too long.
    pub(super) async fn get<T, E: From<PortError>>(
        self,
        action: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        timeout_at(self.0, work).await.unwrap_or_else(|_| Err(late(action).into()))
    }

    /// What the work for as many messages comes to for each: one that is left out is not done.
    pub(super) async fn get_each<T>(
        self,
        action: &'static str,
        count: usize,
        work: impl Future<Output = Vec<Result<T, PortError>>>,
    ) -> Vec<Result<T, PortError>> {
        let done = timeout_at(self.0, work).await;
        let is_late = done.is_err();
        let mut done = done.unwrap_or_default();
        done.resize_with(count, || Err(if is_late { late(action) } else { unanswered(action) }));
        done
    }
}

/// Does all of it, some at a time: what each came to, in their order.
pub(super) async fn at_once<T>(work: Vec<impl Future<Output = T>>) -> Vec<T> {
    let work = work.into_iter().enumerate().map(|(at, work)| async move { (at, work.await) });
    // In no order: one that takes long holds up none that could begin.
    let done = futures::stream::iter(work).buffer_unordered(AT_ONCE);
    let mut done: Vec<(usize, T)> = done.collect().await;
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, done)| done).collect()
}

/// Work that took longer than a request may.
fn late(action: &'static str) -> PortError {
    let reason = format!("no answer within {} s", ALL_WITHIN.as_secs());
    PortError::Unavailable { action, reason }
}

/// A port that was asked about several messages and left this one out.
fn unanswered(action: &'static str) -> PortError {
    PortError::Unavailable { action, reason: "nothing was said of this message".to_owned() }
}
