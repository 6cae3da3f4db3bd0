//! What the stub of the services has counted.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counted since the stub was started, or since they were taken last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Requests by operation, such as `PutItem`.
    pub calls: BTreeMap<String, u64>,
    /// Bytes that came, heads included.
    pub bytes_in: u64,
    /// Bytes that went, heads included.
    pub bytes_out: u64,
    /// Write units: of each item that was written, its KiB begun.
    pub write_units: f64,
    /// Read units of strongly consistent reads: 4 KiB begun.
    pub read_units: f64,
    /// Requests to the queue service as it charges them: 64 KiB begun.
    pub queue_units: f64,
    /// Bytes of queue messages, attributes included.
    pub queue_bytes: u64,
}

impl Counts {
    /// Calls of all operations.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.calls.values().sum()
    }

    /// Calls of one operation.
    #[must_use]
    pub fn of(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or_default()
    }
}

/// The counters while they run.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters {
    counts: Arc<Mutex<Counts>>,
    bytes_in: Arc<AtomicU64>,
    bytes_out: Arc<AtomicU64>,
}

impl Counters {
    pub(super) fn with(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was counted; everything begins from nothing again.
    pub(super) fn take(&self) -> Counts {
        let mut counts =
            std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        counts.bytes_in = self.bytes_in.swap(0, Ordering::SeqCst);
        counts.bytes_out = self.bytes_out.swap(0, Ordering::SeqCst);
        counts
    }

    pub(super) fn counted<S>(&self, stream: S) -> Counted<S> {
        Counted { stream, counters: self.clone() }
    }
}

/// A connection whose bytes are counted.
pub(super) struct Counted<S> {
    stream: S,
    counters: Counters,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = (buffer.filled().len() - before) as u64;
        self.counters.bytes_in.fetch_add(read, Ordering::SeqCst);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.counters.bytes_out.fetch_add(written as u64, Ordering::SeqCst);
        }
        polled
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
