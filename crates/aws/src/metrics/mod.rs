//! How metrics leave a function: as lines of its log, through CloudWatch's own API, or not at all.
//!
//! What is counted is not decided here: `relay_core::metrics` has the table, the functions record.

mod aggregate;
mod cloudwatch;
mod lines;

use std::future::Future;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use relay_core::metrics::{Metric, Recorder};
use relay_core::ports::Ambient;
use relay_core::settings::Metrics;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Clients, SystemAmbient};
use cloudwatch::{CloudWatch, Flusher};

/// Where Lambda says what the function is called.
const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// Where the samples go.
enum Way {
    Nowhere,
    Lines(Mutex<Box<dyn Write + Send>>),
    Api(Flusher),
}

/// Sends what was recorded on its way at the end of each invocation.
pub struct Emitter {
    recorder: Arc<Recorder>,
    function: String,
    way: Way,
    /// Whether an invocation has ended in this process.
    warm: AtomicBool,
}

impl Emitter {
    /// Takes from `recorder`. The function is called what Lambda calls it, outside Lambda `otherwise`. A client of
    /// CloudWatch is made only where it is used.
    pub fn new(
        metrics: Metrics,
        clients: &Clients,
        recorder: Arc<Recorder>,
        otherwise: &str,
    ) -> Self {
        let function = std::env::var(FUNCTION_NAME).unwrap_or_else(|_| otherwise.to_owned());
        let way = match metrics {
            Metrics::Off => Way::Nowhere,
            Metrics::Emf => Way::Lines(Mutex::new(Box::new(std::io::stdout()))),
            Metrics::Cloudwatch => {
                Way::Api(Flusher::new(Box::new(CloudWatch::new(clients, &function))))
            }
        };
        Self::on(way, recorder, function)
    }

    fn on(way: Way, recorder: Arc<Recorder>, function: String) -> Self {
        Self { recorder, function, way, warm: AtomicBool::new(false) }
    }

    /// Does the work of an invocation. What was recorded by then is on its way before this returns, and so before the
    /// answer goes out: afterwards the process may be frozen or gone. A panic of the work goes on after that.
    pub async fn invocation<T>(&self, work: impl Future<Output = T>) -> T {
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        self.invocation_ended().await;
        match ended {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Serves invocations until that ends. Where values are held back, they also leave by the clock meanwhile, and a
    /// last time when serving ends or the process is told to (SIGTERM); then there is no result.
    pub async fn serving<T>(&self, serving: impl Future<Output = T>) -> Option<T> {
        let Way::Api(flusher) = &self.way else { return Some(serving.await) };
        let result = tokio::select! {
            result = serving => Some(result),
            () = flusher.flush_by_the_clock() => None,
            () = told_to_end() => None,
        };
        // What an unfinished invocation had recorded so far.
        flusher.add(&self.recorder.take(), SystemAmbient.now());
        flusher.flush().await;
        result
    }

    async fn invocation_ended(&self) {
        if !self.warm.swap(true, Ordering::Relaxed) {
            self.recorder.count(Metric::ColdStarts);
        }
        let samples = self.recorder.take();
        match &self.way {
            Way::Nowhere => {}
            Way::Lines(output) => {
                let text = lines::render(&self.function, &samples, SystemAmbient.now());
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                // In one piece, so that no log line gets in between. If nobody reads the log any more, nobody
                // would read that either.
                let _ = output.write_all(&text).and_then(|()| output.flush());
            }
            Way::Api(flusher) => {
                flusher.add(&samples, SystemAmbient.now());
                flusher.flush_if_due().await;
            }
        }
    }
}

/// Waits for SIGTERM; for ever where it cannot be received.
async fn told_to_end() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminations) => {
            terminations.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, "the last values before an end will be lost");
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests;
