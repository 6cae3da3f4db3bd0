//! The body of an answer that ends too early.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What the server of the proxy is told so that it breaks a connection off.
#[derive(Debug, thiserror::Error)]
#[error("the connection is broken off on purpose")]
pub(super) struct BrokenOff;

/// The first half of a body, then an error. It says that it is whole.
pub(super) struct CutBody {
    whole_bytes: u64,
    half: Option<Bytes>,
    has_waited: bool,
}

impl CutBody {
    pub(super) fn of(whole: &Bytes) -> Self {
        let half = whole.slice(..whole.len() / 2);
        Self { whole_bytes: whole.len() as u64, half: Some(half), has_waited: false }
    }
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.has_waited {
            // While it waits, what there is gets sent; an error at once would throw it away.
            self.has_waited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(BrokenOff)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole_bytes)
    }
}
