//! The working life of an environment: the order in which things may happen to it.
//!
//! It takes one invocation at a time. It ends when its process ends, when an invocation passes its
//! deadline, or when the stack stops; it never outlives its process.

use bytes::Bytes;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::environment::{Environment, describe_exit};
use super::identifier::unique_id;
use super::invocation::{Invocation, InvokeError};
use super::runtime_api::{Handout, RuntimeCall};

/// How long an answer is held back for the function to ask for more work.
const NEXT_GRACE: Duration = Duration::from_millis(50);

/// How an invocation left its environment.
enum Course {
    /// Answered: the environment may go on.
    Answered(Result<Bytes, InvokeError>),
    /// The environment is of no more use.
    Lost(InvokeError),
}

impl Environment {
    /// Takes one invocation after another until the environment ends.
    pub(super) async fn run(mut self) {
        while let Some(invocation) = self.next_invocation().await {
            if !self.serve(invocation).await {
                break;
            }
        }
        self.pool.forget(self.handle.number);
        self.process.end().await;
    }

    async fn next_invocation(&mut self) -> Option<Invocation> {
        tokio::select! {
            biased;
            status = self.process.child.wait() => {
                let how = describe_exit(status);
                tracing::warn!(function = self.settings.label, pid = self.process.pid, how, "idle environment ended");
                None
            }
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
            invocation = self.invocations.recv() => invocation,
        }
    }

    /// Serves one invocation. Returns whether the environment can take another.
    async fn serve(&mut self, invocation: Invocation) -> bool {
        let Invocation { request_id, event, answer, permit } = invocation;
        let deadline = Instant::now() + self.settings.timeout;
        self.pool.set_busy(self.handle.number);
        let course = match self.hand_out(&request_id, event) {
            true => self.course(&request_id, deadline).await,
            false => {
                let how = "it no longer listened for work".to_owned();
                Course::Lost(InvokeError::Crashed { how })
            }
        };
        let (result, usable) = match course {
            Course::Answered(result) => (result, true),
            Course::Lost(error) => (Err(error), false),
        };
        if let Err(error) = &result {
            tracing::warn!(function = self.settings.label, pid = self.process.pid, request_id, %error, "invocation failed");
        }
        // The function asks for more work within a moment. An answer that waits for it lets a caller
        // who invokes again at once find this environment instead of starting another.
        let grace = deadline.min(Instant::now() + NEXT_GRACE);
        let prompt = usable && self.wait_for_next(grace).await;
        if prompt {
            self.pool.make_idle(self.handle());
        }
        // An invoker that went away has no use for the answer.
        let _ = answer.send(result);
        let usable = prompt || (usable && self.wait_for_next(deadline).await);
        if usable && !prompt {
            self.pool.make_idle(self.handle());
        } else if !usable {
            tracing::warn!(
                function = self.settings.label,
                pid = self.process.pid,
                "environment lost"
            );
        }
        // Last: whoever gets the permit must find this environment.
        drop(permit);
        usable
    }

    /// Gives the event to the function. Returns whether the function took it.
    fn hand_out(&mut self, request_id: &str, event: Bytes) -> bool {
        let handout = Handout {
            request_id: request_id.to_owned(),
            deadline_milliseconds: epoch_milliseconds(SystemTime::now() + self.settings.timeout),
            function_arn: self.settings.arn.clone(),
            trace_id: trace_id(),
            event,
        };
        self.next.take().is_some_and(|next| next.send(handout).is_ok())
    }

    /// Waits until the invocation is answered or lost.
    async fn course(&mut self, request_id: &str, deadline: Instant) -> Course {
        loop {
            let call = tokio::select! {
                biased;
                call = self.calls.recv() => call,
                status = self.process.child.wait() => {
                    return Course::Lost(InvokeError::Crashed { how: describe_exit(status) });
                }
                () = tokio::time::sleep_until(deadline) => {
                    return Course::Lost(InvokeError::TimedOut { after: self.settings.timeout });
                }
                _ = self.stopping.wait_for(|stopping| *stopping) => {
                    return Course::Lost(InvokeError::Stopping);
                }
            };
            match call {
                Some(RuntimeCall::Finished { request_id: finished, result, accepted }) => {
                    let ours = finished == request_id;
                    // The function may have ended while it waited to hear this.
                    let _ = accepted.send(ours);
                    if ours {
                        return Course::Answered(result);
                    }
                }
                Some(RuntimeCall::Next(_)) => {
                    let how = "it asked for work before it had answered".to_owned();
                    return Course::Lost(InvokeError::Crashed { how });
                }
                Some(RuntimeCall::CannotStart(how)) => {
                    return Course::Lost(InvokeError::Crashed { how });
                }
                None => {
                    let how = "its runtime api stopped".to_owned();
                    return Course::Lost(InvokeError::Crashed { how });
                }
            }
        }
    }

    /// Waits until the function asks for more work, or the time is over. It must do so within its
    /// timeout.
    async fn wait_for_next(&mut self, deadline: Instant) -> bool {
        let next: Option<oneshot::Sender<Handout>> = tokio::select! {
            call = self.calls.recv() => match call {
                Some(RuntimeCall::Next(next)) => Some(next),
                Some(RuntimeCall::Finished { .. } | RuntimeCall::CannotStart(_)) | None => None,
            },
            _ = self.process.child.wait() => None,
            () = tokio::time::sleep_until(deadline) => None,
        };
        self.next = next;
        self.next.is_some()
    }
}

fn epoch_milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A trace header of the form that X-Ray uses; not sampled, for nobody collects it here.
fn trace_id() -> String {
    let seconds = epoch_milliseconds(SystemTime::now()) / 1000;
    let digits = unique_id().replace('-', "");
    let (root, parent) = (&digits[..24], unique_id().replace('-', ""));
    format!("Root=1-{seconds:08x}-{root};Parent={};Sampled=0", &parent[..16])
}
