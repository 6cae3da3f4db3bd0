//! How a smoke test asks: within its time, under its correlation id, and once more where the API says that the same
//! request may be repeated. What an answer means is not decided here.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::steps::Wrong;
use crate::Failure;
use crate::api::{Answer, Api, CALL_TIMEOUT};

/// What every request of a test says about itself, for the logs.
const CORRELATION_HEADER: &str = "x-correlation-id";

/// Tries of one request. A new environment or a lost connection costs one; what fails three times is no accident.
const TRIES_MAX: u32 = 3;
/// How long to wait before another try if the answer does not say, or there is none.
const WAIT_DEFAULT: Duration = Duration::from_millis(500);
/// Longest wait that an answer may ask for: whoever wants to be left alone for longer is not working.
const WAIT_MAX: Duration = Duration::from_secs(5);

pub(crate) const TOO_MANY_REQUESTS: u16 = 429;
pub(crate) const UNAVAILABLE: u16 = 503;

/// The relay that is tried, by one who knows nothing but its API.
pub(crate) struct Relay {
    /// Where it is.
    pub(crate) api: Api,
    /// The name of this test: its correlation id, and what its message ids begin with.
    pub(crate) run: String,
    /// Who sends.
    pub(crate) sender_id: String,
    /// When the whole test has to be over.
    pub(crate) deadline: Instant,
    /// The most tries that a request of the present step has taken.
    pub(crate) most_tries: Rc<Cell<u32>>,
}

impl Relay {
    /// The answer to a message.
    pub(crate) async fn post(&self, text: &str) -> Result<Answer, Wrong> {
        let request = self.api.call(Method::POST, "/v1/messages")?;
        self.ask(json_body(request, text.to_owned())).await
    }

    /// The answer, if it has this status and is JSON.
    pub(crate) async fn expect(
        &self,
        expected: &'static str,
        wanted: u16,
        request: RequestBuilder,
    ) -> Result<Value, Wrong> {
        document(expected, wanted, &self.ask(request).await?)
    }

    /// Whether a request of the present step was repeated.
    pub(crate) fn took_several_tries(&self) -> bool {
        self.most_tries.get() > 1
    }

    /// The answer, whatever it is. If the connection fails or the relay is busy, that of another try.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, Wrong> {
        let mut tries = 1;
        loop {
            // A body that is read only once cannot be sent again; ours are texts.
            let again = request.try_clone();
            let Some(again) = again else { return self.ask_once(request).await };
            let answer = self.ask_once(again).await;
            let wait = match &answer {
                // No answer for longer than the gateway waits is a finding, and not to be waited for three times.
                Err(Wrong::NotAsked(Failure::Unreachable { reason, .. }))
                    if !reason.is_timeout() =>
                {
                    WAIT_DEFAULT
                }
                Ok(answer) if matches!(answer.status, TOO_MANY_REQUESTS | UNAVAILABLE) => {
                    answer.retry_after_seconds.map_or(WAIT_DEFAULT, Duration::from_secs)
                }
                Ok(_) | Err(_) => return answer,
            };
            let wait = wait.min(WAIT_MAX);
            if tries == TRIES_MAX || Instant::now() + wait >= self.deadline {
                return answer;
            }
            sleep(wait).await;
            tries += 1;
            self.most_tries.set(self.most_tries.get().max(tries));
        }
    }

    async fn ask_once(&self, request: RequestBuilder) -> Result<Answer, Wrong> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Wrong::OutOfTime(String::new()));
        }
        let request = request.timeout(left.min(CALL_TIMEOUT));
        Ok(self.api.answer(request.header(CORRELATION_HEADER, &self.run)).await?)
    }
}

/// The answer's JSON, if it has this status.
pub(crate) fn document(
    expected: &'static str,
    wanted: u16,
    answer: &Answer,
) -> Result<Value, Wrong> {
    let Answer { status, text, .. } = answer;
    match serde_json::from_str(text) {
        Ok(document) if *status == wanted => Ok(document),
        Ok(_) | Err(_) => {
            Err(Wrong::Answered { expected, status: *status, answer: on_one_line(text) })
        }
    }
}

pub(crate) fn json_body(request: RequestBuilder, text: String) -> RequestBuilder {
    request.header("content-type", "application/json").body(text)
}

/// The text's words. An answer may be written in many lines.
pub(crate) fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
