//! Work that dies: a future that is polled so many times and no further.

use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose work ends at one of its own awaits, as if the machine had gone away there.
pub(crate) struct Mortal<'work, T> {
    work: Option<Pin<Box<dyn Future<Output = T> + 'work>>>,
    polls_left: Option<u64>,
}

impl<'work, T> Mortal<'work, T> {
    /// Lets `work` reach this many awaits, or all of them.
    pub(crate) fn new(work: impl Future<Output = T> + 'work, polls_left: Option<u64>) -> Self {
        Self { work: Some(Box::pin(work)), polls_left }
    }
}

/// Nothing if it died.
impl<T> Future for Mortal<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        match &mut self.polls_left {
            None => Poll::Pending,
            Some(0 | 1) => {
                self.work = None;
                Poll::Ready(None)
            }
            Some(left) => {
                *left -= 1;
                Poll::Pending
            }
        }
    }
}
