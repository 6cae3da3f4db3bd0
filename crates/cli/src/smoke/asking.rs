//! How a smoke test asks: within its time, under its correlation id, and once more where the API says that the same
//! request may be repeated. What an answer means is not decided here.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::steps::Wrong;
use crate::api::{Answer, Api, CALL_TIMEOUT, json_body};
use crate::patience::wait_after;

/// What every request of a test says about itself, for the logs.
const CORRELATION_HEADER: &str = "x-correlation-id";

/// Tries of one request. A new environment or a lost connection costs one; what fails three times is no accident.
const TRIES_MAX: u32 = 3;
/// Longest wait that an answer may ask for: whoever wants to be left alone for longer is not working.
const WAIT_MAX: Duration = Duration::from_secs(5);

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
        let request = self.api.call(Method::POST, "/v1/messages");
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
                Ok(answer) => wait_after(Ok(answer)),
                Err(Wrong::NotAsked(failure)) => wait_after(Err(failure)),
                Err(_) => None,
            };
            let Some(wait) = wait else { return answer };
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

/// The text's words. An answer may be written in many lines.
pub(crate) fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
