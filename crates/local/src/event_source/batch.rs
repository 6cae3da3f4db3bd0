//! Gathers a batch: waits for a first message, then until the batch is full or its window is over.
//!
//! A receive under way is never abandoned: the messages it brings would stay hidden for the queue's
//! whole visibility timeout.

use aws_sdk_sqs::types::Message;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

use super::queue::{ENTRIES_MAX, Queue};

/// How long a receive waits for a first message. SQS allows 20; this is also the longest that the
/// stack waits for it to return when it stops.
const FIRST_WAIT_SECONDS: u64 = 2;
/// How long to wait after a receive failed, so that a queue in trouble is not asked without pause.
const ERROR_PAUSE: Duration = Duration::from_millis(500);
/// How often to look within a window's last second, which is too short for a receive that waits.
const WINDOW_STEP: Duration = Duration::from_millis(100);

/// How large a batch may get and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) batch_size: usize,
    pub(super) window: Duration,
}

/// The next batch, or nothing once the stack stops; messages that were gathered by then are given back.
pub(super) async fn gather(
    queue: &Queue,
    limits: Limits,
    stopping: &watch::Receiver<bool>,
) -> Option<Vec<Message>> {
    let mut messages = first(queue, limits, stopping).await?;
    let window_end = Instant::now() + limits.window;
    while messages.len() < limits.batch_size && !*stopping.borrow() {
        let left = window_end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let wait_seconds = left.as_secs().min(FIRST_WAIT_SECONDS);
        if wait_seconds == 0 {
            tokio::time::sleep(left.min(WINDOW_STEP)).await;
        }
        let count = limits.batch_size - messages.len();
        messages.extend(receive(queue, count, wait_seconds).await);
    }
    if *stopping.borrow() {
        queue.give_back(&messages).await;
        return None;
    }
    Some(messages)
}

async fn first(
    queue: &Queue,
    limits: Limits,
    stopping: &watch::Receiver<bool>,
) -> Option<Vec<Message>> {
    while !*stopping.borrow() {
        let messages = receive(queue, limits.batch_size, FIRST_WAIT_SECONDS).await;
        if !messages.is_empty() {
            return Some(messages);
        }
    }
    None
}

async fn receive(queue: &Queue, count: usize, wait_seconds: u64) -> Vec<Message> {
    match queue.receive(count.min(ENTRIES_MAX), wait_seconds).await {
        Ok(messages) => messages,
        Err(error) => {
            tracing::warn!(error, "receiving failed");
            tokio::time::sleep(ERROR_PAUSE).await;
            Vec::new()
        }
    }
}
