//! The schedule itself: one run whenever it is due, each tried until it succeeds or is dropped.

use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::event::ScheduledEvent;
use super::tries::{LAMBDA, Tries};
use crate::lambda::{FunctionHost, InvokeError};
use crate::template::description::AsynchronousInvocation;

/// How long runs under way may go on once the stack stops. What is repeated every few minutes can be
/// cut off anywhere, so nobody should wait for it as long as for a delivery.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What a schedule is started with.
pub struct ScheduleOptions {
    /// Time from one run to the next.
    pub every: Duration,
    /// What the function is told.
    pub event: ScheduledEvent,
    /// The function it invokes.
    pub function: Arc<FunctionHost>,
    /// What becomes of runs that fail.
    pub asynchronous: AsynchronousInvocation,
}

/// A running schedule.
pub struct RunningSchedule {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RunningSchedule {
    /// Begins to count: the first run comes after one interval.
    #[must_use]
    pub fn start(options: ScheduleOptions) -> Self {
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(keep(options, stopping));
        Self { stop, task }
    }

    /// Begins no more runs and no more tries, and gives those under way a few seconds.
    pub async fn stop(self) {
        let Self { stop, mut task } = self;
        stop.send_replace(true);
        if tokio::time::timeout(STOP_TIMEOUT, &mut task).await.is_err() {
            tracing::warn!("scheduled runs were still under way when the stack stopped");
            task.abort();
            // The task was just cancelled: that is the only way it ends.
            let _ = task.await;
        }
    }
}

async fn keep(options: ScheduleOptions, mut stopping: watch::Receiver<bool>) {
    let ScheduleOptions { every, event, function, asynchronous } = options;
    let mut due = tokio::time::interval_at(Instant::now() + every, every);
    // A machine that was too busy does not catch up with many runs at once.
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut runs = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => break,
            _ = due.tick() => {}
        }
        while runs.try_join_next().is_some() {}
        let (event, function) = (event.due_at(Timestamp::now()), Arc::clone(&function));
        let invoke = move || {
            let (event, function) = (event.clone(), Arc::clone(&function));
            async move { function.invoke(event).await }
        };
        runs.spawn(run(invoke, Tries::new(asynchronous, LAMBDA), stopping.clone()));
    }
    while runs.join_next().await.is_some() {}
}

/// One run with all its tries. Nobody waits for what it answers.
async fn run<F: Future<Output = Result<Bytes, InvokeError>>>(
    invoke: impl Fn() -> F,
    mut tries: Tries,
    mut stopping: watch::Receiver<bool>,
) {
    let began = Instant::now();
    while let Err(error) = invoke().await {
        let Some(pause) = tries.pause_after(&error, began.elapsed()) else {
            tracing::error!(%error, "a scheduled run failed and is not tried again");
            return;
        };
        tracing::warn!(%error, pause_seconds = pause.as_secs(), "a scheduled run failed");
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tries::Pauses;
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const SHORT: Pauses = Pauses {
        after_failure: [Duration::from_millis(1); 2],
        without_room: Duration::from_millis(1),
        without_room_max: Duration::from_millis(1),
    };

    /// How often a function is invoked that fails so many times before it works.
    async fn invocations(failures: u32, pauses: Pauses, stopped: bool) -> u32 {
        let count = AtomicU32::new(0);
        let invoke = || {
            let fails = count.fetch_add(1, Ordering::Relaxed) < failures;
            let crashed = || InvokeError::Crashed { how: "signal 9".to_owned() };
            std::future::ready(if fails { Err(crashed()) } else { Ok(Bytes::new()) })
        };
        let (_stop, stopping) = watch::channel(stopped);
        run(invoke, Tries::new(AsynchronousInvocation::LAMBDA_DEFAULT, pauses), stopping).await;
        count.into_inner()
    }

    #[tokio::test]
    async fn a_run_is_tried_until_it_succeeds_or_is_dropped() {
        for (failures, expected) in [(0, 1), (1, 2), (2, 3), (3, 3)] {
            assert_eq!(invocations(failures, SHORT, false).await, expected, "{failures} failures");
        }
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_for_the_next_try() {
        assert_eq!(invocations(1, LAMBDA, true).await, 1);
    }
}
